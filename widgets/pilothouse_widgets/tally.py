"""From sensor reports to rates and totals, for each slot of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["RECORDS", "REJECTED_BY_ENCODING", "REJECTED_BY_SCHEMA", "Tally", "tap_of"]

RECORDS: Final = "records.count"
REJECTED_BY_SCHEMA: Final = "records.rejected.by.schema"
REJECTED_BY_ENCODING: Final = "records.rejected.by.encoding"
_SILENT_AFTER: Final = 2.5


def tap_of(slot: int, what: str) -> str:
    """Return the tapping point of a slot."""
    return f"manifold.{slot}.{what}"


@dataclass(slots=True)
class _Count:
    total: int = 0
    rate: float = 0.0
    at: float = 0.0


class Tally:
    """Counts and rates by tapping point.

    A sensor that counts events is silent when there are none. So a
    rate is 0 once no report came for two and a half intervals, and the time told by the
    first report after a silence is taken as one interval.

    Attributes:
        interval: Seconds between two reports of a sensor.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._counts: dict[str, _Count] = {}

    def add(self, tap: str, data: object, delta_time: float | None, now: float) -> None:
        """Take one report: a sum, and the seconds it is over."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            return
        count = self._counts.setdefault(tap, _Count())
        longest = self.interval * 1.5
        span = min(delta_time or self.interval, longest) or self.interval
        count.total += int(data)
        count.rate = data / span
        count.at = now

    def total(self, tap: str) -> int:
        """Return the sum of all reports."""
        return self._counts[tap].total if tap in self._counts else 0

    def rate(self, tap: str, now: float) -> float:
        """Return events a second by the newest report."""
        count = self._counts.get(tap)
        if count is None or now - count.at > self.interval * _SILENT_AFTER:
            return 0.0
        return count.rate
