"""The suite, the model and the records that several parts of the bench use."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interop.suite_process import SuiteProcess
from pilothouse.fastscore import Model, Stream
from pilothouse.fastscore.suite import Connect, Engine

MODEL = """\
def action(record):
    record["z"] = record["x"] * record["y"]
    yield record
"""
SIMPLE = {"Transport": "REST", "Encoding": "json"}
CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json"}
RECORD = '{"x":1.5,"y":2}'


def records(count: int) -> list[dict[str, Any]]:
    """Small records, each one another."""
    return [{"x": n / 7, "y": n % 1000, "id": f"record {n}"} for n in range(count)]


@contextmanager
def suite() -> Iterator[SuiteProcess]:
    """A suite in a process of its own, with a store that is empty."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SuiteProcess(Path(folder)) as services,
    ):
        yield services


def engine_of(services: SuiteProcess) -> Engine:
    """Its first engine, by our client."""
    return Connect(services.url, oauth_secret=services.token).get("engine-1")


def run(
    engine: Engine, descriptor: dict[str, Any], *, jets: int = 1, source: str = MODEL
) -> None:
    """Make the model run on the engine between two REST streams."""
    engine.reset()
    engine.scale(jets)
    Model("bench", "python3", source).deploy(engine)
    for slot in (0, 1):
        Stream(f"bench-{slot}", descriptor).attach(engine, slot)
