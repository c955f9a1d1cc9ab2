"""One function over many items: our client under each policy, and all the others.

Each contestant is a process of its own that prints what it took. The start of pools
and clusters is counted, and the upload; imports are not, and the local service is
there already, warm, only while its own clients are measured. Where several rounds are
run, the least counts, of all alike.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.environments import DASK, IPYPARALLEL, JOBLIB, available
from bench.figures import Figure, at_most
from bench.running import PEERS, said_by, talking
from interop.environments import FASTMAP
from interop.suite_process import FastmapProcess
from pilothouse import fastmap

_SCRIPT = PEERS / "map_work.py"
_LOOP = 0.05
_LONG_S = 5.5
_ONCE = ("ours_dask",)
"""Whose cluster takes longer to start than the work does."""

Told = dict[str, float]
Contestants = dict[str, Callable[[str, int], Told]]


def measure(*, quick: bool) -> Iterator[Figure]:
    """Tiny items, busy ones, and large ones; in each round all in turn."""
    everyone, note = _contestants(quick=quick)
    count = 100_000 if quick else 1_000_000
    yield from _tiny(_in_turn(everyone, "tiny", count, 1 if quick else 3), note)
    yield from _busy(everyone, 20 if quick else 200, 1 if quick else 2)
    yield from _large(everyone, 4 if quick else 20)


def _contestants(*, quick: bool) -> tuple[Contestants, str]:
    """Who takes part, and what to say of those who do not."""
    everyone = {who: _runs(who, sys.executable) for who in ("builtin", "pool")}
    everyone["futures"] = _runs("futures", sys.executable)
    note = "ipyparallel, dask not run with --quick"
    wanted = [JOBLIB, FASTMAP]
    if not quick:
        wanted += [IPYPARALLEL, DASK]
        note = ""
    found, missing = available(*wanted)
    names = {FASTMAP.name: "real_local"}
    for name, environment in found.items():
        who = names.get(name, name)
        everyone[who] = _runs(who, environment.python)
    everyone["ours_local"] = _runs("ours_local", sys.executable)
    for who in ("ours_adaptive", "ours_cloud"):
        everyone[who] = _runs(who, sys.executable, served=_service)
    everyone["ours_dask"] = _runs("ours_cloud", sys.executable, served=_over_dask)
    return everyone, "; ".join(text for text in (note, missing) if text)


@contextmanager
def _service(*options: str) -> Iterator[FastmapProcess]:
    """A service with warm workers, as one that a notebook uses has them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FastmapProcess(Path(folder), *(options or ("--workers", "2"))) as service,
    ):
        where = {"cloud_url": service.url, "secret": service.secret}
        config = fastmap.init(exec_policy="CLOUD", verbosity="SILENT", **where)
        assert list(config.fastmap(abs, [-1, -2])) == [1, 2]
        yield service


@contextmanager
def _over_dask() -> Iterator[FastmapProcess]:
    """A service before a Dask cluster, which is there only as long as it is needed."""
    with talking([sys.executable, PEERS / "dask_cluster.py"]) as cluster:
        assert cluster.stdout is not None
        with _service("--dask", cluster.stdout.readline().strip()) as service:
            yield service


def _runs(
    who: str, python: object, served: Callable[[], Any] | None = None
) -> Callable[[str, int], Told]:
    def run(work: str, count: int) -> Told:
        command = [str(python), "-W", "ignore", str(_SCRIPT), who, work, str(count)]
        if served is None:
            return _told(said_by(command))
        with served() as service:
            return _told(said_by([*command, service.url, service.secret]))

    return run


def _told(said: str) -> Told:
    told: Told = json.loads(said.strip().rpartition("\n")[2])
    return told


def _in_turn(
    everyone: Contestants, work: str, count: int, rounds: int
) -> dict[str, Told]:
    """What each took, the least of the rounds; who takes long has one round only."""
    taken: dict[str, list[Told]] = {who: [] for who in everyone}
    for turn in range(rounds):
        for who, run in everyone.items():
            if turn and (who in _ONCE or taken[who][0]["first"] > _LONG_S):
                continue
            began = time.perf_counter()
            taken[who].append(told := run(work, count))
            seconds = time.perf_counter() - began
            _say(f"{work}, {who}: {told['first']:.2f} s ({seconds:.0f} s in all)")
    digests = {told["digest"] for some in taken.values() for told in some}
    assert len(digests) == 1, f"{work}: the results differ"
    return {
        who: {key: min(told[key] for told in some) for key in some[0]}
        for who, some in taken.items()
    }


def _say(text: str) -> None:
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


def _others(taken: dict[str, Told], key: str) -> dict[str, float]:
    return {who: t[key] for who, t in taken.items() if not who.startswith("ours_")}


def _tiny(taken: dict[str, Told], note: str) -> Iterator[Figure]:
    """LOCAL and ADAPTIVE notice that moving costs more than doing; CLOUD moves."""
    loop = taken["builtin"]["first"]
    for who, times in (("ours_local", 1.3), ("ours_adaptive", 1.3), ("ours_cloud", 10)):
        what = f"tiny items, {who.removeprefix('ours_')}, with start"
        others = _others(taken, "first")
        limit = round(times * loop, 3)
        yield at_most(limit, what, taken[who]["first"], "s", peers=others, note=note)
        note = ""
    yield Figure(
        what="tiny items, over dask, with start",
        measured=taken["ours_dask"]["first"],
        unit="s",
        peers={"builtin": loop},
    )


def _busy(everyone: Contestants, count: int, rounds: int) -> Iterator[Figure]:
    """Two processes share the work; the limit is half of it."""
    taken = _in_turn(everyone, "busy", count, rounds)
    for who, allowed in (
        ("ours_local", 1.0),
        ("ours_adaptive", 1.0),
        ("ours_cloud", 1.0),
        ("ours_dask", 1.06),
    ):
        name = who.removeprefix("ours_")
        others = _others(taken, "first")
        best = min(others.values())
        yield at_most(
            round(allowed * best, 3),
            f"{count} items of 50 ms, {name}, with start",
            taken[who]["first"],
            "s",
            peers=others,
            note=f"the limit is {count * _LOOP / 2:g} s on two free cores",
        )


def _large(everyone: Contestants, count: int) -> Iterator[Figure]:
    """How much the notebook's process grows, and that twice as many need no more."""
    taken = _in_turn(everyone, "large", count, 1)
    others = _others(taken, "grown")
    best = min(taken[other]["first"] for other in others)
    for who in ("ours_local", "ours_adaptive", "ours_cloud", "ours_dask"):
        name = who.removeprefix("ours_")
        half = everyone[who]("large", count // 2)["grown"]
        grown, seconds = taken[who]["grown"], taken[who]["first"]
        yield Figure(
            what=f"{count} items of 20 MB, {name}: memory",
            measured=grown,
            unit="MB",
            peers=others,
            note=f"{seconds:.1f} s; the quickest other one {best:.1f} s",
        )
        what = f"  more than for {count // 2} items"
        yield at_most(100, what, grown - half, "MB")
