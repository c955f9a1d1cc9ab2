"""What a sensor makes of its readings between two reports, in bounded memory.

accumulate   the readings: the last ones, or a fair sample of SampleSize
sum          numbers are added, objects of numbers key by key (CPU, profile); any other
             reading counts as what it stands for
count        how many
null         the last reading itself
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any, Protocol, TypeGuard

from pilothouse.fastscore.wire.values import JSON

__all__ = ["Aggregate", "new_aggregate"]

MAX_READINGS = 1000
MAX_TEXT_CHARS = 1024 * 1024
_CHANCE = Random()


class Aggregate(Protocol):
    """Collects readings until it is asked for its value."""

    @property
    def is_empty(self) -> bool:
        """Whether there was no reading since the last `pop`."""

    def add(self, reading: JSON, n: int) -> None:
        """Take a reading that stands for `n`."""

    def pop(self) -> JSON:
        """Return the value and start anew."""


def new_aggregate(kind: str | None, sample_size: int | None) -> Aggregate:
    """Return an empty aggregate of a kind that a sensor descriptor names."""
    if kind == "sum":
        return _Sum(only_count=False)
    if kind == "count":
        return _Sum(only_count=True)
    if kind is None:
        return _Last(1)
    return _Last(MAX_READINGS) if sample_size is None else _Sample(sample_size)


class _Sum:
    def __init__(self, *, only_count: bool) -> None:
        self._only_count = only_count
        self._total: float = 0
        self._totals: dict[str, Any] = {}
        self.is_empty = True

    def add(self, reading: JSON, n: int) -> None:
        if self._only_count:
            self._total += n
        elif isinstance(reading, dict) and all(map(_is_number, reading.values())):
            for key, value in reading.items():
                self._totals[key] = self._totals.get(key, 0) + value
        else:
            self._total += reading if _is_number(reading) else n
        self.is_empty = False

    def pop(self) -> JSON:
        total, totals = self._total, self._totals
        self._total, self._totals, self.is_empty = 0, {}, True
        return totals or total


class _Last:
    """The last readings; with a limit of one, the bare reading."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._readings: deque[Any] = deque(maxlen=limit)
        self._chars = 0

    @property
    def is_empty(self) -> bool:
        return not self._readings

    def add(self, reading: JSON, n: int) -> None:
        if len(self._readings) == self._limit:
            self._chars -= _length(self._readings.popleft())
        self._readings.append(reading)
        self._chars += _length(reading)
        while self._chars > MAX_TEXT_CHARS and len(self._readings) > 1:
            self._chars -= _length(self._readings.popleft())

    def pop(self) -> JSON:
        readings = list(self._readings)
        self._readings.clear()
        self._chars = 0
        return readings if self._limit > 1 else readings[0]


class _Sample:
    """A fair sample of all readings: each is as likely as any other to be in it."""

    def __init__(self, size: int) -> None:
        self._size = min(size, MAX_READINGS)
        self._readings: list[Any] = []
        self._seen = 0

    @property
    def is_empty(self) -> bool:
        return self._seen == 0

    def add(self, reading: JSON, n: int) -> None:
        self._seen += 1
        if len(self._readings) < self._size:
            self._readings.append(reading)
        elif (index := _CHANCE.randrange(self._seen)) < self._size:
            self._readings[index] = reading

    def pop(self) -> JSON:
        readings, self._readings, self._seen = self._readings, [], 0
        return readings


def _is_number(reading: JSON) -> TypeGuard[int | float]:
    return isinstance(reading, int | float) and not isinstance(reading, bool)


def _length(reading: JSON) -> int:
    return len(reading) if isinstance(reading, str | bytes) else 100
