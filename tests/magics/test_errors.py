"""An error is a real exception that shows in short; %tb has everything."""

from __future__ import annotations

import pytest

from pilothouse.errors import (
    FastScoreError,
    LineError,
    NotFoundError,
    PilothouseError,
    SettingsError,
)
from pilothouse.magics._errors import make_brief, short_text


def test_a_wrong_line_shows_as_one_line_and_a_hint(shown):
    text = shown("%pilot profles")

    assert text == (
        "LineError: %pilot has no 'profles'; did you mean 'profiles'?\n"
        "  Hint: %pilot knows: up, down, status, use, profiles, jobs, attach, stop, "
        "flow, doctor, dashboard, logs, audit\n"
    )


def test_the_error_is_raised_so_that_every_runner_sees_it(run):
    with pytest.raises(LineError):
        run("%pilot profles")


def test_tb_shows_the_whole_trace(shown):
    shown("%pilot profles")

    text = shown("%tb")

    assert "Traceback (most recent call last)" in text
    assert "_arguments.py" in text


def test_tb_with_a_mode_shows_the_whole_trace(shown):
    shown("%pilot profles")

    assert "_arguments.py" in shown("%tb Plain")


def test_the_type_can_be_caught_in_a_cell(run, shell):
    run(
        "from pilothouse.errors import SettingsError\n"
        "try:\n"
        "    get_ipython().run_line_magic('pilot', 'use nobody')\n"
        "except SettingsError as exc:\n"
        "    caught = exc\n"
    )

    assert type(shell.user_ns["caught"]) is SettingsError


def test_an_error_raised_again_by_the_user_stays_short(shown, run):
    run(
        "def f():\n"
        "    try:\n"
        "        get_ipython().run_line_magic('pilot', 'use nobody')\n"
        "    except Exception as exc:\n"
        "        raise\n"
    )

    assert shown("f()").startswith("SettingsError: no profile named 'nobody'")


def test_the_option_shows_whole_traces(shown, run):
    run("%config Pilothouse.brief_errors = False")

    assert "Traceback (most recent call last)" in shown("%pilot profles")


@pytest.mark.parametrize("cell", ["%%model", "%%model scorer", "%%schema s\n\n"])
def test_an_empty_cell_is_a_real_error_or_a_page_never_a_silent_pass(run, cell):
    if cell == "%%model":
        assert "Examples:" in run(cell)
        return
    with pytest.raises(LineError, match="empty"):
        run(cell)


def test_the_short_form_has_the_detail_between_message_and_hint():
    error = NotFoundError("no model 'x'", hint="look")

    assert short_text(error, "a\nb") == (
        "NotFoundError: no model 'x'\n\n  a\n  b\n\n  Hint: look"
    )


def test_the_short_form_says_once_that_it_is_an_error():
    assert short_text(FastScoreError("no")) == "FastScoreError: no"


def test_colours_follow_the_shell():
    assert "\x1b[31m" in short_text(PilothouseError("x"), colored=True)
    assert "\x1b" not in short_text(PilothouseError("x"))


def test_errors_of_other_kinds_pass_as_they_are(shown):
    text = shown("%pilot use {1 / 0}")

    assert "ZeroDivisionError" in text
    assert "Traceback (most recent call last)" in text


def test_an_error_outside_a_shell_renders_too(monkeypatch):
    error = PilothouseError("x")
    make_brief(error)

    assert error._render_traceback_() == ["PilothouseError: x"]
