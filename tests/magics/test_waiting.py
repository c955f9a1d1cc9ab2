"""What is slow shows that it goes on, and can be interrupted."""

from __future__ import annotations

import threading

import pytest

from pilothouse.errors import ServiceError
from pilothouse.magics import _waiting
from pilothouse.magics._session import Session


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(_waiting, "_PATIENCE", 0.0)


def test_the_value_comes_back(shell, capsys, monkeypatch):
    monkeypatch.setattr(_waiting, "_PATIENCE", 60.0)
    session = Session.of(shell)

    assert _waiting.show_while(session, "working", lambda: 42) == 42
    assert capsys.readouterr().out == ""


def test_the_error_comes_back_as_it_is(shell):
    def fail():
        raise ServiceError("no")

    with pytest.raises(ServiceError, match="no"):
        _waiting.show_while(Session.of(shell), "working", fail)


@pytest.fixture
def shown(monkeypatch):
    """Set once it was shown that the work goes on."""
    shown = threading.Event()
    show = _waiting._Line.show

    def showing(line, seconds):
        show(line, seconds)
        shown.set()

    monkeypatch.setattr(_waiting._Line, "show", showing)
    return shown


def test_long_work_says_that_it_goes_on(shell, capsys, impatient, shown):
    _waiting.show_while(Session.of(shell), "working", lambda: shown.wait(60))

    assert "working … " in capsys.readouterr().out


def test_it_can_be_kept_quiet(shell, run, capsys, impatient, shown):
    run("%config Pilothouse.progress = 'off'")

    _waiting.show_while(Session.of(shell), "working", lambda: shown.wait(60))

    assert shown.is_set()
    assert capsys.readouterr().out == ""
