"""Two jobs never take each other's outputs, and no score waits for ever."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from conftest import LocalSuite
from pilothouse.fastscore import FastScoreError, Model, Stream, score_claim, score_flow
from pilothouse.fastscore.suite import Connect
from waiting import until

SLOW = "import time\ndef action(x):\n    time.sleep(0.001)\n    yield x\n"


def deployed(connect, stream, source=SLOW):
    engine = connect.get("engine-1")
    streams = {slot: Stream.expand(stream) for slot in (0, 1)}
    Model("m", "python3", source).deploy(engine, streams=streams, wait=60)
    return engine


def ended(job):
    with pytest.raises(FastScoreError) as caught:
        job.result(60)
    return caught.value


def test_a_job_of_another_connection_does_not_take_our_outputs(
    running, suite, monkeypatch
):
    engine = running(SLOW)
    monkeypatch.setattr(score_claim, "_PATIENCE_SECONDS", 0.2)
    seen = threading.Event()

    def records():
        yield from range(999)
        seen.wait(60)
        yield 999

    job = engine.submit(records())
    with Connect(suite.url, oauth_secret=suite.token) as other:
        with pytest.raises(FastScoreError, match="another job takes the outputs"):
            other.get("engine-1").score([1])
        seen.set()
        assert job.result(60) == list(range(1000))
        assert other.get("engine-1").score([1]) == [1]


def test_a_job_waits_for_one_of_another_connection_that_is_just_ending(
    running, suite, monkeypatch
):
    monkeypatch.setattr(score_claim, "_PATIENCE_SECONDS", 60)
    engine = running(SLOW)
    job = engine.submit(list(range(300)))
    with Connect(suite.url, oauth_secret=suite.token) as other:
        assert other.get("engine-1").score([1, 2]) == [1, 2]
    assert job.result(60) == list(range(300))


def test_an_answer_that_was_long_on_its_way_is_not_the_last_word(engine, monkeypatch):
    clock = [0.0]
    answers = iter([409, 204])

    def asked(self, method, more=""):
        clock[0] += 100
        return next(answers)

    monkeypatch.setattr(score_claim.Claim, "_send", asked)
    time = SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda _seconds: None)
    monkeypatch.setattr(score_claim, "time", time)
    claim = score_claim.Claim(engine, 1, "a")
    claim.take()
    assert claim.is_held


def test_marks_of_another_job_amid_ours_end_it(running):
    engine = running(SLOW)
    is_marked = threading.Event()

    def records():
        yield from range(10)
        is_marked.wait(60)
        yield 10

    job = engine.submit(records())
    until(lambda: job.received)
    engine.input('{"$fastscore": "pig", "id": 7}\n', 0)
    is_marked.set()
    assert "outputs would mix" in str(ended(job))


def test_a_job_whose_end_was_taken_by_somebody_else_does_not_wait_for_ever(
    running, monkeypatch
):
    monkeypatch.setattr(score_flow, "_QUIET_SECONDS", 0.3)
    engine = running(SLOW)
    over = threading.Event()

    def take():
        while not over.is_set():
            engine.output(1)

    takers = [threading.Thread(target=take) for _ in range(8)]
    for taker in takers:
        taker.start()
    failure = None
    try:
        while failure is None:  # it is a matter of luck who gets the end
            job = engine.submit(list(range(50)))
            assert job.wait(60)
            failure = job.failure
    finally:
        over.set()
        for taker in takers:
            taker.join()
    assert "another job takes" in str(failure)


@pytest.mark.parametrize("stream", ["rest-chunked:", "rest:"])
def test_a_service_that_stops_ends_the_score(fresh_suite: LocalSuite, stream):
    with Connect(fresh_suite.url, oauth_secret=fresh_suite.token) as connect:
        engine = deployed(connect, stream)
        job = engine.submit(list(range(20_000)))
        until(lambda: job.received)
        fresh_suite.host.stop()
        ended(job)
        assert job.state == "failed"
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("score")])
