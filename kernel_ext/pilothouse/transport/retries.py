"""How often, and after how long, something is tried again; bounded, with jitter."""

from __future__ import annotations

from dataclasses import dataclass
from random import SystemRandom
from typing import Final

__all__ = ["NO_RETRIES", "Retries"]

_CHANCE: Final = SystemRandom()
"""Of our own: a user who has seeded `random` draws what was to be drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """A bound on tries and on time.

    A pause is drawn evenly from zero to a ceiling that doubles with each try, so that
    many clients of one peer do not come back in step.

    Attributes:
        attempts: Most tries in all, at least 1.
        base: Ceiling of the first pause, in seconds.
        ceiling: Longest pause, in seconds.
        total: No try begins later than this after the first one, in seconds.
    """

    attempts: int = 4
    base: float = 0.1
    ceiling: float = 5.0
    total: float = 20.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {self.attempts}")
        if min(self.base, self.ceiling, self.total) < 0:
            raise ValueError("base, ceiling and total must not be negative")

    def pause(self, tried: int, asked: float | None = None) -> float:
        """Return how long to wait before the next try, in seconds.

        Args:
            tried: Tries so far, at least 1.
            asked: What the peer asked for (``Retry-After``); kept within ``ceiling``.
        """
        if asked is not None:
            return min(max(asked, 0.0), self.ceiling)
        limit = min(self.ceiling, self.base * 2.0 ** min(tried - 1, 60))
        return _CHANCE.uniform(0.0, limit)

    def allows(self, tried: int, elapsed: float, pause: float) -> bool:
        """Tell whether one more try may follow after a pause."""
        return tried < self.attempts and elapsed + pause <= self.total


NO_RETRIES = Retries(attempts=1)
