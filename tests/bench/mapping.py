"""One function over many items: our client under each policy, and all the others.

Each contestant is a process of its own that prints what it took. The start of pools
and clusters is counted, and the upload; imports are not, and the local services are
there already.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.environments import DASK, IPYPARALLEL, JOBLIB, available
from bench.figures import Figure, at_most
from bench.running import PEERS, said_by, talking
from interop.environments import FASTMAP
from interop.suite_process import FastmapProcess

_SCRIPT = PEERS / "map_work.py"
_LOOP = 0.05
Told = dict[str, float]
Contestants = dict[str, Callable[[str, int], Told]]


def measure(*, quick: bool) -> Iterator[Figure]:
    """Tiny items, busy ones, and large ones; in each round all in turn."""
    rounds = 1 if quick else 3
    with ExitStack() as stack:
        everyone, note = _contestants(stack, quick=quick)
        tiny = _in_turn(everyone, "tiny", 1_000_000, rounds)
        yield from _tiny(tiny, note)
        yield from _busy(everyone, 60 if quick else 200, rounds)
        yield from _large(everyone, 16 if quick else 20)


def _contestants(stack: ExitStack, *, quick: bool) -> tuple[Contestants, str]:
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
    service = stack.enter_context(_service())
    where = (service.url, service.secret)
    for who in ("ours_local", "ours_adaptive", "ours_cloud"):
        everyone[who] = _runs(who, sys.executable, *where)
    cluster = stack.enter_context(talking([sys.executable, PEERS / "dask_cluster.py"]))
    address = cluster.stdout.readline().strip()
    over_dask = stack.enter_context(_service("--dask", address))
    where = (over_dask.url, over_dask.secret)
    everyone["ours_dask"] = _runs("ours_cloud", sys.executable, *where)
    return everyone, "; ".join(text for text in (note, missing) if text)


@contextmanager
def _service(*options: str) -> Iterator[FastmapProcess]:
    with (
        tempfile.TemporaryDirectory() as folder,
        FastmapProcess(Path(folder), *(options or ("--workers", "2"))) as service,
    ):
        yield service


def _runs(who: str, python: object, *where: str) -> Callable[[str, int], Told]:
    def run(work: str, count: int) -> Told:
        command = [str(python), "-W", "ignore", str(_SCRIPT), who, work, str(count)]
        said = said_by([*command, *where])
        told: Told = json.loads(said.strip().rpartition("\n")[2])
        return told

    return run


def _in_turn(
    everyone: Contestants, work: str, count: int, rounds: int
) -> dict[str, Told]:
    """What each took, the median of the rounds for each value."""
    taken: dict[str, list[Told]] = {who: [] for who in everyone}
    for _ in range(rounds):
        for who, run in everyone.items():
            taken[who].append(run(work, count))
    digests = {told["digest"] for some in taken.values() for told in some}
    assert len(digests) == 1, f"{work}: the results differ"
    return {
        who: {key: statistics.median(told[key] for told in some) for key in some[0]}
        for who, some in taken.items()
    }


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
            note=f"the limit is {count * _LOOP / 2:g} s on two free cores; "
            f"once more: {taken[who]['again']:.2f} s",
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
