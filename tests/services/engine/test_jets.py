"""For how long a jet is busy with one record, and how its end is noted."""

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pilothouse.fastscore.wire.streams import Batching
from pilothouse.services.fastscore.engine import jets, pool
from pilothouse.services.fastscore.engine.intake import Intake
from pilothouse.services.fastscore.engine.jets import Cause, Jet
from pilothouse.services.fastscore.engine.options import EngineOptions
from pilothouse.services.fastscore.engine.pipeline import Pipeline
from pilothouse.services.fastscore.engine.pool import Plan, Pool
from pilothouse.services.fastscore.engine.records import Block
from pilothouse.services.fastscore.engine.roundtrip import Call


class Owner:
    def taken(self):
        """Something was taken from an input slot."""


@pytest.fixture
def clock(monkeypatch):
    """The time of jets; it stands still."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(jets, "time", clock)
    return clock


def idle_jet(folder):
    """Return a jet that is ready, and a pipeline that hands out to it."""
    jet = Jet("1", folder, Owner(), EngineOptions())
    jet.is_ready = True
    pipeline = Pipeline(lambda: [jet])
    pipeline.owner = Owner()
    pipeline.intakes[0] = Intake(0, Batching())
    pipeline.is_flowing = True
    return jet, pipeline


def put_batch(pipeline):
    pipeline.intakes[0].put(Block(b"1\n", 1))
    pipeline.pump()


def put_roundtrip(pipeline):
    pipeline.roundtrips.add(Call(b"1", 0, 1))
    pipeline.pump()


@pytest.mark.parametrize("put", [put_batch, put_roundtrip])
def test_a_record_is_timed_from_when_an_idle_jet_is_given_it(clock, tmp_path, put):
    async def scenario():
        jet, pipeline = idle_jet(tmp_path)
        clock.now = 100.0
        put(pipeline)
        assert len(jet.in_flight) == 1
        clock.now = 100.25
        return jet.stalled_seconds()

    assert asyncio.run(scenario()) == 0.25


def test_a_record_has_no_more_time_when_its_jet_is_given_another(clock, tmp_path):
    async def scenario():
        jet, pipeline = idle_jet(tmp_path)
        put_roundtrip(pipeline)
        clock.now = 50.0
        put_roundtrip(pipeline)
        assert len(jet.in_flight) == 2
        return jet.stalled_seconds()

    assert asyncio.run(scenario()) == 50.0


class Told:
    """An owner that notes what it is told."""

    def __init__(self):
        self.printed = []
        self.causes = []
        self.words = []
        self.said = asyncio.Event()

    def jet_frame(self, jet, head, body):
        self.words.append(head["k"])
        self.said.set()

    def jet_console(self, jet, text):
        self.printed.append(text)

    def jet_ended(self, jet, cause):
        self.causes.append(cause)
        self.said.set()

    def jet_started(self, jet):
        """A jet has come."""

    def jet_stopped(self, jet):
        """A jet has gone."""


class Process:
    """A process whose end was not told yet."""

    def get_returncode(self):
        return None


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_jet_whose_end_is_told_late_did_not_just_close_its_connection(
    tmp_path, has_ended
):
    source = "" if has_ended else "input()"
    child = subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, start_new_session=True
    )
    if has_ended:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    jet = Jet("1", tmp_path, Told(), EngineOptions())
    jet.pid, jet._process = child.pid, Process()

    jet._still_there()

    found = None if has_ended else Cause("closed its connection to the engine")
    assert jet._reason == found
    child.communicate()


def test_a_stop_that_cannot_wait_for_a_jet_leaves_nothing_open(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "STOP_SECONDS", 0.0)
    told = Told()

    async def scenario():
        jets = Pool(tmp_path, EngineOptions())
        jets.owner = told
        await jets.launch(Plan(head=lambda: {"k": "start"}, fill=lambda folder: None))
        (jet,) = jets.jets
        jet.console.take(b"printed before\n")
        await jets.stop()
        assert not jet.gone.is_set()
        assert jet._process.is_closing()
        jet.console.take(b"printed behind\n")
        await jet.gone.wait()

    asyncio.run(scenario())

    assert told.printed == ["printed before"]
    assert told.causes == []


@pytest.mark.parametrize(("source", "word"), [("", "ended"), ("1 / 0", "error")])
def test_a_jet_stays_behind_its_last_word_until_the_engine_lets_it_go(
    tmp_path, source, word
):
    """A batch may be on its way to it; the engine reads nothing more if that breaks."""

    async def scenario():
        told = Told()
        jet = Jet("1", tmp_path / "jet", told, EngineOptions())
        jet.folder.mkdir()
        await jet.start()
        head = {"k": "start", "name": "m", "mtype": "python3", "source": source}
        jet.send({**head, "slots": [], "explicit": True})
        while told.words != ["ready", word] and not told.causes:
            told.said.clear()
            await told.said.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(jet.gone.wait(), 0.5)
        jet.send({"k": "batch"}, b"1")
        jet.close()
        await jet.gone.wait()
        return told

    assert asyncio.run(scenario()).causes == []
