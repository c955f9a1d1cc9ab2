"""What an engine runs at the moment: its model and its streams.

Source: developer interface, ``Engine.active_model``, ``Engine.active_streams``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .collections import IdMapping, InfoDict
from .schema import in_words
from .tables import Code, facts
from .wire.messages import ActiveModel, ActiveStream, VerifyInfo

if TYPE_CHECKING:
    from .engine import Engine
    from .engine_streams import EngineStreams

__all__ = ["ActiveModelInfo", "ActiveStreamInfo", "ActiveStreams", "verify_info"]


class ActiveModelInfo(InfoDict):
    """The model that an engine has loaded, as it was when asked for.

    Its keys are attributes too: ``name``, ``mtype``, ``source``, ``slots`` (each with
    ``slot``, ``schema``, ``recordsets``, ``action``), ``attachments``, ``snapshots``
    and ``jets`` (each with ``pid``, ``sandbox``).
    """

    def __init__(self, info: ActiveModel, engine: Engine) -> None:
        super().__init__(info.to_wire())
        self["slots"] = [InfoDict(slot.to_wire()) for slot in info.slots]
        self["jets"] = [InfoDict(jet.to_wire()) for jet in info.jets]
        object.__setattr__(self, "_engine", engine)

    def __repr__(self) -> str:
        return f"<model {self['name']}, {self['mtype']}, {len(self['jets'])} jets>"

    def unload(self) -> None:
        """Unload it.

        Raises:
            FastScoreError: If that is not allowed now.
        """
        engine: Engine = self.__dict__["_engine"]
        engine.unload_model()

    def _repr_html_(self) -> str:
        slots = "\n".join(
            f"{s.slot}: {in_words(s.schema)}"
            + (", record sets" if s.recordsets else "")
            for s in self["slots"]
        )
        pairs: list[tuple[str, Any]] = [
            ("type", self["mtype"]),
            ("slots", slots),
            ("attachments", ", ".join(self["attachments"])),
            ("snapshots", self["snapshots"]),
            ("jets", ", ".join(f"process {jet.pid}" for jet in self["jets"])),
            ("source", Code(self["source"])),
        ]
        return facts(f"Model {self['name']}", pairs)


class ActiveStreamInfo(InfoDict):
    """A stream at a slot: ``slot``, ``name``, ``descriptor`` and ``eof``."""

    def __init__(self, info: ActiveStream, engine: EngineStreams) -> None:
        super().__init__(info.to_wire())
        object.__setattr__(self, "_engine", engine)

    def __repr__(self) -> str:
        return f"<stream {self['name']} at slot {self['slot']}>"

    def detach(self) -> None:
        """Detach it.

        Raises:
            FastScoreError: If that is not allowed now.
        """
        engine: EngineStreams = self.__dict__["_engine"]
        engine.detach_stream(self["slot"])


class ActiveStreams(IdMapping[int, ActiveStreamInfo]):
    """The streams of an engine by slot, as they were when asked for."""

    kind = "active streams"

    def _table(self) -> tuple[list[str], list[list[object]]]:
        from .stream import Stream

        rows = [
            [slot, info["name"], Stream("", info["descriptor"]).summary(), info["eof"]]
            for slot, info in self.items()
        ]
        return ["slot", "name", "stream", "at its end"], rows


def verify_info(info: VerifyInfo) -> InfoDict:
    """Return what a dry run found out, as a dict with attributes."""
    found = InfoDict(info.to_wire())
    found["slots"] = [InfoDict(slot.to_wire()) for slot in info.slots]
    return found
