"""Numbers, sizes, times and durations in words, the same in text, HTML and the browser.

`static/format.js` does the same for the live views; a test compares the two.
"""

from __future__ import annotations

import datetime as dt
import math

__all__ = [
    "clock",
    "count",
    "duration",
    "number",
    "plural",
    "rate",
    "scale",
    "size",
    "units",
]

_NONE = "\N{EN DASH}"
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float) -> str:
    """Return a number in at most four significant digits: ``12.3k``, ``0.25``."""
    if not math.isfinite(value):
        return _NONE if math.isnan(value) else ("∞" if value > 0 else "-∞")
    for step, sign in _STEPS:
        if abs(value) >= step:
            return _digits(value / step) + sign
    if value and abs(value) < 1e-3:
        return f"{value:.2e}"
    return _digits(value)


def _digits(value: float) -> str:
    magnitude = abs(value)
    places = (
        0 if magnitude >= 100 or value == int(value) else 1 if magnitude >= 10 else 2
    )
    text = f"{value:.{places + (1 if magnitude < 1 and places else 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def scale(value: float) -> tuple[float, str]:
    """Return the step and its sign that a number of this size is told in."""
    return next(
        ((step, sign) for step, sign in _STEPS if abs(value) >= step), (1.0, "")
    )


def count(value: float) -> str:
    """Return a whole number with separators: ``200,000``."""
    return f"{value:,.0f}"


def plural(value: int, noun: str) -> str:
    """Return a count and its noun: ``1 jet``, ``2 jets``."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def units(value: float, unit: str) -> str:
    """Return a count and its unit, which is given in the plural: ``1 row``."""
    noun = unit.removesuffix("s") if value == 1 else unit
    return f"{count(value)} {noun}".rstrip()


def rate(value: float, unit: str = "records") -> str:
    """Return a rate with its unit: ``12.3k records/s``."""
    return f"{number(value)} {unit}/s"


def size(value_bytes: float) -> str:
    """Return a size in bytes with binary steps: ``142 MiB``."""
    value = float(value_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{_digits(value)} {unit}"
        value /= 1024
    return f"{_digits(value)} TiB"


def duration(seconds: float) -> str:
    """Return a duration in its largest units: ``450 ms``, ``12 s``, ``3 min 5 s``."""
    if not math.isfinite(seconds):
        return _NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def clock(seconds: float) -> str:
    """Return a time since the epoch as the local time of day, ``12:03:11``."""
    return dt.datetime.fromtimestamp(seconds).strftime("%H:%M:%S")
