"""The threads and timers that jobs run on. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from .timers import Timers
from .workers import Workers

__all__ = ["Runtime", "shared_runtime"]


@dataclass(frozen=True)
class Runtime:
    """What jobs run on.

    Attributes:
        workers: Threads for the services.
        timers: Beginnings and ends of temporal scopes.
    """

    workers: Workers = field(default_factory=Workers)
    timers: Timers = field(default_factory=Timers)


@cache
def shared_runtime() -> Runtime:
    """Return the one of this process."""
    return Runtime()
