"""Records a second from client to client, and what remains in memory afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import orjson
import psutil

from bench.figures import Figure, at_most, in_turn, times_the_peer
from bench.pipelines import (
    CHUNKED,
    MODEL,
    SIMPLE,
    engine_of,
    records,
    run,
    suite,
)
from bench.running import PEERS, talking
from interop.environments import FASTSCORE
from interop.suite_process import SuiteProcess
from pilothouse.fastscore import Schema
from pilothouse.fastscore.suite import Connect

_TYPED = "# fastscore.schema.0: bench-in\n# fastscore.schema.1: bench-out\n" + MODEL
_FIELDS = [
    {"name": "x", "type": "double"},
    {"name": "y", "type": "int"},
    {"name": "id", "type": "string"},
]
_IN = {"type": "record", "name": "In", "fields": _FIELDS}
_OUT = {
    "type": "record",
    "name": "Out",
    "fields": [*_FIELDS, {"name": "z", "type": "double"}],
}


def plain_loop(count: int) -> Callable[[], float]:
    """The same work in one process: decode, call, encode, for each record."""
    names: dict[str, Callable] = {}
    exec(MODEL, names)
    lines = [orjson.dumps(record) for record in records(count)]
    action = names["action"]

    def measure_once() -> float:
        began = time.perf_counter()
        scored = []
        for line in lines:
            for output in action(orjson.loads(line)):
                scored.append(orjson.dumps(output))
        assert len(scored) == count
        return count / (time.perf_counter() - began)

    return measure_once


def scored_by(services: SuiteProcess, count: int, **how) -> Callable[[], float]:
    """The records as values into our client, and the outputs as values out of it."""
    engine = engine_of(services)
    given = records(count)

    def measure_once() -> float:
        run(engine, CHUNKED, **how)
        began = time.perf_counter()
        scored = engine.score(given, as_frame=False)
        took = time.perf_counter() - began
        assert len({one["id"] for one in scored}) == len(scored) == count
        assert all(one["z"] == one["x"] * one["y"] for one in scored[::997])
        return count / took

    return measure_once


def by_the_real_sdk(services: SuiteProcess, count: int) -> float:
    """One record in and its output back, again and again, with the real SDK."""
    run(engine_of(services), SIMPLE)
    order = {"url": services.url, "token": services.token, "call": "record"}
    script = PEERS / "client_calls.py"
    with talking([FASTSCORE.ready(), script, "fastscore"]) as process:
        process.stdin.write(json.dumps({**order, "count": count}) + "\n")
        process.stdin.flush()
        return float(process.stdout.readline())


def measure(*, quick: bool) -> Iterator[Figure]:
    """One jet and two, without and with schemas; memory after many records."""
    count = 50_000 if quick else 200_000
    with suite() as services:
        connect = Connect(services.url, oauth_secret=services.token)
        mm = connect.lookup("model-manage")
        Schema("bench-in", _IN).update(mm)
        Schema("bench-out", _OUT).update(mm)
        rates = in_turn(
            {
                "plain loop": plain_loop(count),
                "one jet": scored_by(services, count),
                "two jets": scored_by(services, count, jets=2),
                "typed": scored_by(services, count, source=_TYPED),
            },
            rounds=2 if quick else 5,
        )
        real = by_the_real_sdk(services, 100 if quick else 500)
        loop = {"plain loop": rates["plain loop"]}
        one = rates["one jet"]
        work = f"{count:,} records, client to client"
        ratio = rates.ratio("one jet", "plain loop")
        what = f"{work}, one jet"
        yield times_the_peer(
            0.5, "plain loop", what, one, "/s", ratio=ratio, peers=loop
        )
        yield times_the_peer(
            100,
            "real SDK",
            "  against record by record",
            one,
            "/s",
            peers={"real SDK": real},
        )
        two, typed = rates["two jets"], rates["typed"]
        yield Figure(what=f"{work}, two jets", measured=two, unit="/s", peers=loop)
        yield Figure(what=f"{work}, schemas", measured=typed, unit="/s", peers=loop)
        yield from _memory(services, 100_000 if quick else 1_000_000)


def _memory(services: SuiteProcess, count: int) -> Iterator[Figure]:
    """How much the service process and a jet have grown after many records."""
    engine = engine_of(services)
    run(engine, CHUNKED)
    engine.score(records(20_000))
    jet = engine.active_model.jets[0].pid
    before = {pid: psutil.Process(pid).memory_info().rss for pid in (services.pid, jet)}
    stream = ({"x": n / 7, "y": n % 1000, "id": f"record {n}"} for n in range(count))
    assert sum(1 for _ in engine.submit(stream, keep=False)) == count
    for who, pid in (("services", services.pid), ("jet", jet)):
        now = psutil.Process(pid).memory_info().rss
        grown = (now - before[pid]) / 2**20
        what = f"{who}: memory grown after {count:,} records"
        note = f"{now / 2**20:.0f} MB in all"
        yield at_most(50, what, grown, "MB", note=note)
