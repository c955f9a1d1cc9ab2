"""Timers: functions called at their time, on one daemon thread.

No I/O. A wait in seconds follows the steady clock, a point in time follows the wall
clock: when somebody sets that clock, what is to begin at noon still begins at noon, and
what is to last ten seconds still lasts ten seconds.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pilothouse.mplane.model import clock

__all__ = ["Timer", "Timers"]

log = logging.getLogger(__name__)

_IDLE_SECONDS = 10.0
_LOOK_SECONDS = 1.0  # how soon a clock that was set is noticed


class Timer:
    """One call to come; `cancel` takes it back."""

    __slots__ = ("_call", "_timers", "due", "is_wall")

    def __init__(
        self, timers: Timers, due: float, call: Callable[[], None], *, is_wall: bool
    ) -> None:
        self._timers = timers
        self._call: Callable[[], None] | None = call
        self.due = due
        self.is_wall = is_wall

    def cancel(self) -> None:
        """Do not call; nothing happens if it was called already."""
        self._call = None
        self._timers._drop(self)

    @property
    def is_done(self) -> bool:
        """Whether it was called or cancelled."""
        return self._call is None

    def fire(self) -> None:
        """Call, once."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            call()
        except Exception:
            log.exception("a timer failed")


class Timers:
    """Calls functions at their time; they must be quick, for they share one thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = itertools.count()
        self._steady: list[tuple[float, int, Timer]] = []
        self._wall: list[tuple[float, int, Timer]] = []
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        with self._changed:
            return len(self._steady) + len(self._wall)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call after some seconds of the steady clock."""
        return self._add(
            Timer(self, time.monotonic() + seconds, call, is_wall=False), self._steady
        )

    def at(self, when: datetime, call: Callable[[], None]) -> Timer:
        """Call when the wall clock shows a time (UTC, naive), or has passed it."""
        return self._add(Timer(self, _seconds(when), call, is_wall=True), self._wall)

    def _add(self, timer: Timer, heap: list[tuple[float, int, Timer]]) -> Timer:
        with self._changed:
            heapq.heappush(heap, (timer.due, next(self._count), timer))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="mplane-timers", daemon=True
                )
                self._thread.start()
            elif heap[0][2] is timer:
                self._changed.notify()
        return timer

    def _drop(self, timer: Timer) -> None:
        with self._changed:
            heap = self._wall if timer.is_wall else self._steady
            kept = [entry for entry in heap if entry[2] is not timer]
            if len(kept) != len(heap):
                heap[:] = kept
                heapq.heapify(heap)

    def _run(self) -> None:
        while (due := self._next()) is not None:
            due.fire()

    def _next(self) -> Timer | None:
        """Wait for the next timer that is due; None when there is no more to do."""
        with self._changed:
            while True:
                for heap, now in (
                    (self._steady, time.monotonic()),
                    (self._wall, _seconds(clock.now())),
                ):
                    if heap and heap[0][0] <= now:
                        return heapq.heappop(heap)[2]
                wait = self._pause()
                if wait is None:
                    if not self._changed.wait(_IDLE_SECONDS) and not (
                        self._steady or self._wall
                    ):
                        self._thread = None
                        return None
                else:
                    self._changed.wait(wait)

    def _pause(self) -> float | None:
        waits = []
        if self._steady:
            waits.append(self._steady[0][0] - time.monotonic())
        if self._wall:
            waits += [self._wall[0][0] - _seconds(clock.now()), _LOOK_SECONDS]
        return max(0.0, min(waits)) if waits else None


def _seconds(when: datetime) -> float:
    return when.replace(tzinfo=UTC).timestamp()
