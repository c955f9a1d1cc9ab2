"""How long ``up`` takes until the services are healthy."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.environments import DASK, available
from bench.figures import Figure, at_most, in_turn
from bench.running import PEERS, said_by
from interop.suite_process import SuiteProcess


def measure(*, quick: bool) -> Iterator[Figure]:
    """From starting the process to its line of JSON, against a dask LocalCluster."""

    def up() -> float:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            services = SuiteProcess(Path(folder))
            took = time.perf_counter() - began
            services.stop()
        return took

    contestants = {"pilothouse": up}
    note = ""
    if not quick:
        found, note = available(DASK)
        if "dask" in found:
            python = found["dask"].python
            script = PEERS / "start_dask.py"
            contestants["dask LocalCluster"] = lambda: float(said_by([python, script]))
    took = in_turn(contestants, rounds=3 if quick else 5)
    ours = took.pop("pilothouse")
    yield at_most(1.0, "up, to a healthy suite", ours, "s", peers=dict(took), note=note)
