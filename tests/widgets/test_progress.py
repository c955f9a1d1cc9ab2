import threading

import pytest

from pilothouse.fastscore import Model
from pilothouse_widgets import Progress, RunProgress
from pilothouse_widgets.feed import the_feed
from waiting import until
from widgets.seeing import few


def test_it_counts_and_tells_rate_and_fraction():
    progress = Progress(200, label="scoring")
    progress.update(50)
    assert the_feed().flush(60)

    assert (progress.done, progress.fraction, progress.state) == (50, 0.25, "running")
    assert progress.rate > 0
    assert repr(progress).startswith("scoring: 25%, 50 of 200 records, ")


def test_it_is_a_callback_of_done_and_total():
    progress = Progress()
    progress(30, 60)
    assert the_feed().flush(60)

    assert (progress.done, progress.total) == (30, 60)


def test_it_wraps_an_iterable():
    progress = Progress(label="rows")

    assert list(progress.over(range(5))) == [0, 1, 2, 3, 4]
    assert (progress.done, progress.total, progress.state) == (5, 5, "done")


def test_the_end_stays_as_a_static_snapshot():
    progress = Progress(10)
    with progress:
        progress.set(10)

    bundle = progress._repr_mimebundle_()[0]
    assert progress.closed
    assert bundle["text/plain"].startswith("done, 10 of 10 records")
    assert "width:100.0%" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_work_that_gives_fewer_results_is_done_all_the_same():
    progress = Progress(178)
    with progress:
        progress.update()

    bundle = progress._repr_mimebundle_()[0]
    assert bundle["text/plain"].startswith("done, 178 records, 1 out")
    assert "width:100.0%" in bundle["text/html"]


def test_an_error_inside_is_shown_and_goes_on():
    progress = Progress(10)
    with pytest.raises(ValueError, match="broken"), progress:
        raise ValueError("broken")

    assert progress.state == "failed"
    assert "ValueError: broken" in repr(progress)


def test_an_interrupt_is_a_cancellation():
    progress = Progress(10)
    with pytest.raises(KeyboardInterrupt), progress:
        raise KeyboardInterrupt

    assert progress.state == "cancelled"


def test_only_the_first_end_counts():
    progress = Progress(10)
    progress.finish()
    progress.fail("late")

    assert progress.state == "done"


def test_cancel_runs_away_from_the_callback_thread(comms):
    called = threading.Event()
    where = []

    def cancel():
        where.append(threading.current_thread())
        called.set()

    progress = Progress(10, cancel=cancel)
    channel = next(c for c in comms if c.comm_id == progress.model_id)
    channel.hear({"ask": "cancel"})

    assert called.wait(60)
    assert where != [threading.current_thread()]
    until(lambda: progress.state == "cancelling")


def test_a_cancel_that_fails_is_shown(comms):
    def cancel():
        raise OSError("no answer")

    progress = Progress(10, cancel=cancel)
    next(c for c in comms if c.comm_id == progress.model_id).hear({"ask": "cancel"})

    until(lambda: progress.text == "the cancel was not confirmed: no answer")
    assert progress.state == "running"


def test_few_messages_for_many_counts(comms):
    progress = Progress(100_000)
    for _ in range(100_000):
        progress.update()
    assert the_feed().flush(60)

    channel = next(c for c in comms if c.comm_id == progress.model_id)
    assert progress.done == 100_000
    assert few(channel)


def test_a_score_job_is_followed_to_its_end(deployed):
    view = RunProgress(deployed.submit([1.0, "no number", 4.0]), interval=0.05)

    until(lambda: view.closed)
    assert (view.state, view.done, view.total) == ("done", 3, 3)
    assert view.label == "Scoring on engine-1"
    assert "done: " in repr(view)


def test_a_score_tells_its_progress_to_the_view(deployed):
    view = Progress(label="scoring")
    deployed.score(range(5000), progress=view)

    until(lambda: view.closed)
    assert (view.state, view.done) == ("done", 5000)


def test_a_job_whose_model_raises_says_why(deployed):
    view = RunProgress(deployed.submit([-1.0]), interval=0.05)

    until(lambda: view.closed)
    assert view.state == "failed"
    assert "math domain error" in view.text


def test_closing_the_view_leaves_the_job_alone(deployed):
    job = deployed.submit(iter(range(3000)))
    RunProgress(job, interval=0.05).close()

    assert job.wait(60)
    assert job.state == "done"


def test_a_job_can_be_cancelled_from_the_view(engine, comms):
    source = "import time\ndef action(x):\n    time.sleep(0.02)\n    yield x\n"
    Model("slow", "python3", source).deploy(
        engine, streams={0: "rest-chunked:", 1: "rest-chunked:"}, wait=20
    )
    view = RunProgress(engine.submit(range(100_000)), interval=0.05)
    until(lambda: engine.state == "RUNNING")
    next(c for c in comms if c.comm_id == view.model_id).hear({"ask": "cancel"})

    until(lambda: view.closed)
    assert view.state == "cancelled"
    assert view.text.startswith("cancelled: ")
