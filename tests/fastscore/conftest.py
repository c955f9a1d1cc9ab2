"""What the client's tests share: a Connect to the local suite, and reset engines."""

from __future__ import annotations

import pytest

from pilothouse.fastscore import Model, Stream
from pilothouse.fastscore.suite import Connect

CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json"}
REST = {"Transport": "REST", "Encoding": "json"}
CUBE = "def action(x):\n    yield x ** 3\n"
ECHO = "def action(x):\n    yield x\n"


@pytest.fixture
def connect(suite):
    """A Connect to the suite of the session."""
    with Connect(suite.url, oauth_secret=suite.token) as connect:
        yield connect


@pytest.fixture
def mm(connect):
    """Its Model Manage, empty before and after."""
    found = connect.lookup("model-manage")
    _empty(found)
    yield found
    _empty(found)


@pytest.fixture
def engine(connect):
    """Its first engine, reset before and after."""
    found = connect.get("engine-1")
    found.reset()
    yield found
    found.reset()


@pytest.fixture
def running(engine):
    """Load a model into the engine and attach two streams; returns the engine."""

    def run(source=CUBE, *, stream=CHUNKED, schemas=None, **slots):
        model = Model("m", "python3", source, schemas=schemas or {})
        both = {0: Stream("in", stream), 1: Stream("out", stream)}
        model.deploy(engine, streams=both | slots.get("streams", {}), wait=60)
        return engine

    return run


def _empty(mm):
    for collection in (mm.models, mm.schemata, mm.streams, mm.sensors):
        for name in collection.names():
            del collection[name]
