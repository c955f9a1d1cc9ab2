"""For how long a jet is busy with one record; no process is started here."""

import asyncio
from types import SimpleNamespace

import pytest

from pilothouse.fastscore.wire.streams import Batching
from pilothouse.services.fastscore.engine import jets
from pilothouse.services.fastscore.engine.intake import Intake
from pilothouse.services.fastscore.engine.jets import Jet
from pilothouse.services.fastscore.engine.options import EngineOptions
from pilothouse.services.fastscore.engine.pipeline import Pipeline
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
