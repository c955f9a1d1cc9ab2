"""A jet killed under load costs no record, and its end is told with its cause."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from interop.suite_process import SuiteProcess
from pilothouse.fastscore import Model, Stream
from pilothouse.fastscore.suite import Connect, Engine
from waiting import until

pytestmark = pytest.mark.faults

CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json"}
BUSY = """\
def action(x):
    sum(range(200))
    yield x
"""
FALLING = """\
import os, signal

def action(x):
    if x == 500:
        os.kill(os.getpid(), signal.SIGSEGV)
    yield x
"""
BATCHES = 60
SIZE = 1_000


@pytest.fixture
def connect(services: SuiteProcess) -> Connect:
    return Connect(services.url, oauth_secret=services.token)


def running(connect: Connect, source: str, jets: int = 1) -> Engine:
    """The first engine with a model between two chunked REST streams."""
    engine = connect.get("engine-1")
    engine.reset()
    engine.scale(jets)
    Model("m", "python3", source).deploy(engine)
    for slot in (0, 1):
        Stream("s", CHUNKED).attach(engine, slot)
    assert engine.state == "RUNNING"
    return engine


def outputs(engine: Engine, count: int, some_came: threading.Event) -> list[int]:
    """So many outputs; says when a part of them is there."""
    came: list[int] = []
    while len(came) < count:
        if data := engine.output(1):
            came += [int(line) for line in data.split()]
        if len(came) > count // 5:
            some_came.set()
    return came


@pytest.mark.parametrize("jets", [1, 2])
def test_every_acknowledged_record_is_scored_once_though_its_jet_was_killed(
    jets: int, connect: Connect, services: SuiteProcess
):
    engine = running(connect, BUSY, jets)
    before = {jet.pid for jet in engine.active_model.jets}
    some_came = threading.Event()
    with (
        connect.pneumo.socket(src="engine-1", timeout=60) as pneumo,
        ThreadPoolExecutor(1) as pool,
    ):
        reading = pool.submit(outputs, engine, BATCHES * SIZE, some_came)
        sender = connect.get("engine-1")
        killed = None
        for batch in range(BATCHES):
            lines = range(batch * SIZE, (batch + 1) * SIZE)
            sender.input("".join(f"{n}\n" for n in lines), 0)
            if some_came.is_set() and killed is None:
                killed = min(before)
                os.kill(killed, signal.SIGKILL)
        assert some_came.wait(30)
        if killed is None:
            killed = min(before)
            os.kill(killed, signal.SIGKILL)
        came = reading.result(60)
        said = ""
        while "SIGKILL" not in said:
            said = str(pneumo.recv())
    assert came == list(range(BATCHES * SIZE))
    assert engine.state == "RUNNING"
    until(lambda: len(engine.active_model.jets) == jets)
    after = {jet.pid for jet in engine.active_model.jets}
    assert len(after) == jets
    assert killed not in after
    assert not psutil.pid_exists(killed)
    assert "Traceback" not in services.said()


def test_a_model_that_falls_takes_its_jet_down_and_the_cause_is_told(connect: Connect):
    engine = running(connect, FALLING)
    with connect.pneumo.socket(src="engine-1", timeout=60) as pneumo:
        engine.input("".join(f"{n}\n" for n in range(1000)), 0)
        message = pneumo.recv()
        while message.type != "model-error":
            message = pneumo.recv()
    assert "SIGSEGV" in message.console
    assert engine.state == "ERROR"
    other = connect.get("engine-2")
    other.reset()
    Model("m", "python3", BUSY).deploy(other)
    for slot in (0, 1):
        Stream("s", CHUNKED).attach(other, slot)
    assert other.roundtrip(b"1", timeout=60_000).strip() == b"1"
    engine = running(connect, BUSY)
    assert list(engine.score([1, 2])) == [1, 2]
