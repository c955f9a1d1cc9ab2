"""How long ``%load_ext`` takes, and what it imports and opens."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.environments import IPYPARALLEL, SPARKMAGIC, available
from bench.figures import Figure, at_most, in_turn
from bench.running import PEERS, said_by


def measure(*, quick: bool) -> Iterator[Figure]:
    """The extension, against two others, each in a fresh IPython."""
    told: dict[str, int] = {}

    def loading(python: Path, extension: str) -> Callable[[], float]:
        def measure_once() -> float:
            said = said_by([python, PEERS / "load_extension.py", extension])
            counted = json.loads(said.splitlines()[-1])
            if extension == "pilothouse":
                told.update(counted)
            return counted["milliseconds"]

        return measure_once

    contestants = {"pilothouse": loading(Path(sys.executable), "pilothouse")}
    note = ""
    if not quick:
        found, note = available(SPARKMAGIC, IPYPARALLEL)
        extensions = {"sparkmagic": "sparkmagic.magics", "ipyparallel": "ipyparallel"}
        for name, environment in found.items():
            contestants[name] = loading(environment.python, extensions[name])
    took = in_turn(contestants, rounds=3 if quick else 7)
    ours = took.pop("pilothouse")
    yield at_most(30, "%load_ext pilothouse", ours, "ms", peers=dict(took), note=note)
    yield at_most(40, "  new modules", told["modules"], "modules")
    opened = told["files"] + told["sockets"] + told["widgets"]
    yield at_most(0, "  files, sockets, widgets opened", opened, "in all")
