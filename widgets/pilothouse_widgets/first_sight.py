"""When to repeat everything, until a browser has said that it sees the view.

A message that comes before the browser has loaded a view's module is lost, and while a
cell runs the browser's question for it waits. So the whole is repeated four times,
after half a second, one, two and four, until the first answer.
"""

from __future__ import annotations

import time
from typing import Final

__all__ = ["FirstSight"]

_FIRST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 4.0


class FirstSight:
    """Whether a browser has answered, and when to repeat until then."""

    def __init__(self) -> None:
        self.seen = False
        self._wait = _FIRST_SECONDS
        self._at = time.monotonic() + self._wait

    def is_due(self) -> bool:
        """Return whether to repeat now; the next time is then twice as far away."""
        over = self.seen or self._wait > _LONGEST_SECONDS
        if over or time.monotonic() < self._at:
            return False
        self._wait *= 2
        self._at = time.monotonic() + self._wait
        return True
