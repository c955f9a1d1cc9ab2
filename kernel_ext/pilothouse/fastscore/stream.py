"""Streams: where an engine reads records from, and writes them to.

Source: developer interface, "Streams".
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from .collections import InfoDict
from .errors import FastScoreUsageError
from .wire.literals import expand, is_literal

if TYPE_CHECKING:
    from .engine import Engine
    from .model_manage import ModelManage

__all__ = ["Stream"]


class Stream:
    """A stream descriptor with a name.

    Args:
        name: For instance ``"stream-1"``.
        desc: The descriptor, or a literal such as ``"rest:"``.
        model_manage: Where `update` saves it.
    """

    def __init__(
        self,
        name: str,
        desc: dict[str, Any] | str | None = None,
        model_manage: ModelManage | None = None,
    ) -> None:
        self.name = name
        if isinstance(desc, str) and is_literal(desc):
            desc = _expanded(desc)
        self.desc: Any = desc
        self._mm = model_manage

    def __repr__(self) -> str:
        return f"<Stream {self.name} {self.summary()}>"

    def _repr_html_(self) -> str:
        from .tables import facts, json_facts

        return facts(f"Stream {self.name}", json_facts(_masked(self.desc)))

    def summary(self) -> str:
        """Return transport and encoding in a few words."""
        desc = self.desc if isinstance(self.desc, dict) else {}
        folded = {str(key).lower(): value for key, value in desc.items()}
        transport = folded.get("transport")
        if isinstance(transport, dict):
            inner = {str(key).lower(): value for key, value in transport.items()}
            mode = inner.get("mode")
            transport = f"{inner.get('type')} {mode}" if mode else inner.get("type")
        encoding = folded.get("encoding")
        if isinstance(encoding, dict):
            encoding = encoding.get("Type", encoding.get("type"))
        return f"{transport}, {encoding}"

    @staticmethod
    def expand(literal: str) -> Stream:
        """Return the stream that a literal stands for, such as ``"inline:1,2,3"``.

        Raises:
            FastScoreUsageError: If it is none; the message has an example.
        """
        return Stream(f"inline-{secrets.randbelow(10**9)}", _expanded(literal))

    def update(self, model_manage: ModelManage | None = None) -> bool:
        """Save it; True if one of that name was replaced, False if it is new.

        Raises:
            FastScoreError: If there is nowhere to save it, or it is refused.
        """
        self._mm = model_manage or self._mm
        if self._mm is None:
            raise FastScoreUsageError(f"no Model Manage given to save {self.name!r} in")
        return self._mm.save_stream(self)

    def attach(
        self, engine: Engine, slot: int, dry_run: bool = False
    ) -> dict[str, Any] | None:
        """Attach it to a slot of an engine.

        Args:
            engine: Whose slot.
            slot: Even for an input, odd for an output.
            dry_run: Only check it, and return its internal form.

        Raises:
            FastScoreError: If that is refused.
        """
        return engine.attach_stream(self, slot, dry_run)

    def sample(self, engine: Engine, n: int | None = None) -> list[str]:
        """Return some of its records, base64-encoded.

        Args:
            engine: Who reads it, beside any pipeline.
            n: At most so many; None: the engine's own choice, 10.

        Raises:
            FastScoreError: If it cannot be read that way.
        """
        return engine.sample_stream(self, n)

    def rate(self, engine: Engine) -> InfoDict:
        """Measure how fast it delivers, beside any pipeline.

        Returns:
            ``rps`` records and ``mbps`` megabytes (1,048,576 bytes) a second.

        Raises:
            FastScoreError: If it cannot be read that way, or is too short.
        """
        return engine.rate_stream(self)


def _expanded(literal: str) -> dict[str, Any]:
    try:
        return expand(literal)
    except ValueError as exc:
        raise FastScoreUsageError(str(exc)) from exc


def _masked(desc: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a descriptor with its secrets as asterisks."""
    from .wire.streams import masked

    return masked(desc) if isinstance(desc, dict) else desc
