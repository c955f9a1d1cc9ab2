"""Temporal scopes: when a measurement is possible, is asked for, was made.

Source: mPlane protocol specification, "Temporal scopes"; contract §3.

    when     = simple / repeated
    simple   = point [ " + " duration / " ... " point ] [ " / " duration ]
    repeated = "repeat " ( with-period / without-period " cron " crontab ) [ inner ]
    with-period, without-period = simple
    inner    = " { " "now" [ " + " duration ] [ " / " duration ] " }" [ " " ]

The text form is the same grammar with timestamps to the microsecond; behind an inner
scope it ends in a blank, which is hashed into tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import inf
from typing import Final

from . import clock
from .crontab import Crontab
from .primitives import remember
from .times import (
    Point,
    TimePoint,
    naive,
    parse_dur,
    parse_time,
    time_future,
    time_now,
    time_past,
    unparse_dur,
    unparse_time,
)

__all__ = ["When", "when_infinite"]

_ZERO: Final = timedelta(0)
_REPEAT: Final = "repeat "
_CRON: Final = " cron "
_MOST_KNOWN: Final = 256  # each answer of a running measurement has a scope of its own

_known: dict[str, When] = {}


class When:
    """A temporal scope. It does not change; equal ones are equal.

    Args:
        valstr: The scope as text; the other arguments are then not looked at.
        a: Start: a datetime (naive is UTC) or one of the three time points.
        b: End, if there is one; not together with a duration.
        duration: Length, instead of an end.
        period: Time from one measurement to the next.
        repeated: Whether the scope repeats an inner one, at each period or by crontab.
        inner_duration: Length of the inner scope.
        inner_period: Period inside the inner scope.
        crontab: When a repeated scope begins anew, instead of a period.

    Raises:
        ValueError: If the text is no scope, or the parts do not go together.
    """

    __slots__ = (
        "_a",
        "_b",
        "_crontab",
        "_duration",
        "_inner_duration",
        "_inner_period",
        "_period",
        "_repeated",
        "_text",
    )

    _a: Point
    _b: Point | None
    _crontab: Crontab | None
    _duration: timedelta | None
    _inner_duration: timedelta | None
    _inner_period: timedelta | None
    _period: timedelta | None
    _repeated: bool
    _text: str

    def __init__(
        self,
        valstr: str | None = None,
        a: Point | None = None,
        b: Point | None = None,
        duration: timedelta | None = None,
        period: timedelta | None = None,
        repeated: bool = False,
        inner_duration: timedelta | None = None,
        inner_period: timedelta | None = None,
        crontab: Crontab | str | None = None,
    ) -> None:
        if valstr is not None:
            self._take(When.parse(valstr))
            return
        if a is None:
            raise ValueError("a temporal scope has a start: text, or a=...")
        self._a = naive(a) if isinstance(a, datetime) else a
        self._b = naive(b) if isinstance(b, datetime) else b
        self._duration = duration
        self._period = period
        self._repeated = bool(repeated)
        self._inner_duration = inner_duration
        self._inner_period = inner_period
        self._crontab = Crontab(crontab) if isinstance(crontab, str) else crontab
        self._check()
        self._text = self._format()

    @classmethod
    def parse(cls, text: str) -> When:
        """Return the scope that a text describes; the same text gives the same object.

        Raises:
            ValueError: If the text is no temporal scope.
        """
        if (known := _known.get(text)) is None:
            try:
                known = _parse(text)
            except ValueError as exc:
                raise ValueError(f"{text!r} is no temporal scope: {exc}") from None
            remember(_known, text, known, _MOST_KNOWN)
        return known

    def _take(self, other: When) -> None:
        for slot in When.__slots__:
            setattr(self, slot, getattr(other, slot))

    def _check(self) -> None:
        if self._b is not None and self._duration is not None:
            raise ValueError("it has an end or a duration, not both")
        lengths = (self._duration, self._period)
        inner = (self._inner_duration, self._inner_period)
        if any(length is not None and length < _ZERO for length in (*lengths, *inner)):
            raise ValueError("a duration is not negative")
        if not self._repeated:
            if self._crontab is not None or inner != (None, None):
                raise ValueError(
                    "only a repeated scope has a crontab or an inner scope"
                )
        elif (self._period is None) == (self._crontab is None):
            raise ValueError("a repeated scope has a period or a crontab, and not both")
        elif self._period == _ZERO:
            raise ValueError("the period of a repeated scope is longer than 0s")

    def _format(self) -> str:
        text = _REPEAT if self._repeated else ""
        text += _format_simple(self._a, self._b, self._duration, self._period)
        if self._crontab is not None:
            text += f"{_CRON}{self._crontab}"
        if self._inner_duration is not None:
            inner = _format_simple(
                time_now, None, self._inner_duration, self._inner_period
            )
            text += f" {{ {inner} }} "
        return text

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<When: {self._text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, When) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    @property
    def start(self) -> Point:
        """Where the scope starts, as it was written."""
        return self._a

    @property
    def end(self) -> Point | None:
        """Where the scope ends, as it was written; None if it has no end point."""
        return self._b

    @property
    def crontab(self) -> Crontab | None:
        """When a repeated scope begins anew, if it has no period for that."""
        return self._crontab

    def inner(self) -> When | None:
        """Return the inner scope of a repeated one, ``now`` when it gives none."""
        if not self._repeated:
            return None
        return When(
            a=time_now, duration=self._inner_duration, period=self._inner_period
        )

    def is_immediate(self) -> bool:
        """Whether the scope starts now."""
        return self._a is time_now

    def is_forever(self) -> bool:
        """Whether the scope ends in the indeterminate future."""
        return self._b is time_future

    def is_past(self) -> bool:
        """Whether the scope is the indefinite past, up to now."""
        return self._a is time_past and self._b is time_now

    def is_future(self) -> bool:
        """Whether the scope is the indefinite future, from now on."""
        return self._a is time_now and self._b is time_future

    def is_infinite(self) -> bool:
        """Whether the scope is all the time there is."""
        return self._a is time_past and self._b is time_future

    def is_definite(self) -> bool:
        """Whether the scope is a definite time, or a definite interval."""
        return isinstance(self._a, datetime) and not isinstance(self._b, TimePoint)

    def is_singleton(self) -> bool:
        """Whether the scope is one point, with neither end nor duration."""
        return self._b is None and self._duration is None

    def is_repeated(self) -> bool:
        """Whether the scope repeats an inner one."""
        return self._repeated

    def period(self) -> timedelta | None:
        """Return the period; the outer one of a repeated scope."""
        return self._period

    def datetimes(
        self, tzero: datetime | None = None
    ) -> tuple[datetime | None, datetime | None]:
        """Return start and end; None for a start in the past or an end in the future.

        Args:
            tzero: What "now" is; the current time by default.
        """
        tzero = _zero(tzero)
        start = _at(self._a, tzero)
        if self._b is not None:
            end = _at(self._b, tzero)
            return start, datetime.min if self._b is time_past else end
        if self._a is time_past:
            return None, datetime.min
        if self._a is time_future:
            return datetime.max, None
        return start, _later(start, self._duration or _ZERO)

    def duration(self, tzero: datetime | None = None) -> timedelta | None:
        """Return the length; zero for a single point, None if it is indefinite."""
        if self._duration is not None:
            return self._duration
        if self._b is None:
            return _ZERO
        start, end = self.datetimes(tzero)
        if start is None or end is None or self._b is time_past:
            return None
        return end - start

    def sort_scope(self, t: Point, tzero: datetime | None = None) -> float:
        """Return how many seconds a time lies before (< 0) or behind (> 0) it.

        0 is inside; both ends are.
        """
        if t is time_now and time_now in (self._a, self._b):
            return 0
        start, end = self.datetimes(tzero)
        if t is time_past:
            return 0 if start is None else -inf
        if t is time_future:
            return 0 if end is None else inf
        moment = naive(t) if isinstance(t, datetime) else _zero(tzero)
        if start is not None and moment < start:
            return (moment - start).total_seconds()
        if end is not None and moment > end:
            return (moment - end).total_seconds()
        return 0

    def in_scope(self, t: Point, tzero: datetime | None = None) -> bool:
        """Whether a time falls within this scope."""
        return self.sort_scope(t, tzero) == 0

    def follows(self, s: When, tzero: datetime | None = None) -> bool:
        """Whether this scope can be asked of a capability with scope `s`.

        It has a period of at least that of `s`, if `s` has one (of a repeated scope,
        the inner period counts), and its start, or a timestamp at its end, lies in `s`.
        """
        tzero = _zero(tzero)
        if s._period is not None:
            own = self._inner_period if self._repeated else self._period
            if own is None or own < s._period:
                return False
        if s.in_scope(self._a, tzero):
            return True
        return isinstance(self._b, datetime) and s.in_scope(self._b, tzero)

    def timer_delays(
        self, tzero: datetime | None = None
    ) -> tuple[float | None, float | None]:
        """Return the delays until start and end, in seconds.

        The start is 0 when it has passed, and None when the scope has expired. The end
        is None when the scope has expired, or has no end. A scope given by its duration
        keeps that in full when it starts late.
        """
        tzero = _zero(tzero)
        if self._a is time_future or self._b is time_past:
            return None, None
        start, end = self.datetimes(tzero)
        delay = 0.0 if start is None else max(0.0, (start - tzero).total_seconds())
        if self._duration is not None:
            if end is not None and end < tzero:
                return None, None
            return delay, delay + self._duration.total_seconds()
        if self._b is None or end is None:
            return delay, None
        if end < tzero:
            return None, None
        return delay, (end - tzero).total_seconds()

    def iterator(self, tzero: datetime | None = None) -> Iterator[When]:
        """Return an iterator over the scopes that a repeated scope stands for.

        Each is an inner scope with an absolute start: the first at `tzero`, or at the
        start of the scope if that is later, then one after each period, or at each
        match of the crontab, up to the end and including it.

        Raises:
            ValueError: If the scope is not repeated.
        """
        if not self._repeated:
            raise ValueError(f"{self._text!r} is not repeated")
        if tzero is None:
            tzero = clock.now().replace(microsecond=0)
        return self._ticks(naive(tzero))

    def _ticks(self, tzero: datetime) -> Iterator[When]:
        start, end = self.datetimes(tzero)
        if start == datetime.max:
            return
        tick: datetime | None = tzero if start is None else max(tzero, start)
        if self._crontab is not None and tick is not None:
            tick = self._crontab.next(tick)
        while tick is not None and (end is None or tick <= end):
            yield When(a=tick, duration=self._inner_duration, period=self._inner_period)
            tick = self._after(tick)

    def _after(self, tick: datetime) -> datetime | None:
        try:
            if self._crontab is not None:
                return self._crontab.next(tick + timedelta(seconds=1))
            return tick + (self._period or _ZERO)
        except OverflowError:
            return None


def _zero(tzero: datetime | None) -> datetime:
    return clock.now() if tzero is None else naive(tzero)


def _at(point: Point, tzero: datetime) -> datetime | None:
    if isinstance(point, TimePoint):
        return tzero if point is time_now else None
    return naive(point)


def _later(start: datetime | None, duration: timedelta) -> datetime | None:
    try:
        return None if start is None else start + duration
    except OverflowError:
        return datetime.max


def _format_simple(
    a: Point, b: Point | None, duration: timedelta | None, period: timedelta | None
) -> str:
    text = unparse_time(a)
    if b is not None:
        text += f" ... {unparse_time(b)}"
    elif duration is not None:
        text += f" + {unparse_dur(duration)}"
    return text if period is None else f"{text} / {unparse_dur(period)}"


def _parse(text: str) -> When:
    if not text.startswith(_REPEAT):
        return When(None, *_parse_simple(text))
    outer, inner_duration, inner_period = _split_inner(text.removeprefix(_REPEAT))
    outer, cron, crontab = outer.partition(_CRON)
    a, b, duration, period = _parse_simple(outer)
    return When(
        a=a,
        b=b,
        duration=duration,
        period=period,
        repeated=True,
        inner_duration=inner_duration,
        inner_period=inner_period,
        crontab=crontab if cron else None,
    )


def _split_inner(text: str) -> tuple[str, timedelta | None, timedelta | None]:
    outer, brace, rest = text.partition(" { ")
    if not brace:
        return text, None, None
    inner, end, tail = rest.partition(" }")
    if not end or tail not in ("", " "):
        raise ValueError("an inner scope stands between ' { ' and ' }', at the end")
    a, b, duration, period = _parse_simple(inner)
    if a is not time_now or b is not None:
        raise ValueError("an inner scope starts with now, and has a duration")
    return outer, duration, period


def _parse_simple(
    text: str,
) -> tuple[Point, Point | None, timedelta | None, timedelta | None]:
    span, slash, rest = text.partition(" / ")
    period = parse_dur(rest) if slash else None
    start, plus, length = span.partition(" + ")
    first, dots, last = start.partition(" ... ")
    return (
        parse_time(first),
        parse_time(last) if dots else None,
        parse_dur(length) if plus else None,
        period,
    )


when_infinite: Final = When(a=time_past, b=time_future)
"""All the time there is: the scope of a statement that nobody gave one."""
