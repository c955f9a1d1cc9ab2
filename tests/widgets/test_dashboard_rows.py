"""What a row of the dashboard says of work that it knows by hearsay only."""

from __future__ import annotations

from pilothouse.fastmap.wire.answers import RunInfo, RunState
from pilothouse_widgets.dashboard_board import Board
from pilothouse_widgets.dashboard_places import Given
from pilothouse_widgets.dashboard_rows import remote_run_row
from pilothouse_widgets.dashboard_servers import MapReader


def run(state, **counts):
    return RunInfo(
        run_id="0" * 32,
        func_hash="1" * 64,
        name="slow",
        label="primes",
        state=state,
        created=1_000.0,
        **counts,
    )


def test_a_run_of_another_notebook_shows_what_is_left_where_its_total_is_known():
    busy = run(RunState.READY, done=30, running=1)

    known = remote_run_row(busy, 2.0, 1_060.0, 100)
    unknown = remote_run_row(busy, 2.0, 1_060.0)
    kept = remote_run_row(run(RunState.KEPT, done=30), 2.0, 1_060.0, 100)

    assert (known["total"], known["eta"]) == (100, 35.0)
    assert (unknown["total"], unknown["eta"]) == (None, None)
    assert (kept["total"], kept["eta"]) == (100, None)


def test_how_long_a_run_took_is_told_while_it_goes_on_only():
    """The service tells when a run began, and not when it ended."""
    busy = remote_run_row(run(RunState.READY, done=3, running=1), 1.5, 1_060.0)
    kept = remote_run_row(run(RunState.KEPT, done=3), 1.5, 1_060.0)

    assert (busy["done"], busy["seconds"], busy["rate"]) == (3, 60, 1.5)
    assert kept["state"] == "waits to be fetched"
    assert (kept["done"], kept["seconds"], kept["rate"]) == (3, None, 0.0)


def test_a_run_that_is_sent_amid_a_look_is_of_no_other_notebook():
    """The service tells of it before this process's own runs are asked for again."""

    class Sending(Given):
        def runs(self):
            reader._infos = (run(RunState.READY, running=1),)
            return ()

    board = Board()
    reader = MapReader(Sending({}), board, lambda: 1.0)

    reader.show(1_060.0)

    assert board.rows("runs") == {}
