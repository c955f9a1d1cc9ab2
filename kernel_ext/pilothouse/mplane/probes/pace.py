"""When to measure: the ticks of a temporal scope.

    now                      once
    now + 10s / 1s           ten times, a second apart, the first at once
    now ... future / 5s      until it is interrupted
    2026-01-01 ... / 1s      as many as are left when the scope has begun already

A scope that lasts without saying how often is measured at the probe's own period. A
measurement that takes longer than the period misses the ticks that went by.

It reads the clock and imports the model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import timedelta

from pilothouse.mplane.model import When

from .errors import MeasurementError
from .stopping import Stopping

__all__ = ["MAX_TICKS", "Pace"]

MAX_TICKS = 100_000
"""Most ticks of one measurement; a day of one a second is 86,400."""

_HAIR = 1e-6


class Pace:
    """The ticks of one scope, counted from now.

    Args:
        when: The scope of a specification that is due.
        period: Seconds between ticks where the scope does not say.

    Attributes:
        period: Seconds between ticks.
        count: How many ticks; ``None`` until interrupted.

    Raises:
        MeasurementError: If the scope asks for more ticks than one measurement has.
    """

    def __init__(self, when: When, period: float = 1.0) -> None:
        asked: timedelta | None = when.period()
        self.period = period if asked is None else asked.total_seconds()
        if self.period <= 0:
            raise MeasurementError(
                f"the period of {when} is no time", hint="one second is the shortest"
            )
        self.count = self._count(when)
        if self.count is not None and self.count > MAX_TICKS:
            raise MeasurementError(
                f"{when} is {self.count:,} measurements; {MAX_TICKS:,} are the most",
                hint="a longer period, or a repeated scope",
            )

    def _count(self, when: When) -> int | None:
        if when.is_forever():
            return None
        _, seconds = when.timer_delays()
        if seconds is None:
            return 1
        return max(1, math.ceil(seconds / self.period - _HAIR))

    def patience(self, longest: float) -> float:
        """Return how long one measurement may take: not into the next tick.

        Args:
            longest: How long the only one may take, in seconds.
        """
        return longest if self.count == 1 else min(longest, max(1.0, self.period))

    def ticks(self, stopping: Stopping) -> Iterator[int]:
        """Yield the number of each tick, from 0 up, when it is due.

        Raises:
            Interrupted: If the measurement was asked to stop.
        """
        begin = time.monotonic()
        most = MAX_TICKS if self.count is None else self.count
        tick = 0
        while tick < most:
            stopping.pause(max(0.0, begin + tick * self.period - time.monotonic()))
            yield tick
            gone = (time.monotonic() - begin) / self.period
            tick = max(tick + 1, math.ceil(gone - _HAIR))
