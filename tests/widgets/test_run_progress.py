"""The view of a run: workers, costs, waits, what failed, and its end."""

from __future__ import annotations

import json
import threading

import pytest

from pilothouse_widgets import RunProgress, run_progress
from pilothouse_widgets.feed import the_feed
from pilothouse_widgets.run_report import failure_of, read
from waiting import until
from widgets.seeing import few, seen
from widgets.work import FarError, Lane, Progress, Span, Work

TWO = (
    Lane(
        "worker-1",
        items=20,
        seconds=2.0,
        spans=(Span(10, 0.1, 1.1), Span(10, 1.2, 2.2)),
    ),
    Lane("here-1", "local", 5, 0.5, (Span(5, 0.1, 0.6), Span(5, 0.7))),
)


def view_of(work, **options):
    return RunProgress(work, label="f", unit="items", interval=0.02, **options)


def test_lanes_facts_and_the_wait_step_are_shown():
    work = Work(Progress(step="installing numpy"))
    view = view_of(work)
    until(lambda: view.step == "installing numpy")

    work.at(
        done=25, rate=10.0, eta=3.5, seconds=2.5, step="", lanes=TWO,
        cloud_seconds=2.0, local_seconds=0.5, credits=1.5,
    )  # fmt: skip
    seen(view, lambda: view.lanes)

    assert [lane["name"] for lane in view.lanes] == ["worker-1", "here-1"]
    assert view.lanes[0]["spans"] == [
        [0.1, 1.1, 10, "done"],
        [1.2, 2.2, 10, "done"],
    ]
    assert view.lanes[1]["spans"][-1] == [0.7, None, 5, "done"]
    assert (view.rate, view.eta, view.span) == (10.0, 3.5, 2.5)
    assert dict(view.facts) == {
        "workers": "2",
        "computed there": "2.0 s",
        "computed here": "500 ms",
        "in parallel": "1\N{MULTIPLICATION SIGN}",
        "credits": "1.5",
    }
    assert view.step == ""


def test_the_end_is_static_with_everything_in_it():
    work = Work()
    view = view_of(work)
    work.at(done=60, seconds=2.5, lanes=TWO)
    work.end("done", "done: 60 items")

    until(lambda: view.closed)

    bundle = view._repr_mimebundle_()[0]
    assert "application/vnd.jupyter.widget-view+json" not in bundle
    assert bundle["text/plain"].startswith("f: done: 60 items, 2.5 s")
    assert "worker-1" in bundle["text/html"]
    assert "width:40.00%" in bundle["text/html"]


def test_what_was_done_before_it_was_opened_is_no_burst():
    """The dashboard opens runs of other notebooks in the middle."""
    work = Work(Progress(done=300, total=None, seconds=30.0))
    view = RunProgress(work, interval=60)
    view._look()
    until(lambda: view.rate)
    assert view.rate == 10.0

    work.at(done=301, seconds=30.1)
    view._look()
    seen(view, lambda: view.done == 301)
    assert 0 < view.rate < 30
    assert view.elapsed == 30.1
    work.end("cancelled")


def test_of_what_was_over_before_nobody_knows_the_rate():
    work = Work(Progress(done=300, total=None))
    work.end("done")
    view = view_of(work)

    seen(view, lambda: view.state == "done")
    assert (view.done, view.rate) == (300, 0.0)


def test_settle_shows_the_end_at_once():
    work = Work()
    view = RunProgress(work, interval=60)
    work.end("cancelled", "cancelled: all free")

    view.settle()

    assert view.closed
    assert (view.state, view.text) == ("cancelled", "cancelled: all free")


class Unconfirmed(Work):
    """Its end is there at once, its peer's word on that when it comes."""

    def __post_init__(self):
        super().__post_init__()
        self.asked = 0
        self.word = threading.Event()

    def wait(self, timeout=None):
        if not self.over.wait(timeout):
            return False
        self.asked += 1
        if self.word.wait(timeout):
            self.outcome = "cancelled: the service has confirmed the end"
        return True


@pytest.fixture
def unconfirmed(monkeypatch):
    """It was cancelled, and its peer has time for its word."""
    monkeypatch.setattr(run_progress, "_LAST_WORD_SECONDS", 60.0)
    work = Unconfirmed()
    view = view_of(work)
    work.end("cancelled", "cancelled: not confirmed yet")
    until(lambda: work.asked > 2)
    return work, view


def test_the_snapshot_of_a_cancel_has_the_peers_word_on_it(unconfirmed):
    work, view = unconfirmed
    work.word.set()

    until(lambda: view.closed)

    assert "has confirmed" in view._repr_mimebundle_()[0]["text/plain"]


def test_who_settles_waits_for_no_word(unconfirmed):
    _, view = unconfirmed

    view.settle()

    assert view.closed
    assert "not confirmed yet" in repr(view)


def test_a_failure_shows_the_far_traceback_folded():
    error = FarError("item 17: ValueError('no')", "Traceback <b>far</b>")
    work = Work(logs="hello\n<i>world</i>\n")
    view = view_of(work, tidy=lambda text: text.replace("far", "tidied"))
    work.end("failed", "failed: item 17", error)

    until(lambda: view.closed)

    assert view.failure == {
        "title": "item 17: ValueError('no')",
        "traceback": "Traceback <b>tidied</b>",
    }
    assert view.printed == "hello\n<i>world</i>"
    html = view._repr_mimebundle_()[0]["text/html"]
    assert "<details><summary>item 17" in html
    assert "&lt;b&gt;tidied" in html
    assert "what the workers printed" in html
    assert "&lt;i&gt;world" in html


def test_that_it_is_done_is_told_once():
    work = Work(Progress(done=60))
    view = view_of(work)
    work.end("done", "fit is complete")

    until(lambda: view.closed)

    assert view.headline().startswith("f: done, 60 of 60 items")
    assert "complete" not in view.headline()


def test_a_failure_is_told_once():
    error = FarError("item 17: ValueError('no')", "Traceback")
    work = Work(Progress(done=3))
    view = view_of(work)
    work.end(
        "failed", "failed: item 17: ValueError('no'); the service confirmed", error
    )

    until(lambda: view.closed)

    assert view.headline().startswith("f: failed, 3 of 60 items")
    assert view.headline().endswith("the service confirmed")
    assert "ValueError" not in view.headline()


def test_an_error_of_this_side_has_nothing_to_fold():
    assert failure_of(None) == {}
    assert failure_of(ValueError("x")) == {}
    assert len(failure_of(FarError("m", "x" * 100_000))["traceback"]) == 20_000


def test_thousands_of_batches_are_as_few_as_a_screen_can_show():
    spans = tuple(Span(1, i / 100, i / 100 + 0.009) for i in range(3000))
    report = read(Progress(seconds=30.0, lanes=(Lane("w", spans=spans),)))

    (lane,) = report.lanes
    assert len(lane["spans"]) < 400
    assert sum(span[2] for span in lane["spans"]) == 3000
    assert len(json.dumps(report.lanes)) < 12_000


def test_a_failed_batch_is_never_merged_away():
    spans = [Span(1, i / 100, i / 100 + 0.009) for i in range(3000)]
    spans[1500] = Span(1, 15.0, 15.009, "failed")
    report = read(Progress(seconds=30.0, lanes=(Lane("w", spans=tuple(spans)),)))

    assert [s[3] for s in report.lanes[0]["spans"]].count("failed") == 1


def test_more_workers_than_fit_are_counted_all_the_same():
    lanes = tuple(Lane(f"w{i}") for i in range(40))
    report = read(Progress(lanes=lanes))

    assert len(report.lanes) == 16
    assert ["workers", "40"] in report.facts


@pytest.mark.parametrize("total", [60, None])
def test_few_messages_whatever_the_run_does(comms, total):
    work = Work(Progress(total=total))
    view = RunProgress(work, interval=0.001)
    channel = next(c for c in comms if c.comm_id == view.model_id)
    before = len(channel.times)
    for done in range(200):
        work.at(done=done)
        until(lambda done=done: view._now["done"] == done)
    assert the_feed().flush(60)

    assert few(channel, before)


def test_a_click_that_came_early_is_not_taken_twice(comms):
    calls = []
    work = Work()
    work.cancel = lambda: calls.append(1)
    view = view_of(work)
    channel = next(c for c in comms if c.comm_id == view.model_id)

    view.hear_early({"ask": "cancel"})
    channel.hear({"ask": "cancel"})  # the same message, when the cell has ended
    until(lambda: calls)
    view._errands.close()

    assert calls == [1]
