"""How long completion of a magic's arguments takes, all of IPython's own work in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from bench.figures import Figure, at_most
from bench.pipelines import MODEL, suite
from bench.running import PEERS, said_by
from pilothouse.fastscore import Model
from pilothouse.fastscore.suite import Connect


def measure(*, quick: bool) -> Iterator[Figure]:
    """The slowest of several lines at the 95th percentile, in a shell and a kernel."""
    with suite() as services:
        connect = Connect(services.url, oauth_secret=services.token)
        Model("bench", "python3", MODEL).update(connect.lookup("model-manage"))
        command = [sys.executable, PEERS / "complete.py", services.url, services.token]
        said = said_by(command)
    took: dict[str, tuple[float, int]] = json.loads(said.splitlines()[-1])
    for where in ("shell", "kernel"):
        prefix = "kernel: " if where == "kernel" else ""
        mine = {
            k: v for k, v in took.items() if k.startswith("kernel: ") == bool(prefix)
        }
        line, (slowest, _) = max(mine.items(), key=lambda item: item[1][0])
        note = ", ".join(f"{text!r} {ms:.2g} ms" for text, (ms, _) in mine.items())
        what = f"completion of an argument in a {where}, slowest: {line!r}"
        yield at_most(5, what, slowest, "ms", note=note)
