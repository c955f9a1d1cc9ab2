"""Points in time and durations, as text and as values. No clock in here.

Source: mPlane protocol specification, "Temporal scopes"; contract §3.1.

    point     = "past" / "now" / "future" / timestamp
    timestamp = Y "-" M "-" D [ SP H ":" M [ ":" S [ "." 1*6DIGIT ] ] ] ; UTC
    duration  = [ N "d" ] [ N "h" ] [ N "m" ] [ N "s" ] / "inf"         ; not empty

The published peer reads a prefix and ignores the rest ("1.5s" is 0 s to it). Here the
rest is an error; a "T" between date and time, and a "Z" behind it, are understood.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = [
    "INFINITE",
    "Point",
    "TimePoint",
    "naive",
    "parse_dur",
    "parse_time",
    "time_future",
    "time_now",
    "time_past",
    "unparse_dur",
    "unparse_time",
]


class TimePoint:
    """A point that is no timestamp; there are three, compared by identity."""

    __slots__ = ("_word",)

    def __init__(self, word: str) -> None:
        self._word = word

    def __repr__(self) -> str:
        return f"mplane.model.time_{self._word}"

    def __str__(self) -> str:
        return self._word

    def __copy__(self) -> TimePoint:
        return self

    def __deepcopy__(self, memo: object) -> TimePoint:
        return self

    def __reduce__(self) -> str:
        return f"time_{self._word}"


time_past: Final = TimePoint("past")
time_now: Final = TimePoint("now")
time_future: Final = TimePoint("future")

_WORDS: Final = {str(p): p for p in (time_past, time_now, time_future)}

Point = datetime | TimePoint

INFINITE: Final = timedelta(days=100_000)
"""What "inf" stands for (contract §3.1)."""

_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[ ]+|T)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?Z?)?",
    re.ASCII,
)
_DURATION: Final = re.compile(
    r"(?:(\d{1,10})d)?(?:(\d{1,14})h)?(?:(\d{1,14})m)?(?:(\d{1,14})s)?[ ]*", re.ASCII
)
_PRECISIONS: Final = {"us": "microseconds", "s": "seconds", "m": "minutes"}
_WRITTEN: Final = len("2017-12-24 22:18:42.993000")


def parse_time(valstr: str) -> Point:
    """Return the point that a text names.

    Raises:
        ValueError: If it is neither a keyword nor a timestamp that exists.
    """
    if (point := _WORDS.get(valstr)) is not None:
        return point
    if len(valstr) == _WRITTEN and valstr[7] == "-" and valstr[19] == ".":
        try:  # most timestamps are written by a program
            made = datetime.fromisoformat(valstr)
        except ValueError:
            pass
        else:
            if made.tzinfo is None:
                return made
    if (match := _TIMESTAMP.fullmatch(valstr)) is None:
        raise ValueError(f"{valstr!r} is not a point in time (2017-12-24 22:18:42.5)")
    year, month, day, hour, minute, second, fraction = match.groups("0")
    micros = int(fraction.ljust(6, "0"))
    try:
        return datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), micros
        )
    except ValueError as exc:
        raise ValueError(f"{valstr!r} is not a point in time: {exc}") from None


def unparse_time(v: Point | None, precision: str = "us") -> str:
    """Return the text of a point; ``"*"`` for None.

    Args:
        v: A point; an aware datetime is taken to UTC.
        precision: Last unit written: ``"us"``, ``"s"``, ``"m"`` or ``"d"``.
    """
    if v is None:
        return "*"
    if isinstance(v, TimePoint):
        return str(v)
    v = naive(v)
    if precision == "d":
        return v.date().isoformat()
    return v.isoformat(" ", _PRECISIONS[precision])


def naive(v: datetime) -> datetime:
    """Return `v` as naive UTC."""
    return v if v.tzinfo is None else v.astimezone(UTC).replace(tzinfo=None)


def parse_dur(valstr: str) -> timedelta:
    """Return the duration that a text names.

    Raises:
        ValueError: If any of the text is no part of a duration, or it is too long.
    """
    if valstr == "inf":
        return INFINITE
    match = _DURATION.fullmatch(valstr)
    if match is None or not any(match.groups()):
        raise ValueError(f"{valstr!r} is not a duration (1d12h, 7m30s)")
    days, hours, minutes, seconds = (int(part) for part in match.groups("0"))
    try:
        return timedelta(days, seconds + 60 * minutes + 3600 * hours)
    except OverflowError:
        raise ValueError(f"{valstr!r} is too long a duration") from None


def unparse_dur(valtd: timedelta) -> str:
    """Return the text of a duration: largest units first, fractions cut.

    Raises:
        ValueError: If it is negative.
    """
    if valtd.days < 0:
        raise ValueError(f"a duration is not negative: {valtd}")
    minutes, seconds = divmod(valtd.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((valtd.days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"
