"""The magics: thin faces of the client library and of the local services.

What lives here: one module for each magic or family of magics (`pilot`, `fastscore`,
`assets`, `engine`) and, with a leading underscore, the parts that all share: the line's
words (`_line`), arguments (`_arguments`, `_readers`, `_help`), completion (`_names`,
`_completion`, `_fixed_names`), errors (`_errors`, `_model_errors`, `_cells`), the
session (`_session`), restarts (`_restarts`), waiting (`_waiting`, `_following`), jobs
(`_jobs`), plans (`_flow*`), what shows (`_show`) and the common base (`_base`). It may
import everything of the house; nobody imports it but the package's root and a
user's ``%load_ext``.

This module is all that loading the extension reads of the magics themselves: a table
of names. The code behind a name is imported when the name is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MAGICS", "Declared"]


@dataclass(frozen=True, slots=True)
class Declared:
    """Where a magic is, without importing it.

    Attributes:
        spec: ``"module:Class"``.
        kind: ``"line"``, or ``"line_cell"`` for one that also takes a cell.
        help: One line for people.
    """

    spec: str
    kind: str
    help: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """The tables of IPython that the magic stands in."""
        return ("line", "cell") if self.kind == "line_cell" else ("line",)


_ASSETS = "pilothouse.magics.assets:AssetMagics"

MAGICS: Mapping[str, Declared] = {
    "pilot": Declared(
        "pilothouse.magics.pilot:PilotMagics",
        "line_cell",
        "the local services, profiles, and what is wrong",
    ),
    "fastscore": Declared(
        "pilothouse.magics.fastscore:FastScoreMagics",
        "line",
        "a FastScore suite: connect, look around, follow its messages",
    ),
    "engine": Declared(
        "pilothouse.magics.engine:EngineMagics",
        "line",
        "one engine: load, attach, score, scale, watch",
    ),
    "model": Declared(_ASSETS, "line_cell", "a cell that is a model"),
    "schema": Declared(_ASSETS, "line_cell", "a cell that is an Avro schema"),
    "stream": Declared(_ASSETS, "line_cell", "a cell that is a stream descriptor"),
    "sensor": Declared(_ASSETS, "line_cell", "a cell that is a sensor descriptor"),
    "aimm": Declared(
        "pilothouse.magics.aimm:AimmMagics",
        "line_cell",
        "model instances on an AIMM server: create, fit, predict, watch",
    ),
    "fastmap": Declared(
        "pilothouse.magics.fastmap:FastmapMagics",
        "line_cell",
        "a function over items, on workers here and elsewhere",
    ),
    "mplane": Declared(
        "pilothouse.magics.mplane:MplaneMagics",
        "line",
        "measurements of mPlane components: discover, run, watch, interrupt",
    ),
}
"""Every magic by name."""
