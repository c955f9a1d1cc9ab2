"""What a temporal scope means, in words; and which scopes to offer for a capability."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from . import words

if TYPE_CHECKING:
    from pilothouse.mplane.model import When

__all__ = ["first_scope", "offered_scopes", "read_scope", "shorthand", "told"]

_OFFERED: Final = (
    "now",
    "now + 10s / 1s",
    "now + 1m / 1s",
    "now + 1m / 5s",
    "now + 10s",
    "repeat now + 30s / 5s",
    "repeat now + 1m / 10s { now + 5s / 1s }",
    "now ... future / 1s",
    "past ... now",
)


def read_scope(text: str, offered: When) -> When:
    """Return the scope that a text describes, if it follows a capability's.

    Raises:
        ValueError: If it is no scope or does not follow; the message says why.
    """
    from pilothouse.mplane.model import When

    scope = When(text.strip())
    start, end = scope.timer_delays()
    if start is None and end is None and not scope.is_past():
        raise ValueError("is over already")
    if not scope.follows(offered):
        period = offered.period()
        own = scope.period() if not scope.is_repeated() else None
        if period is not None and (own is None or own < period):
            raise ValueError(
                f"needs a period of {shorthand(period)} or more, as in "
                f"{text.strip()} / {shorthand(period)}"
            )
        raise ValueError(f"does not lie in {offered}")
    return scope


def offered_scopes(offered: When) -> tuple[str, ...]:
    """Return common scopes that follow a capability's, the most likely first."""
    found = []
    for text in (*_first(offered), *_OFFERED):
        try:
            read_scope(text, offered)
        except ValueError:
            continue
        found.append(text)
    return tuple(dict.fromkeys(found))


def first_scope(offered: When) -> str:
    """Return the scope to begin with."""
    return next(iter(offered_scopes(offered)), str(offered).strip())


def _first(offered: When) -> tuple[str, ...]:
    period = offered.period()
    if period is None:
        return ()
    return (f"now + {shorthand(10 * period)} / {shorthand(period)}",)


def shorthand(length: dt.timedelta) -> str:
    """Return a duration as scopes spell it: ``1m30s``."""
    from pilothouse.mplane.model import unparse_dur

    return unparse_dur(length)


def told(scope: When) -> str:
    """Return what a scope asks for, in words."""
    if scope.is_repeated():
        return _repeated(scope)
    return f"{_start(scope)}{_length(scope)}{_rows(scope)}"


def _start(scope: When) -> str:
    if scope.is_immediate():
        return "at once"
    start, _ = scope.datetimes()
    return "from the past on" if start is None else f"at {start:%Y-%m-%d %H:%M:%S} UTC"


def _length(scope: When) -> str:
    if scope.is_singleton():
        return ", once"
    length = scope.duration()
    if length is None:
        return ", until it is stopped" if scope.is_forever() else ""
    return f", for {shorthand(length)}"


def _rows(scope: When) -> str:
    period, length = scope.period(), scope.duration()
    if period is None:
        return ""
    every = f", every {shorthand(period)}"
    if length is None or not period:
        return every
    return f"{every}: about {words.plural(length // period, 'row')}"


def _repeated(scope: When) -> str:
    inner = scope.inner()
    each = ""
    if inner is not None and not inner.is_singleton():
        each = f"; each{_length(inner)}{_rows(inner)}".replace("each,", "each", 1)
    period, length = scope.period(), scope.duration()
    if period is None:
        return f"{_start(scope)}, whenever the crontab says{each}"
    text = f"{_start(scope)}, every {shorthand(period)}"
    if length is None:
        text += " until it is stopped"
    else:
        text += f" for {shorthand(length)}"
        text += f": {words.plural(length // period + 1, 'run')}"
    return text + each
