"""Crontabs: the moments at which a repeated scope begins, second by second.

Source: mPlane protocol specification, "Repeated measurements"; contract §3.2.

    crontab = seconds SP minutes SP hours SP days SP weekdays SP months
    field   = "*" / N "-" N / N *( "," N )

A moment has to meet all six fields. Weekdays run from 0 to 6, Sunday is 0, and 7 as
well. The text form writes every field as a sorted list, ``"*"`` included, and for
hours that list runs to 59, as the published peer hashes it into tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

__all__ = ["Crontab"]

_FIELDS: Final = (
    ("seconds", 0, 59, 59),
    ("minutes", 0, 59, 59),
    ("hours", 0, 59, 59),
    ("days", 1, 31, 31),
    ("weekdays", 0, 7, 6),
    ("months", 1, 12, 12),
)
"""Name, least, greatest, and where ``"*"`` ends."""

_RANGE: Final = re.compile(r"(\d{1,2})-(\d{1,2})", re.ASCII)
_LIST: Final = re.compile(r"\d{1,2}(?:,\d{1,2})*", re.ASCII)
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CYCLE_YEARS: Final = 400
_SECOND: Final = timedelta(seconds=1)


class Crontab:
    """Six sets of numbers; a moment matches when it lies in all of them.

    Args:
        text: The six fields, with a blank between two.

    Raises:
        ValueError: If a field is missing, malformed or out of bounds.
    """

    __slots__ = ("_fields", "_hours", "_minutes", "_seconds", "_text", "_weekdays")

    def __init__(self, text: str) -> None:
        words = text.split(" ")
        if len(words) != len(_FIELDS):
            raise ValueError(
                f"a crontab has 6 fields (seconds minutes hours days weekdays months), "
                f"not {len(words)}: {text!r}"
            )
        pairs = zip(words, _FIELDS, strict=True)
        self._fields = tuple(_field(word, *bounds) for word, bounds in pairs)
        self._text = " ".join(",".join(map(str, field)) for field in self._fields)
        self._seconds, self._minutes, hours = self._fields[:3]
        self._hours = tuple(hour for hour in hours if hour < 24)
        self._weekdays = frozenset(day % 7 for day in self._fields[4])

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Crontab {self._text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crontab) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def next(self, moment: datetime) -> datetime | None:
        """Return the first match at or after a moment, None when there is none.

        The way there is by fields, not by seconds: a yearly crontab costs as much as
        one that matches each second.
        """
        if moment.microsecond:
            try:
                moment = moment.replace(microsecond=0) + _SECOND
            except OverflowError:
                return None
        today = moment.date()
        for day in self._days(today):
            least = (moment.hour, moment.minute, moment.second)
            time = self._time(least if day == today else (0, 0, 0))
            if time is not None:
                return datetime(day.year, day.month, day.day, *time)
        return None

    def _days(self, first: date) -> Iterator[date]:
        days, months = self._fields[3], self._fields[5]
        if not self._hours or days[0] > max(_LONGEST[m - 1] for m in months):
            return
        for year in range(first.year, min(first.year + _CYCLE_YEARS, 9999) + 1):
            for month in months:
                if (year, month) < (first.year, first.month):
                    continue
                for number in days:
                    try:
                        day = date(year, month, number)
                    except ValueError:  # the month is shorter
                        break
                    if day >= first and day.isoweekday() % 7 in self._weekdays:
                        yield day

    def _time(self, least: tuple[int, int, int]) -> tuple[int, int, int] | None:
        hour, minute, second = least
        if hour in self._hours:
            found = _at_least(self._seconds, second)
            if minute in self._minutes and found is not None:
                return hour, minute, found
            if (found := _at_least(self._minutes, minute + 1)) is not None:
                return hour, found, self._seconds[0]
        if (found := _at_least(self._hours, hour + 1)) is not None:
            return found, self._minutes[0], self._seconds[0]
        return None


def _at_least(numbers: tuple[int, ...], least: int) -> int | None:
    index = bisect_left(numbers, least)
    return numbers[index] if index < len(numbers) else None


def _field(
    word: str, name: str, least: int, greatest: int, star: int
) -> tuple[int, ...]:
    if word == "*":
        return tuple(range(least, star + 1))
    if match := _RANGE.fullmatch(word):
        first, last = int(match[1]), int(match[2])
        numbers = tuple(range(first, last + 1))
    elif _LIST.fullmatch(word):
        numbers = tuple(sorted({int(number) for number in word.split(",")}))
    else:
        raise ValueError(f"{word!r} is no field of a crontab: *, N-N or N,N")
    if not numbers or numbers[0] < least or numbers[-1] > greatest:
        raise ValueError(
            f"{name} of a crontab: {word!r} is not within {least}-{greatest}"
        )
    return numbers
