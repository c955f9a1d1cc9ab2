"""A score goes on when its process is killed, and another one takes it up."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from pilothouse.fastscore import FastScoreError, score_job
from pilothouse.fastscore.results import RejectedWarning
from pilothouse.fastscore.score_claim import Claim
from pilothouse.fastscore.score_journal import _HEAD, Journal
from pilothouse.fastscore.suite import Connect
from waiting import until

from .conftest import ECHO, REST
from .test_score import SCHEMAS, TYPED

GATED = """import pathlib
import time

def action(x):
    while x >= 16 and not pathlib.Path({gate!r}).exists():
        time.sleep(0.01)
    yield x * 10
"""
SUBMITS = """import json
import sys
import threading
import time
from pathlib import Path

from pilothouse.fastscore.score_journal import Journal
from pilothouse.fastscore.suite import Connect

url, journal, rows = sys.argv[1:]
engine = Connect(url, oauth_secret=sys.stdin.readline().strip()).get("engine-1")
came = threading.Event()


def some():
    yield from range(16)
    came.wait()
    yield from range(16, 40)
    sys.stdin.readline()


def is_noted():
    noted = Journal.read(Path(journal), answers=False)
    return noted.is_all_sent or (rows == "generator" and noted.sent == 40)


data = some() if rows == "generator" else json.loads(rows)
job = engine.submit(data, journal=Path(journal))
while job.received < 16:
    time.sleep(0.01)
came.set()
while not is_noted():
    time.sleep(0.01)
print("begun", flush=True)
job.result()
"""


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "score.kept"


@pytest.fixture
def gate(tmp_path):
    """The file that lets the model go on behind the 16th record."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.fixture
def gated(running, gate):
    return running(GATED.format(gate=str(gate)))


@pytest.fixture
def killed(suite, journal):
    """Score in a process that is killed when 16 outputs have come back."""

    def run(rows):
        words = [suite.url, str(journal), json.dumps(rows).strip('"')]
        process = subprocess.Popen(
            [sys.executable, "-c", SUBMITS, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            process.stdin.write(f"{suite.token}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "begun\n"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdin.close()
            process.stdout.close()

    return run


def test_the_next_process_gets_the_whole(gated, killed, journal, gate):
    killed(list(range(5000)))
    noted = Journal.read(journal)
    assert noted.sent == 5000
    assert noted.is_all_sent
    assert 16 <= noted.received < 5000
    assert journal.stat().st_mode & 0o777 == 0o600

    job = gated.resume(journal)
    assert job.progress.total == 5000
    gate.touch()

    assert job.result(60) == [x * 10 for x in range(5000)]
    assert Journal.read(journal).is_done
    assert gated.resume(journal).result(60) == [x * 10 for x in range(5000)]


def test_what_was_being_fetched_when_it_was_killed_is_not_lost(
    gated, killed, journal, gate
):
    """Its last question is still there, and takes the next outputs at the engine."""
    killed(list(range(40)))
    gate.touch()
    until(lambda: not _jets_are_busy(gated))

    assert gated.resume(journal).result(60) == [x * 10 for x in range(40)]


def _jets_are_busy(engine):
    route = engine.route("1/job/status?return=jets")
    return any(jet["busy"] for jet in engine.gateway.get_json("", route)["jets"])


def test_an_entry_that_was_not_written_whole_does_not_count(running, journal):
    running(ECHO).submit([1, 2], journal=journal).result(60)
    whole = Journal.read(journal)
    data = journal.read_bytes()
    for cut in range(1, len(data)):
        journal.write_bytes(data[:-cut])
        try:
            noted = Journal.read(journal)
        except FastScoreError:  # in the heading
            continue
        assert noted.received in (0, 2)
        assert whole.answers[: len(noted.answers)] == noted.answers
        before = len(noted.answers)
        with Journal(journal) as again:
            again.came(b"x", 1, noted.size)
            again.came(b"x", 1, noted.size)
        assert len(Journal.read(journal).answers) == before + 1


def test_the_last_mark_that_came_back_was_sent(running, journal):
    """Also if it came before the answer to it."""
    running(ECHO).submit([1, 2], journal=journal).result(60)
    data = journal.read_bytes()
    end = _HEAD.pack(b"e", 0, 0, 0)
    journal.write_bytes(data.replace(end, b""))
    noted = Journal.read(journal)

    assert noted.is_done
    assert noted.is_all_sent


def test_an_answer_that_got_lost_is_given_again(gated, gate):
    gate.touch()
    ask = gated.route("1/job/output/1?job=a&at=")
    gated.input(b"1\n2\n", 0)
    first = until(lambda: gated.gateway.call("", "GET", f"{ask}0").body)
    answers = [first, gated.gateway.call("", "GET", f"{ask}0").body]
    gated.input(b"3\n", 0)
    until(lambda: gated.gateway.call("", "GET", f"{ask}{len(answers[0])}").body)
    other = gated.gateway.call("", "GET", gated.route("1/job/output/1?job=b&at=0"))

    assert answers[0] == answers[1] == b"10\n20\n"
    assert other.status == 202


def test_records_that_were_never_sent_are_told(gated, killed, journal, gate):
    killed("generator")
    gate.touch()
    job = gated.resume(journal)

    with pytest.warns(RejectedWarning, match="40 records were sent before the process"):
        assert job.result(60) == [x * 10 for x in range(40)]
    assert gated.score([1, 2]) == [10, 20]


def test_a_frame_stays_a_typed_frame(running, tmp_path):
    engine = running(TYPED, schemas=SCHEMAS)
    path = tmp_path / "frame.kept"
    frame = pd.DataFrame({"x": np.arange(300) / 2})
    whole = engine.submit(frame, journal=path).result(60)

    pd.testing.assert_frame_equal(engine.resume(path).result(60), whole)


def test_after_a_reset_there_is_what_had_come_back(gated, killed, journal, gate):
    killed(list(range(40)))
    gate.touch()
    gated.reset()
    job = gated.resume(journal)

    with pytest.raises(FastScoreError, match="has this score no more: it was reset"):
        job.result(60)
    came = job.partial()
    assert len(came) >= 16
    assert came == [x * 10 for x in range(len(came))]
    assert not job.can_be_taken_up


def test_after_another_score_its_outputs_are_not_taken_for_ours(
    gated, killed, journal, gate
):
    killed(list(range(40)))
    gate.touch()
    assert gated.score([7]) == [70]

    with pytest.raises(FastScoreError, match="another score has run there since"):
        gated.resume(journal).result(60)


def test_who_asks_last_has_it_and_the_other_one_says_so(
    gated, killed, journal, gate, suite
):
    killed(list(range(40)))
    first = gated.resume(journal)
    until(lambda: first.received >= 16)
    with Connect(suite.url, oauth_secret=suite.token) as other:
        second = other.get("engine-1").resume(journal)
        with pytest.raises(FastScoreError, match="another kernel has taken up this"):
            first.result(60)
        assert first.can_be_taken_up
        gate.touch()

        assert second.result(60) == [x * 10 for x in range(40)]
    assert gated.resume(journal).result(60) == [x * 10 for x in range(40)]


def test_a_cancel_makes_the_engine_forget_what_it_has_not_begun(
    gated, killed, journal, gate, monkeypatch
):
    drop = Claim.drop

    def dropped(self, slot, seconds):
        told = drop(self, slot, seconds)
        if told:
            gate.touch()
        return told

    monkeypatch.setattr(Claim, "drop", dropped)
    monkeypatch.setattr(score_job, "CANCEL_SECONDS", 60)
    killed(list(range(5000)))
    job = gated.resume(journal)
    until(lambda: job.received >= 16)
    said = job.cancel()

    assert "were dropped unscored; engine-1 has confirmed" in said
    assert job.received + job.dropped == 5000
    assert job.dropped > 0
    assert gated.score([1]) == [10]


def test_where_the_end_needs_the_beginning_nothing_is_written(running, journal):
    engine = running(ECHO, stream=REST)

    assert engine.submit([1, 2], journal=journal).result(60) == [1, 2]
    assert not journal.exists()


def test_a_file_that_is_no_journal_is_told(engine, journal):
    journal.write_bytes(b"something else altogether, and longer than a head")

    with pytest.raises(FastScoreError, match="is no journal"):
        engine.resume(journal)
