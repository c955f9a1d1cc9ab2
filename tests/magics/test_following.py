"""Waiting for remote work: shown, interrupted, detached, and never left unsaid."""

from __future__ import annotations

import _thread
import threading
import time
from types import SimpleNamespace

import pytest

from pilothouse.errors import RemoteError
from pilothouse.magics import _following
from pilothouse.magics._following import follow
from pilothouse.magics._session import Session
from waiting import until
from widgets.work import Work


@pytest.fixture
def session(shell):
    return Session.of(shell)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(_following, "_PATIENCE", 0.0)
    monkeypatch.setattr(_following, "_PERIOD", 0.0)


class Loud(Work):
    """Work that tells when somebody has begun to wait for it."""

    def __post_init__(self):
        super().__post_init__()
        self.waited = threading.Event()
        self.asked = threading.Event()
        self.waits = 0

    def wait(self, timeout=None):
        self.waited.set()
        self.waits += 1
        return super().wait(timeout)

    def shown(self):
        """Wait until it has been shown as it is now."""
        before = self.waits
        until(lambda: self.waits >= before + 2)

    def cancel(self):
        self.asked.set()
        return super().cancel()


def during(work, *steps):
    """Do steps on a thread, once somebody waits for the work."""

    def run():
        assert work.waited.wait(60)
        for step in steps:
            step()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_the_result_comes_back_and_quick_work_shows_nothing(session, capsys):
    work = Work(results=[1, 2])
    work.end("done")

    assert follow(session, work, label="f") == [1, 2]
    assert capsys.readouterr().out == ""


def test_without_a_terminal_each_tenth_is_said_once(session, capsys, impatient):
    work = Loud(results=[1])

    def move():
        for done in (0, 6, 7, 12):
            work.at(done=done)
            work.shown()
        work.end("done")

    thread = during(work, move)
    follow(session, work, label="f", unit="items")
    thread.join()

    assert capsys.readouterr().out.splitlines() == [
        "f: 0%, 0 of 60 items",
        "f: 10%, 6 of 60 items",
        "f: 20%, 12 of 60 items",
        "f: done",
    ]


def test_in_a_terminal_one_line_moves(session, capsys, impatient, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    work = Loud()
    thread = during(
        work,
        lambda: work.at(done=30, step="installing numpy"),
        work.shown,
        lambda: work.end("done", "done: 60 items in 3 s"),
    )
    follow(session, work, label="f", unit="items")
    thread.join()

    out = capsys.readouterr().out
    assert "\rf: 50%, 30 of 60 items, installing numpy" in out
    assert out.rstrip(" \n").endswith("\rf: done: 60 items in 3 s")
    assert out.endswith("\n")


def test_quiet_shows_nothing(session, capsys, impatient):
    work = Loud()
    thread = during(work, work.shown, lambda: work.end("done"))
    follow(session, work, label="f", quiet=True)
    thread.join()

    assert capsys.readouterr().out == ""


def test_an_interrupt_cancels_keeps_and_says_so(session):
    work = Loud(results=[1, 2, 3])
    thread = during(work, _thread.interrupt_main)

    with pytest.raises(KeyboardInterrupt) as caught:
        follow(session, work, label="f", out="kept")
    thread.join()

    said = "cancelled: the workers are free; what came back is in kept"
    assert str(caught.value) == said
    assert session.shell.user_ns["kept"] == [1, 2, 3]


class Empty(Loud):
    def partial(self):
        return None


@pytest.mark.parametrize("kind", [Loud, Empty])
def test_an_interrupt_before_anything_came_promises_nothing(session, kind):
    work = kind()
    thread = during(work, _thread.interrupt_main)

    with pytest.raises(KeyboardInterrupt) as caught:
        follow(session, work, label="f")
    thread.join()

    assert str(caught.value) == "cancelled: the workers are free"


def test_a_cancel_without_an_answer_is_bounded_and_not_called_confirmed(session, run):
    run("%config Pilothouse.interrupt_timeout = 0.3")
    work = Loud()
    work.answers.clear()
    start = time.monotonic()
    thread = during(work, _thread.interrupt_main)

    with pytest.raises(KeyboardInterrupt, match=r"not confirmed within 0\.3 s"):
        follow(session, work, label="f")
    thread.join()

    assert time.monotonic() - start < 20
    work.answers.set()


def test_what_work_says_that_bounds_itself_is_heard_a_little_late(
    session, run, monkeypatch
):
    run("%config Pilothouse.interrupt_timeout = 2")
    clock = SimpleNamespace(now=0.0, looks=0)

    def monotonic():
        clock.looks += 1
        return clock.now

    def be_waited_for():
        looks = clock.looks
        until(lambda: clock.looks >= looks + 3)

    def pass_the_limit():
        assert work.asked.wait(60)
        be_waited_for()
        clock.now = 2.2
        be_waited_for()

    monkeypatch.setattr(_following, "time", SimpleNamespace(monotonic=monotonic))
    work = Loud()
    work.patience = 1.8
    work.answers.clear()
    thread = during(work, _thread.interrupt_main, pass_the_limit, work.answers.set)

    with pytest.raises(KeyboardInterrupt, match="cancelled: the workers are free"):
        follow(session, work, label="f")
    thread.join()


def test_a_second_interrupt_detaches(session, run):
    run("%config Pilothouse.interrupt_timeout = 30")
    work = Loud(results=[7])
    work.answers.clear()
    thread = during(
        work,
        _thread.interrupt_main,
        lambda: work.asked.wait(10),
        _thread.interrupt_main,
    )

    with pytest.raises(KeyboardInterrupt, match="interrupted twice") as caught:
        follow(session, work, label="f")
    thread.join()

    assert "detached: it goes on; what came back is in _partial" in str(caught.value)
    assert work.detached
    assert session.shell.user_ns["_partial"] == [7]
    work.answers.set()


def test_a_failure_keeps_what_came_back_and_says_where(session):
    work = Work(results=[1])
    work.end("failed", failure=RemoteError("item 1: no"))

    with pytest.raises(RemoteError) as caught:
        follow(session, work, label="f", out="mine")

    assert caught.value.hint == "what came back is in _partial"
    assert session.shell.user_ns["_partial"] == [1]
    assert "mine" not in session.shell.user_ns


def test_a_cancel_by_a_click_keeps_under_the_users_name(session):
    work = Work(results=[1])
    work.end("cancelled", failure=RemoteError("cancelled", hint="ask again"))

    with pytest.raises(RemoteError) as caught:
        follow(session, work, label="f", out="mine")

    assert caught.value.hint == "what came back is in mine"
    assert session.shell.user_ns["mine"] == [1]
