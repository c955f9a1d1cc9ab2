"""A view of one measurement: by reports, and over a real component."""

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from free_ports import free_port
from pilothouse import mplane
from pilothouse_widgets import MeasurementView
from pilothouse_widgets.feed import the_feed
from pilothouse_widgets.measurement_report import (
    ColumnReport,
    MeasurementReport,
    RunReport,
)
from pilothouse_widgets.measurement_source import report_of
from waiting import until
from widgets.seeing import seen

COLUMNS = (
    ColumnReport(name="rtt.us", unit="µs"),
    ColumnReport(name="packets.lost", unit="packets"),
    ColumnReport(name="note", is_number=False),
)


def run_of(*rows, begun=100.0, **more):
    return RunReport(begun=begun, until=begun + 9, rows=rows, **more)


def report(**more):
    known = {"label": "ping-0", "columns": COLUMNS, "state": "running", "at": 110.0}
    return MeasurementReport(**{**known, **more})


def test_it_needs_a_measurement_or_a_report():
    with pytest.raises(ValueError, match="needs a measurement or a report"):
        MeasurementView()


def test_columns_of_one_unit_share_a_plot_and_texts_have_none():
    view = MeasurementView(report=report())

    assert view.panels == [
        {"unit": "µs", "series": [0]},
        {"unit": "packets", "series": [1]},
    ]
    assert [line["label"] for line in view.series] == ["rtt.us", "packets.lost"]


def test_rows_of_a_period_are_drawn_at_their_times():
    run = run_of((7, 0, "a"), (9, None, "b"), period=1.0)
    view = MeasurementView(report=report(runs=(run,)))

    x, y = view._points.column(0)
    assert x.tolist() == [100.0, 101.0]
    assert y.tolist() == [7.0, 9.0]
    assert np.isnan(view._points.column(1)[1][1])
    assert view.plotted


def test_only_new_rows_are_drawn_again():
    view = MeasurementView(report=report(runs=(run_of((7, 0, ""), period=1.0),)))
    view.show(report(runs=(run_of((7, 0, ""), (9, 0, ""), period=1.0),)))

    assert view._points.column(0)[1].tolist() == [7.0, 9.0]
    assert view.row_count == 2
    assert [row["number"] for row in view.rows] == [2, 1]


def test_a_row_of_all_so_far_draws_how_it_changes():
    view = MeasurementView(report=report(runs=(run_of((7, 0, "")),)))
    later = RunReport(begun=100.0, until=111.0, rows=((8, 0, ""),))
    view.show(report(runs=(later,)))

    x, y = view._points.column(0)
    assert x.tolist() == [109.0, 111.0]
    assert y.tolist() == [7.0, 8.0]
    assert view.row_count == 1


def test_rows_without_times_are_drawn_by_their_number():
    run = RunReport(rows=((7, 0, ""), (9, 0, "")))
    view = MeasurementView(report=report(runs=(run,), is_timed=False))

    assert view.axis == "number"
    assert view._points.column(0)[0].tolist() == [1.0, 2.0]


def test_a_repeated_measurement_has_a_history():
    runs = tuple(run_of((n, 0, ""), begun=100.0 + 10 * n) for n in range(3))
    view = MeasurementView(report=report(runs=runs, is_repeated=True))

    assert view.run_count == 3
    assert [run["number"] for run in view.runs] == [3, 2, 1]
    assert view.runs[0]["values"] == [2, 0, ""]
    assert view.headline().startswith("ping-0: running, 3 runs, 3 rows")


def test_the_newest_values_have_their_units():
    view = MeasurementView(report=report(runs=(run_of((7, 0, "x"), (9, 1, "y")),)))

    assert view.latest[0] == {"name": "rtt.us", "value": 9, "unit": "µs"}
    assert "rtt.us 9 µs" in repr(view)


def test_a_lost_component_is_a_state_that_is_shown():
    run = run_of((7, 0, ""))
    view = MeasurementView(report=report(runs=(run,)))
    view.show(report(runs=(run,), state="lost", why_lost="connection refused"))

    assert (view.state, view.over, view.row_count) == ("lost", False, 1)
    assert "component lost (connection refused)" in view.headline()
    assert view.status == "ping-0: component lost, trying again"


def test_the_snapshot_has_plot_rows_and_outcome_and_is_escaped():
    run = run_of((7, 0, "<b>"), (9, 0, ""), period=1.0)
    view = MeasurementView(
        report=report(
            runs=(run,),
            state="interrupted",
            is_over=True,
            outcome="interrupted: 2 rows",
            parameters=(("dns.name", "<script>"),),
        )
    )
    html = view._repr_mimebundle_()[0]["text/html"]

    assert "data:image/svg+xml," in html
    assert "&lt;b&gt;" in html
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "interrupted: 2 rows" in html


def test_many_rows_keep_the_state_small(comms):
    rows = tuple((n, 0, "text") for n in range(5000))
    view = MeasurementView(report=report(runs=(run_of(*rows, period=1.0),)))

    assert (len(view.rows), view.row_count) == (50, 5000)


# -- over a real component -------------------------------------------------------------


class Steps(mplane.scheduler.Service):
    """Gives a row each time that it is let go."""

    def __init__(self):
        capability = mplane.model.Capability(label="steps", when="now ... future / 1s")
        capability.add_parameter("source.port", "1 ... 99")
        capability.add_result_column("rtt.us")
        super().__init__(capability)
        self.go = threading.Semaphore(0)

    def run(self, specification, check_interrupt):
        result = mplane.model.Result(specification=specification)
        begin = mplane.model.clock.now()
        row = 0
        while not check_interrupt.wait(0.01) and row < 5:
            if self.go.acquire(timeout=0.01):
                result.set_result_value("rtt.us", 100 + row, row)
                now = mplane.model.clock.now()
                result.set_when(mplane.model.When(a=begin, b=now), force=True)
                check_interrupt.report(result)
                row += 1
        return result


@pytest.fixture
def steps():
    mplane.model.initialize_registry()
    return Steps()


@pytest.fixture
def client(steps):
    with mplane.component.serve(steps) as served:
        client = mplane.client.HttpInitiatorClient(None, served.url)
        client.retrieve_capabilities(f"{served.url}capability")
        client.served = served
        yield client
        client.close()


def begun(client, when="now + 1h / 1s"):
    return client.run("steps", when, {"source.port": 7})


def test_rows_show_while_they_come_and_the_end_is_told(client, steps):
    view = MeasurementView(begun(client))
    seen(view, lambda: view.state == "running")
    assert view.parameters == [["source.port", "7"]]
    assert view.ends - view.starts == 3600

    for rows in range(1, 6):
        steps.go.release()
        until(lambda rows=rows: view.row_count >= rows)
    seen(view, lambda: view.over)

    assert (view.state, view.latest[0]["value"]) == ("finished", 104)
    assert view.outcome == "finished: 5 rows"
    assert view._points.column(0)[1].tolist() == [100, 101, 102, 103, 104]


def test_a_click_on_stop_interrupts_and_keeps_the_rows(
    client, steps, comms, monkeypatch
):
    monkeypatch.setattr("pilothouse.mplane.measurement._CANCEL_SECONDS", 60.0)
    view = MeasurementView(begun(client))
    steps.go.release()
    until(lambda: view.row_count == 1)

    comms[-1].hear({"ask": "stop"})

    seen(view, lambda: view.over and not view.doing)
    assert view.state == "interrupted"
    assert "the component confirmed, 1 row" in view.outcome
    assert view.row_count == 1


def test_what_was_told_before_the_end_does_not_take_its_place(client, steps):
    """The component is slow: it interrupts after it was waited for."""
    view = MeasurementView(measurement := begun(client))
    measurement.cancel()
    seen(view, lambda: view.over)

    view._clicks.put({"doing": "", "outcome": "not confirmed yet"})
    assert view._clicks.flush(60)

    assert view.outcome == measurement.outcome


SERVER = """
import sys, threading
sys.path.insert(0, {folder!r})
from pilothouse import mplane
mplane.model.initialize_registry()
from test_measurement import Steps
steps = Steps()
for _ in range({rows}):
    steps.go.release()
served = mplane.component.serve(steps, port={port})
print(served.url, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def serving():
    """Return a function that starts a component in a process of its own."""
    started = []

    def start(rows, port=0):
        folder = str(Path(__file__).parent)
        code = SERVER.format(folder=folder, rows=rows, port=port)
        path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        env = {**os.environ, "PYTHONPATH": path}
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_component_that_is_killed_is_shown_as_lost_and_its_rows_stay(serving):
    mplane.model.initialize_registry()
    process, url = serving(2, port=free_port())
    with closing(mplane.client.HttpInitiatorClient(None, url)) as client:
        client.retrieve_capabilities(f"{url}capability")
        view = MeasurementView(begun(client))
        until(lambda: view.row_count == 2)

        process.kill()

        seen(view, lambda: view.state == "lost")
        assert (view.over, view.row_count) == (False, 2)
        assert view.link_text
        serving(0, port=urlsplit(url).port)  # it comes back, and has forgotten
        seen(view, lambda: view.over)
        assert (view.state, view.row_count) == ("lost", 2)
        assert "does not know this measurement any more" in view.outcome


def test_closing_the_view_leaves_the_measurement(client, steps):
    measurement = begun(client)
    view = MeasurementView(measurement)
    view.close()
    for _ in range(5):
        steps.go.release()

    assert measurement.wait(60)
    assert view.row_count == 0


def test_a_view_of_a_finished_measurement_shows_all_of_it(client, steps):
    measurement = begun(client)
    for _ in range(5):
        steps.go.release()
    assert measurement.wait(60)

    view = MeasurementView(measurement)

    assert (view.over, view.row_count) == (True, 5)
    assert the_feed().flush(60)


def test_a_report_that_tells_of_the_end_has_all_rows(client, steps, monkeypatch):
    measurement = begun(client)
    partial = measurement.partial

    def and_then_it_ends():
        found = partial()
        for _ in range(5):
            steps.go.release()
        assert measurement.wait(60)
        return found

    with monkeypatch.context() as amid:
        amid.setattr(measurement, "partial", and_then_it_ends)
        assert not report_of(measurement).is_over

    found = report_of(measurement)
    assert (found.is_over, found.state, found.row_count) == (True, "finished", 5)


def test_settling_leaves_the_last_numbers_in_the_snapshot(client, steps):
    measurement = begun(client)
    view = MeasurementView(measurement)
    for _ in range(5):
        steps.go.release()
    assert measurement.wait(60)

    view.settle()

    assert view.closed
    assert "finished, 5 rows" in view._repr_mimebundle_()[0]["text/plain"]
