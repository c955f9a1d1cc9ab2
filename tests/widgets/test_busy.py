import pytest

from pilothouse_widgets.busy import CellClock


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def clock(shell):
    clock = CellClock()
    shell.user_ns["clock"] = clock
    yield clock
    clock.forget()


def test_a_running_cell_is_seen(shell, clock):
    """The cell that makes the first view is already running, and counts."""
    shell.run_cell("clock.watch(); first = clock.busy_for")
    assert shell.user_ns["first"] > 0
    assert clock.busy_for == 0.0

    shell.run_cell("later = clock.busy_for")
    assert 0 < shell.user_ns["later"] < 60
    assert clock.busy_for == 0.0


def test_a_cell_that_fails_has_ended_too(shell, clock, capsys):
    shell.run_cell("clock.watch()")
    shell.run_cell("1 / 0")
    assert "ZeroDivisionError" in capsys.readouterr().out

    assert clock.busy_for == 0.0


def test_nothing_is_left_behind_in_the_shell(shell, clock):
    before = {name: len(found) for name, found in shell.events.callbacks.items()}
    shell.run_cell("clock.watch(); clock.watch()")
    clock.forget()
    clock.forget()

    after = {name: len(found) for name, found in shell.events.callbacks.items()}
    assert after == before


def test_without_a_shell_no_cell_runs():
    clock = CellClock()
    clock.watch()

    assert clock.busy_for == 0.0
