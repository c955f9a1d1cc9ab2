"""A whole data set through an engine."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pilothouse import errors
from pilothouse.fastscore import FastScoreError, ModelError, Stream, score_job
from pilothouse.fastscore.pneumo import Pneumo
from pilothouse.fastscore.results import RejectedWarning
from pilothouse.fastscore.score import ScoreInterrupt, submit
from pilothouse.fastscore.score_calls import CallFlow
from pilothouse.fastscore.score_claim import Claim
from pilothouse.fastscore.score_flow import ChunkFlow
from pilothouse.fastscore.score_plan import plan
from pilothouse.fastscore.score_watch import Watch
from pilothouse.fastscore.suite import Connect
from pilothouse.services.fastscore import sensing
from pilothouse.services.fastscore.engine import api_v2
from pilothouse.services.fastscore.engine.inlet import RestInlet
from pilothouse.services.fastscore.engine.outlet import RestOutlet
from pilothouse.transport.http import HttpPeer
from pilothouse.transport.websocket import Socket
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


def held(gate, first=0):
    """A model that waits for a file before the record of that number."""
    return (
        f"import pathlib, time\ngate = pathlib.Path({str(gate)!r})\n"
        f"def action(x):\n    while x >= {first} and not gate.exists():\n"
        "        time.sleep(0.01)\n    yield x\n"
    )


@pytest.fixture
def gate(tmp_path):
    """The file that lets a model go on."""
    path = tmp_path / "gate"
    yield path
    path.touch()


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


def test_rejected_outputs_are_told_however_late_the_reports_are(running, monkeypatch):
    monkeypatch.setattr(sensing, "_SHORTEST_SECONDS", 0.6)  # instead of 0.1 between two
    source = "# fastscore.schema.1: out\ndef action(x):\n    yield x\n"
    engine = running(source, schemas={"out": "long"})
    before = engine.active_sensors.ids()
    with pytest.warns(RejectedWarning, match="1 of 3 records rejected"):
        engine.score([1, "a", 3])
    assert [one.record for one in engine.last_job.rejected] == ['"a"']
    until(lambda: not set(engine.active_sensors.ids()) - set(before))


def test_reports_that_do_not_come_in_time_are_told(running, monkeypatch):
    waited = []
    settle = Watch.settle

    def in_vain(self):
        self._is_settled = SimpleNamespace(wait=waited.append, set=lambda: None)
        settle(self)

    monkeypatch.setattr(Watch, "settle", in_vain)
    engine = running("def action(x):\n    if x != 2: yield x\n")
    with pytest.warns(RejectedWarning, match="more may have been rejected"):
        assert engine.score([1, 2, 3]) == [1, 3]
    assert waited == [engine.gateway.peer.timeout]


def test_a_score_is_watched_though_another_is_just_beginning_to_be(
    running, monkeypatch
):
    engine = running(ECHO)
    first, second = (Watch(engine, plan(engine, 0, 1, None)) for _ in range(2))
    socket = Pneumo.socket

    def meanwhile(self, **options):
        monkeypatch.setattr(Pneumo, "socket", socket)
        second.open(lambda _error: None)
        return socket(self, **options)

    monkeypatch.setattr(Pneumo, "socket", meanwhile)
    first.open(lambda _error: None)
    assert [len(watch._taps) for watch in (first, second)] == [4, 4]
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("failure", "has_pneumo"),
    [
        (errors.AnswerTimeoutError, True),
        (errors.ConnectError, True),
        (errors.NotFoundError, False),
        (errors.ProtocolError, False),
    ],
)
def test_a_websocket_is_given_up_when_it_is_refused_only(
    running, monkeypatch, failure, has_pneumo
):
    engine = running(ECHO)

    def fails(self):
        raise failure("no websocket")

    monkeypatch.setattr(Socket, "open", fails)
    assert engine.score([1]) == [1]
    assert engine.gateway.has_pneumo is has_pneumo


def test_the_sensors_of_a_score_are_taken_off(running):
    engine = running(ECHO)
    before = engine.active_sensors.ids()
    engine.score([1, 2, 3])
    until(lambda: not set(engine.active_sensors.ids()) - set(before))


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


def test_single_records_wait_for_a_model_that_is_slow_to_begin(running, monkeypatch):
    monkeypatch.setattr(api_v2, "ROUNDTRIP_MS", 20)
    slow = "import time\ndef begin():\n    time.sleep(0.5)\n"
    assert running(slow + ECHO, stream=REST).score([1, 2]) == [1, 2]


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


def test_a_mark_with_a_line_break_among_its_bytes_is_not_used(running, monkeypatch):
    drawn = [10, 0x0A0B0C0D, 0x0B0A, 11, 12, 13]
    chance = SimpleNamespace(sample=lambda *_: drawn)
    monkeypatch.setattr(score_job, "SystemRandom", lambda: chance)
    transport = {"Transport": {"Type": "REST", "Mode": "chunked"}}
    engine = running(ECHO, stream={**transport, "Encoding": None})
    assert engine.score([b"a\0", b"b"]) == [b"a\0", b"b"]
    assert engine.last_job.marks == (11, 12)


def test_avro_and_csv_work_too(running):
    source = "# fastscore.schema.$all: in\n" + ECHO
    rows = [{"x": n / 2} for n in range(100)]
    for encoding in ("avro-binary", "csv"):
        stream = {**CHUNKED, "Encoding": encoding}
        engine = running(source, stream=stream, schemas={"in": DOUBLE})
        assert engine.score(rows, as_frame=False) == rows
        engine.reset()


def test_progress_is_told_on_the_callers_thread(running, gate):
    engine = running(held(gate, 30), stream=EAGER)
    seen = []

    def see(progress):
        seen.append((threading.current_thread(), progress))
        if progress.received:
            gate.touch()

    engine.score(list(range(60)), progress=see)
    assert {thread for thread, _ in seen} == {threading.current_thread()}
    last = seen[-1][1]
    assert (last.state, last.sent, last.received, last.total) == ("done", 60, 60, 60)
    assert last.fraction == 1.0
    assert last.rate > 0
    assert "60 of 60 sent" in str(last)
    assert any(p.eta for _, p in seen[:-1] if p.received)


def test_what_is_told_last_is_the_end():
    is_told, is_over, told = threading.Event(), threading.Event(), []

    def see(progress):
        if progress.state == "running":
            is_told.set()
            is_over.wait(0.5)  # time for the end to overtake
        told.append(progress.state)

    slots = {"inlet": SimpleNamespace(slot=0), "outlet": SimpleNamespace(slot=1)}
    plan = SimpleNamespace(keeps_whole=lambda mark: True, **slots)
    engine = SimpleNamespace(name="engine-1")
    job = score_job.ScoreJob(engine, [1], plan, lambda job: None, progress=see)
    sender = threading.Thread(target=job.accepted, args=[1])
    sender.start()
    assert is_told.wait(60)
    job.done()
    is_over.set()
    sender.join()
    assert told == ["running", "done"]


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
    assert engine.last_job.partial() == list(range(5_000))
    assert engine.score([1]) == [1]


def test_a_failing_source_does_not_end_what_a_slow_model_still_gives(
    running, gate, monkeypatch
):
    engine = running(held(gate))
    nothing_came = ChunkFlow._nothing_came

    def looked(self):
        nothing_came(self)
        gate.touch()

    monkeypatch.setattr(ChunkFlow, "_nothing_came", looked)

    def records():
        yield from range(5)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        engine.score(records())
    assert engine.last_job.partial() == [*range(5)]


def test_an_interrupt_is_prompt_truthful_and_keeps_what_came(running):
    engine = running(SLOW, stream=EAGER)
    main = threading.main_thread().ident

    def interrupt():
        until(lambda: engine.last_job is not None and engine.last_job.received > 20)
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


def test_an_interrupt_just_when_it_has_begun_ends_it_too(running, monkeypatch):
    engine = running(ECHO)

    def interrupted(*given, **options):
        submit(*given, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr("pilothouse.fastscore.score.submit", interrupted)
    with pytest.raises(ScoreInterrupt) as caught:
        engine.score(n for n in range(100_000_000))
    assert caught.value.job is engine.last_job
    assert engine.last_job.state == "cancelled"


@pytest.mark.parametrize("ask", ["score", "submit"])
def test_an_interrupt_while_it_begins_ends_it(running, monkeypatch, ask):
    engine = running(ECHO)
    start = ChunkFlow.start

    def interrupted(self):
        start(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(ChunkFlow, "start", interrupted)
    with pytest.raises(ScoreInterrupt) as caught:
        getattr(engine, ask)(n for n in range(100_000_000))
    assert caught.value.job is engine.last_job
    assert engine.last_job.state == "cancelled"


def test_a_cancel_says_whether_the_engine_has_confirmed(running, tmp_path, monkeypatch):
    engine = running(ECHO)
    job = engine.submit(n for n in range(100_000_000))
    until(lambda: job.sent >= 4_000)
    started = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(score_job, "CANCEL_SECONDS", 60)
        outcome = job.cancel()
    assert time.monotonic() - started < 50
    assert outcome == job.outcome == job.cancel()
    assert "has confirmed that nothing is left" in outcome
    assert job.received + job.dropped == job.sent >= 4_000
    job.accepted(1)  # an answer that comes late
    job.drop(job.dropped + 1)
    assert job.received + job.dropped == job.sent
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


def test_what_was_dropped_is_known_though_the_answers_got_lost(
    running, gate, monkeypatch
):
    drop = Claim.drop

    def lost(self, slot, seconds):
        told = drop(self, slot, seconds)
        if told:
            gate.touch()
        return told if threading.current_thread().name == "score in" else None

    monkeypatch.setattr(Claim, "drop", lost)
    monkeypatch.setattr(score_job, "CANCEL_SECONDS", 60)
    engine = running(held(gate), stream=EAGER)
    job = engine.submit(range(1_000))
    until(lambda: job.sent == 1_000)
    assert "were dropped unscored; engine-1 has confirmed" in job.cancel()
    assert job.received + job.dropped == 1_000


def test_what_was_dropped_is_known_though_the_answer_is_overtaken_and_lost(
    running, gate, monkeypatch
):
    drop = Claim.drop

    def late(self, slot, seconds):
        told = drop(self, slot, seconds)
        if threading.current_thread().name == "score in":
            return told
        gate.touch()
        job.join(60)  # all that is left comes back meanwhile
        return None

    monkeypatch.setattr(Claim, "drop", late)
    monkeypatch.setattr(score_job, "CANCEL_SECONDS", 60)
    engine = running(held(gate), stream=EAGER)
    job = engine.submit(range(1_000))
    until(lambda: job._flow._is_end_sent)
    assert "were dropped unscored; engine-1 has confirmed" in job.cancel()
    assert job.received + job.dropped == 1_000


def test_a_cancel_is_not_confirmed_where_nobody_tells_what_was_dropped(
    running, gate, monkeypatch
):
    drop = Claim.drop

    def lost(self, slot, seconds):
        drop(self, slot, seconds)
        gate.touch()

    monkeypatch.setattr(Claim, "drop", lost)
    monkeypatch.setattr(score_job, "CANCEL_SECONDS", 60)
    engine = running(held(gate), stream=EAGER)
    job = engine.submit(range(1_000))
    until(lambda: job.sent == 1_000)
    assert "has not confirmed the end" in job.cancel()
    assert not job.is_confirmed


def test_a_detached_job_leaves_its_outputs_to_others(running, gate):
    engine = running(held(gate), stream=EAGER)
    job = engine.submit(list(range(50)))
    until(lambda: job.sent == 50)
    text = job.detach()
    assert "wait at slot 1 of engine-1" in text
    assert "50 of 50 records were sent and 0 outputs came back" in text
    assert job.state == "detached"
    gate.touch()
    job.join(60)
    assert [*job.partial(), *read_outputs(engine, 50 - job.received)] == [*range(50)]


def test_a_detached_job_loses_nothing_that_comes_after_its_patience(
    running, monkeypatch
):
    is_answering, go_on = threading.Event(), threading.Event()
    get = RestOutlet.get

    async def slowly(self, *given):
        data = await get(self, *given)
        if data and b"49\n" in data:
            is_answering.set()
            await asyncio.to_thread(go_on.wait, 60)
        return data

    monkeypatch.setattr(RestOutlet, "get", slowly)
    monkeypatch.setattr(score_job, "CANCEL_SECONDS", 0)
    engine = running(ECHO)
    job = engine.submit(list(range(50)))
    assert is_answering.wait(60)
    assert job.detach().startswith("detached")
    go_on.set()
    job.join(60)
    assert job.partial() == [*range(50)]


def test_a_detached_job_drops_nothing_that_waits(running, gate):
    engine = running(held(gate, 20), stream=EAGER)
    more = threading.Event()

    def records():
        yield from range(100)
        more.wait(60)
        yield 100

    job = engine.submit(records())
    until(lambda: job.sent == 100)
    job.detach()
    more.set()
    assert job.received <= 20
    gate.touch()
    job.join(60)
    assert [*job.partial(), *read_outputs(engine, 100 - job.received)] == [*range(100)]


def test_a_job_that_is_done_while_it_is_detached_is_done(running, gate, monkeypatch):
    engine = running(held(gate))
    leave = ChunkFlow.leave

    def late(self, seconds):
        gate.touch()
        assert job.wait(60)
        leave(self, seconds)

    monkeypatch.setattr(ChunkFlow, "leave", late)
    job = engine.submit([1, 2])
    assert job.detach().startswith("done")
    assert job.result() == [1, 2]


def test_what_is_on_its_way_when_single_records_are_detached_still_comes(
    running, gate, monkeypatch
):
    monkeypatch.setattr(score_job, "CANCEL_SECONDS", 0)
    engine = running(held(gate, 20), stream=REST)
    job = engine.submit(range(1_000))
    until(lambda: job.received)
    text = job.detach()
    assert "nothing waits at engine-1" in text
    gate.touch()
    job.join(60)
    assert 0 < job.received == job.sent < 1_000
    assert job.partial() == [*range(job.received)]


def test_single_records_whose_calls_have_not_begun_are_not_sent_any_more(
    running, gate, monkeypatch
):
    begun = []
    call = CallFlow._call

    def noted(self, body):
        begun.append(body)
        return call(self, body)

    monkeypatch.setattr(CallFlow, "_call", noted)
    monkeypatch.setattr(score_job, "CANCEL_SECONDS", 0)
    engine = running(held(gate), stream=REST)
    job = engine.submit(range(100))
    until(lambda: len(begun) == 8)
    job.detach()
    gate.touch()
    job.join(60)
    assert job.sent == len(begun) == 8
    assert job.partial() == [*range(8)]


def read_outputs(engine, count):
    """Read numbers until there are so many, without control records."""
    lines = []

    def are_enough():
        if len(lines) < count:
            came = (engine.output(1) or b"").splitlines()
            lines.extend(int(line) for line in came if b"fastscore" not in line)
        return len(lines) >= count

    until(are_enough)
    return lines


def test_a_timeout_cancels_and_says_so(running):
    engine = running(SLOW, stream=EAGER)
    with pytest.raises(
        TimeoutError, match=r"not done within 0\.3 s; cancelled"
    ) as caught:
        engine.score((n for n in range(100_000)), timeout=0.3, chunk_bytes=50)
    assert isinstance(caught.value, FastScoreError)
    assert engine.last_job.state == "cancelled"
    never = threading.Event()

    def records():
        yield 1
        never.wait(60)

    job = engine.submit(records())
    with pytest.raises(FastScoreError, match="goes on"):
        job.result(0)
    job.cancel()
    never.set()


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


def test_a_job_that_failed_sends_nothing_once_the_slot_is_free(running, monkeypatch):
    bodies, more = [], threading.Event()
    post, read, close = RestInlet.post, ChunkFlow._read_once, Watch.close

    async def noted(self, body):
        bodies.append(body)
        return await post(self, body)

    def fails(self):
        if self._job.received:
            raise FastScoreError("cannot be read")
        read(self)

    def long(self):
        more.set()
        job._flow._threads[0].join(60)
        close(self)

    monkeypatch.setattr(RestInlet, "post", noted)
    monkeypatch.setattr(ChunkFlow, "_read_once", fails)
    monkeypatch.setattr(Watch, "close", long)

    def records():
        yield from range(10)
        more.wait(60)
        yield 10

    engine = running(ECHO)
    job = engine.submit(records())
    with pytest.raises(FastScoreError, match="cannot be read"):
        job.result(60)
    job.join(60)
    first, last = (str(mark).encode() for mark in job.marks)
    assert first in b"".join(bodies)
    assert last not in b"".join(bodies)


def test_a_model_that_fails_just_when_all_is_back_leaves_no_job_running(
    running, monkeypatch
):
    def failed(flow):
        if flow._all_back and flow.model_failure is None:
            flow._model_failed(ModelError("late"))

    looked_at = property(failed, lambda _flow, _failure: None)
    monkeypatch.setattr(ChunkFlow, "_send_failure", looked_at, raising=False)
    engine = running(ECHO)
    assert engine.submit([1, 2]).result(60) == [1, 2]


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
    seen = threading.Event()

    def records():
        yield from [1, 2]
        seen.wait(60)
        yield 3

    job = engine.submit(records())
    with pytest.raises(FastScoreError, match="still scoring"):
        engine.score([4])
    seen.set()
    assert job.result(60) == [1, 2, 3]
    assert engine.score([4]) == [4]
