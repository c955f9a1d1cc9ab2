"""A whole data set through an engine."""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

from pilothouse import errors
from pilothouse.fastscore import FastScoreError, ModelError, Stream
from pilothouse.fastscore.results import RejectedWarning
from pilothouse.fastscore.score import ScoreInterrupt
from pilothouse.fastscore.score_flow import ChunkFlow
from pilothouse.fastscore.suite import Connect
from pilothouse.transport.http import HttpPeer
from waiting import until

from .breaking_proxy import BreakingProxy
from .conftest import CHUNKED, CUBE, ECHO, REST

DOUBLE = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "double"}]}
SCORED = {
    "type": "record",
    "name": "Out",
    "fields": [
        {"name": "y", "type": "double"},
        {"name": "n", "type": "long"},
        {"name": "tag", "type": ["null", "string"]},
    ],
}
TYPED = """# fastscore.schema.0: in
# fastscore.schema.1: out
def action(x):
    yield {"y": x["x"] * 2, "n": int(x["x"]), "tag": None if x["x"] < 1 else "big"}
"""
SCHEMAS = {"in": DOUBLE, "out": SCORED}
EAGER = {**CHUNKED, "Batching": {"Watermark": 5, "NagleTime": 10}}
SLOW = "import time\ndef action(x):\n    time.sleep(0.01)\n    yield x\n"


def test_a_frame_comes_back_as_a_typed_frame(running):
    engine = running(TYPED, schemas=SCHEMAS)
    frame = pd.DataFrame({"x": np.arange(20_000) / 2})
    scores = engine.score(frame)
    assert list(scores.columns) == ["y", "n", "tag"]
    assert scores.y.dtype == np.float64
    assert scores.n.dtype == np.int64
    np.testing.assert_array_equal(scores.y, frame.x * 2)
    np.testing.assert_array_equal(scores.n, frame.x.astype(int))
    assert scores.tag.isna().sum() == 2


@pytest.mark.parametrize(
    "data",
    [
        list(range(10_000)),
        tuple(range(10_000)),
        range(10_000),
        np.arange(10_000),
        pd.Series(range(10_000)),
        (n for n in range(10_000)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_any_collection_of_records_keeps_its_order(running, data):
    engine = running(CUBE)
    assert engine.score(data, as_frame=False) == [n**3 for n in range(10_000)]
    assert engine.last_job.progress.sent == 10_000


def test_scalars_come_as_a_frame_of_one_column_where_a_schema_says_so(running):
    source = "# fastscore.schema.1: out\n" + CUBE
    engine = running(source, schemas={"out": "long"})
    scores = engine.score([1, 2, 3])
    assert list(scores.columns) == ["value"]
    assert scores.value.dtype == np.int64
    assert engine.score([1, 2, 3], as_frame=False) == [1, 8, 27]
    assert engine.score([], as_frame=False) == []
    assert engine.score([1], schema="double").value.dtype == np.float64


def test_several_jets_keep_the_order(running):
    engine = running(ECHO)
    engine.scale(2)
    assert engine.score(list(range(30_000)), as_frame=False) == list(range(30_000))


def test_one_input_may_give_none_or_many(running):
    engine = running(
        "def action(x):\n    for n in range(x % 3):\n        yield [x, n]\n"
    )
    data = list(range(5_000))
    wanted = [[x, n] for x in data for n in range(x % 3)]
    assert engine.score(data) == wanted


def test_rejected_records_are_told_with_index_and_reason(running):
    engine = running(TYPED, schemas=SCHEMAS)
    data = [{"x": 1.0}, {"x": "a"}, {"x": 2.0}, {"z": 1.0}, {"x": 3.0}]
    with pytest.warns(RejectedWarning, match="2 of 5 records rejected"):
        scores = engine.score(data)
    assert list(scores.y) == [2.0, 4.0, 6.0]
    rejected = scores.attrs["rejected"]
    assert [(r.slot, r.index) for r in rejected] == [(0, 1), (0, 3)]
    assert rejected[0].reason == 'Double expected, not "a", at x'
    assert rejected[0].record == {"x": "a"}
    assert engine.state == "RUNNING"


def test_a_missing_value_is_null_and_rejected_where_null_is_none(running):
    engine = running(TYPED, schemas=SCHEMAS)
    with pytest.warns(RejectedWarning, match="record 1"):
        scores = engine.score(pd.DataFrame({"x": [1.0, np.nan, 3.0]}))
    assert list(scores.y) == [2.0, 6.0]


def test_what_json_cannot_hold_is_rejected_here(running):
    engine = running(ECHO)
    with pytest.warns(RejectedWarning, match="JSON has no nan"):
        assert engine.score([1.0, float("nan"), 2.0]) == [1.0, 2.0]


def test_a_record_is_judged_as_it_is_sent(running):
    fields = [{"name": "at", "type": "string"}, {"name": "n", "type": "long"}]
    schema = {"type": "record", "name": "R", "fields": fields}
    engine = running("# fastscore.schema.0: in\n" + ECHO, schemas={"in": schema})
    frame = pd.DataFrame(
        {"at": pd.date_range("2026-01-01", periods=3), "n": np.arange(3)}
    )
    assert list(engine.score(frame)["at"]) == [
        "2026-01-01T00:00:00",
        "2026-01-02T00:00:00",
        "2026-01-03T00:00:00",
    ]
    mixed = [{"at": "x", "n": 1}, {"at": "x", "n": float("nan")}, {"at": 1, "n": 1}]
    with pytest.warns(RejectedWarning, match="2 of 3"):
        assert len(engine.score(mixed)) == 1
    assert [r.index for r in engine.last_job.rejected] == [1, 2]


def test_rejected_outputs_are_told(running):
    source = "# fastscore.schema.1: out\ndef action(x):\n    yield x\n"
    engine = running(source, schemas={"out": "long"})
    with pytest.warns(RejectedWarning, match="1 of 3 records rejected"):
        scores = engine.score([1, "a", 3])
    assert list(scores.value) == [1, 3]
    (rejected,) = engine.last_job.rejected
    assert (rejected.slot, rejected.record) == (1, '"a"')
    assert rejected.reason == 'Long expected, not "a"'


def test_the_sensors_of_a_score_are_taken_off(running):
    engine = running(ECHO)
    before = engine.active_sensors.ids()
    engine.score([1, 2, 3])
    assert engine.active_sensors.ids() == before


def test_outputs_of_somebody_else_are_left_out(running):
    engine = running(ECHO)
    engine.input("7\n8\n", 0)
    assert engine.score([1, 2]) == [1, 2]
    assert engine.last_job.leftover == 2


def test_a_model_that_raises_is_told_with_its_lines_and_what_came_before(running):
    source = "def action(x):\n    y = 1 / (x - 9_000)\n    yield x\n"
    engine = running(source)
    with pytest.raises(ModelError, match="ZeroDivisionError") as caught:
        engine.score(list(range(20_000)))
    error = caught.value
    assert isinstance(error, errors.RemoteError)
    assert error.lines == (2,)
    assert "y = 1 / (x - 9_000)" in error.console
    assert error.record == "9000"
    assert engine.state == "ERROR"
    job = engine.last_job
    assert job.state == "failed"
    got = job.partial()
    assert got == list(range(len(got)))
    with pytest.raises(ModelError):
        engine.score([1])


def test_record_sets_go_through_as_one(running):
    source = (
        "# fastscore.recordsets.$all: yes\ndef action(frame):\n"
        "    frame['y'] = frame['x'] - frame['x'].mean()\n    yield frame[['y']]\n"
    )
    engine = running(source, stream={**CHUNKED, "Batching": "explicit"})
    scores = engine.score(pd.DataFrame({"x": [1.0, 2.0, 6.0]}))
    assert list(scores.y) == [-2.0, -1.0, 3.0]


@pytest.mark.parametrize(
    ("inputs", "outputs"), [(REST, REST), (REST, CHUNKED), (CHUNKED, REST)]
)
def test_simple_streams_work_too(running, inputs, outputs):
    engine = running(CUBE, streams={0: Stream("i", inputs), 1: Stream("o", outputs)})
    assert engine.score(list(range(300))) == [n**3 for n in range(300)]


def test_simple_streams_tell_what_was_rejected_and_why(running):
    source = "# fastscore.schema.0: in\ndef action(x):\n    if x != 3: yield x\n"
    engine = running(source, stream=REST, schemas={"in": "int"})
    with pytest.warns(RejectedWarning, match="1 of 4 records rejected"):
        assert engine.score([1, "a", 3, 4]) == [1, 4]
    (rejected,) = engine.last_job.rejected
    assert rejected.index == 1
    assert "Int expected" in rejected.reason
    engine.reset()
    engine = running("def action(x):\n    yield 1 / x\n", stream=REST)
    with pytest.raises(ModelError, match="ZeroDivisionError"):
        engine.score([1, 2, 0])


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("utf-8", ["a", "ü☮", ""]),
        ("msgpack", [1, "a", {"x": [None]}]),
        ("null", [b"a\0"]),
    ],
)
def test_other_encodings_work_too(running, encoding, data):
    stream = {
        "Transport": {"Type": "REST", "Mode": "chunked"},
        "Encoding": None if encoding == "null" else encoding,
    }
    if encoding == "msgpack":
        stream["Envelope"] = None
    engine = running(ECHO, stream=stream)
    assert engine.score(data) == data


def test_avro_and_csv_work_too(running):
    source = "# fastscore.schema.$all: in\n" + ECHO
    rows = [{"x": n / 2} for n in range(100)]
    for encoding in ("avro-binary", "csv"):
        stream = {**CHUNKED, "Encoding": encoding}
        engine = running(source, stream=stream, schemas={"in": DOUBLE})
        assert engine.score(rows, as_frame=False) == rows
        engine.reset()


def test_progress_is_told_on_the_callers_thread(running):
    engine = running(SLOW, stream=EAGER)
    seen = []
    engine.score(
        list(range(60)),
        progress=lambda p: seen.append((threading.current_thread(), p)),
    )
    assert {thread for thread, _ in seen} == {threading.current_thread()}
    last = seen[-1][1]
    assert (last.state, last.sent, last.received, last.total) == ("done", 60, 60, 60)
    assert last.fraction == 1.0
    assert last.rate > 0
    assert "60 of 60 sent" in str(last)
    assert any(p.eta for _, p in seen[1:-1] if p.received) or len(seen) < 4


def test_a_job_is_waited_for_iterated_and_awaited(running):
    engine = running(ECHO)
    job = engine.submit(list(range(5_000)))
    assert list(job) == list(range(5_000))
    assert job.wait(60)
    assert job.result() == list(range(5_000))
    assert "done" in repr(job)
    assert "5,000" in job._repr_html_()

    async def awaited():
        return await engine.submit([1, 2])

    assert asyncio.run(awaited()) == [1, 2]
    job = engine.score([1, 2, 3], detach=True)
    assert job.result(60) == [1, 2, 3]


def test_giving_up_to_await_a_job_leaves_nothing_to_wait_for(running):
    gate = threading.Event()

    def records():
        yield 1
        gate.wait(60)
        yield 2

    job = running(ECHO).submit(records())

    async def impatient():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job, 0.05)

    async def patient():
        return await job

    asyncio.run(impatient())  # would wait for a thread that waits
    assert not job.wait(0)

    threading.Timer(0.1, gate.set).start()
    assert asyncio.run(patient()) == [1, 2]
    assert asyncio.run(patient()) == [1, 2], "also when it is over"


def test_outputs_come_while_it_runs(running):
    engine = running(ECHO)
    gate = threading.Event()

    def records():
        yield from range(10)
        assert gate.wait(60)
        yield 10

    job = engine.submit(records())
    outputs = iter(job)
    for n in range(9):
        assert next(outputs) == n
    assert job.state == "running"
    gate.set()
    assert list(outputs) == [9, 10]


def test_memory_stays_bounded_when_outputs_are_taken_one_by_one(running):
    engine = running(ECHO)
    job = engine.submit(
        ({"n": n, "text": "x" * 100} for n in range(60_000)), keep=False
    )
    most = 0
    for n, output in enumerate(job):
        assert output["n"] == n
        most = max(most, sum(map(len, job._outputs)))
    assert n == 59_999
    assert most < 60_000
    assert job.partial() == []


def test_a_failing_source_of_records_keeps_what_came_before(running):
    engine = running(ECHO)

    def records():
        yield from range(5_000)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        engine.score(records())
    assert engine.last_job.partial() == list(range(len(engine.last_job.partial())))
    assert engine.score([1]) == [1]


def test_an_interrupt_is_prompt_truthful_and_keeps_what_came(running):
    engine = running(SLOW, stream=EAGER)
    main = threading.main_thread().ident

    def interrupt():
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            job = engine.last_job
            if job is not None and job.received > 20:
                break
            threading.Event().wait(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        engine.score((n for n in range(1_000_000)), chunk_bytes=100)
    stopped = time.monotonic()
    thread.join(60)
    assert isinstance(caught.value, ScoreInterrupt)
    job = caught.value.job
    assert job.state == "cancelled"
    assert stopped - (job._started + job.progress.seconds) < 20
    assert job.partial() == list(range(job.received))
    assert f"{job.sent:,} records were sent" in str(caught.value)
    assert f"{job.received:,} outputs came back" in str(caught.value)


def test_a_cancel_says_whether_the_engine_has_confirmed(running, tmp_path):
    engine = running(ECHO)
    gate = threading.Event()

    def records():
        yield from range(5_000)
        gate.set()
        yield from range(100_000_000)

    job = engine.submit(records())
    assert gate.wait(60)
    started = time.monotonic()
    outcome = job.cancel()
    assert time.monotonic() - started < 20
    assert outcome == job.outcome == job.cancel()
    assert "has confirmed that nothing is left" in outcome
    assert job.received + job.dropped == job.sent >= 4_000
    assert job.partial() == list(range(job.received))
    with pytest.raises(FastScoreError, match="cancelled"):
        job.result()
    assert engine.score([1, 2]) == [1, 2]

    engine.reset()
    begun = tmp_path / "begun"
    engine = running(
        "import pathlib, time\n"
        f"def action(x):\n    pathlib.Path({str(begun)!r}).touch()\n"
        "    time.sleep(30)\n    yield x\n"
    )
    job = engine.submit([1, 2, 3])
    until(begun.exists)
    outcome = job.cancel()
    assert "has not confirmed" in outcome
    assert job.received == 0


def test_a_detached_job_leaves_its_outputs_to_others(running):
    engine = running(SLOW, stream=EAGER)
    job = engine.submit(list(range(50)))
    until(lambda: job.sent == 50)
    text = job.detach()
    assert "wait at slot 1 of engine-1" in text
    assert job.state == "detached"
    assert f"{job.received} outputs came back" in text
    assert [*job.partial(), *read_outputs(engine, 50 - job.received)] == [*range(50)]


def test_a_detached_job_drops_nothing_that_waits(running):
    engine = running(SLOW, stream=EAGER)
    more = threading.Event()

    def records():
        yield from range(100)
        more.wait(60)
        yield 100

    job = engine.submit(records())
    until(lambda: job.sent == 100)
    job.detach()
    more.set()
    assert job.received < 100
    assert [*job.partial(), *read_outputs(engine, 100 - job.received)] == [*range(100)]


def test_a_job_that_is_done_while_it_is_detached_is_done(
    running, tmp_path, monkeypatch
):
    now = tmp_path / "now"
    engine = running(
        f"import pathlib, time\nnow = pathlib.Path({str(now)!r})\n"
        "def action(x):\n    while not now.exists():\n        time.sleep(0.01)\n"
        "    yield x\n"
    )
    leave = ChunkFlow.leave

    def late(self, seconds):
        now.touch()
        assert job.wait(60)
        leave(self, seconds)

    monkeypatch.setattr(ChunkFlow, "leave", late)
    job = engine.submit([1, 2])
    assert job.detach().startswith("done")
    assert job.result() == [1, 2]


def test_what_is_on_its_way_when_single_records_are_detached_still_comes(running):
    engine = running(SLOW, stream=REST)
    job = engine.submit(range(1_000))
    until(lambda: job.received)
    text = job.detach()
    assert "nothing waits at engine-1" in text
    assert 0 < job.received == job.sent < 1_000
    assert job.partial() == [*range(job.received)]


def read_outputs(engine, count):
    """Read numbers until there are so many, without control records."""
    lines = []
    while len(lines) < count:
        for line in (engine.output(1) or b"").splitlines():
            if b"fastscore" not in line:
                lines.append(int(line))
    return lines


def test_a_timeout_cancels_and_says_so(running):
    engine = running(SLOW, stream=EAGER)
    with pytest.raises(
        TimeoutError, match=r"not done within 0\.3 s; cancelled"
    ) as caught:
        engine.score((n for n in range(100_000)), timeout=0.3, chunk_bytes=50)
    assert isinstance(caught.value, FastScoreError)
    assert engine.last_job.state == "cancelled"
    job = engine.submit([1])
    with pytest.raises(FastScoreError, match="goes on"):
        job.result(0)
    job.cancel()


def test_an_engine_that_cannot_score_says_why(engine, running):
    with pytest.raises(FastScoreError, match="no stream is attached to slot 0"):
        engine.score([1])
    running(CUBE)
    for wrong in ("text", b"bytes", {"a": 1}, 7):
        with pytest.raises(FastScoreError, match="collection of records"):
            engine.score(wrong)
    with pytest.raises(FastScoreError, match="no stream is attached to slot 2"):
        engine.score([1], input_slot=2)
    engine.pause()
    with pytest.raises(FastScoreError, match="is PAUSED") as caught:
        engine.score([1])
    assert "unpause" in caught.value.hint
    engine.reset()
    engine = running(CUBE, streams={1: Stream.expand("discard:")})
    with pytest.raises(FastScoreError, match="not REST"):
        engine.score([1])


def test_a_reset_in_the_middle_ends_the_job(running):
    engine = running(SLOW, stream=EAGER)
    job = engine.submit(n for n in range(100_000))
    while not job.received:
        threading.Event().wait(0.01)
    engine.reset()
    with pytest.raises(FastScoreError):
        job.result(60)
    assert job.state == "failed"
    assert job.partial()


def test_large_records_go_in_bounded_bodies(running, monkeypatch):
    sizes = []
    send = HttpPeer.call

    def noted(self, method, target, **options):
        sizes.append(len(options.get("body") or b""))
        return send(self, method, target, **options)

    monkeypatch.setattr(HttpPeer, "call", noted)
    engine = running(ECHO)
    data = ["x" * 100_000] * 300
    assert engine.score(data) == data
    assert max(sizes) < 10_000_000
    assert engine.score(iter(data)) == data
    assert max(sizes) < 10_000_000


def test_a_connection_that_breaks_ends_the_job_and_keeps_what_came(running, suite):
    running(SLOW, stream=EAGER)
    proxy = BreakingProxy(int(suite.url.rpartition(":")[2]), [None] * 2)
    with Connect(proxy.url, oauth_secret=suite.token) as connect:
        through = connect.get("engine-1")
        job = through.submit((n for n in range(100_000)), chunk_bytes=100)
        while job.received < 10:
            threading.Event().wait(0.01)
        proxy.close()
        with pytest.raises(errors.TransportError) as caught:
            job.result(60)
    assert isinstance(caught.value, FastScoreError)
    assert job.state == "failed"
    assert job.partial() == list(range(job.received))
    assert "outputs came back" in str(caught.value.__notes__)
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("score")])


def test_two_jobs_do_not_share_an_output(running):
    engine = running(SLOW, stream=EAGER)
    job = engine.submit([1, 2, 3])
    with pytest.raises(FastScoreError, match="still scoring"):
        engine.score([4])
    assert job.result(60) == [1, 2, 3]
    assert engine.score([4]) == [4]
