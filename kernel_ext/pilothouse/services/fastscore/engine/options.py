"""Bounds of an engine and its jets."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["EngineOptions"]

_GIB = 1024**3


def _memory_limit() -> int:
    """Return 8 GiB, or three quarters of this machine's memory if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(8 * _GIB, total * 3 // 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What may be chosen for engines.

    Attributes:
        record_timeout: Longest time for one record (or record set), in seconds; a jet
            that needs longer is killed.
        begin_timeout: Longest time for a model's start, up to the end of ``begin``.
        memory_bytes: Address space of one jet.
        queue_bytes: What a REST stream holds before it makes its peer wait.
        max_jets: Most jets of one engine.
        allow_exec: Whether a stream may run a program.
        python: Interpreter of the jets; ``None`` for the one running.
    """

    record_timeout: float = 60.0
    begin_timeout: float = 300.0
    memory_bytes: int = 0
    queue_bytes: int = 64 * 1024 * 1024
    max_jets: int = 64
    allow_exec: bool = False
    python: str | None = None

    @property
    def jet_memory_bytes(self) -> int:
        """Address space of one jet, the default resolved."""
        return self.memory_bytes or _memory_limit()
