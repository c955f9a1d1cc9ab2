"""From reading threads to traits: one publisher thread, thinned, ordered, bounded.

Sources call `Subscription.put` from any thread and never wait. One thread of this
process, started when it is first needed, calls each subscription's ``show`` with what
is newest, at most so many times a second. It alone writes traits, which keeps a view
moving while a cell is busy (a task on the kernel's loop would stand still) and spares
traits every lock.

    put, put, put  ->  one waiting value, merged  ->  show(value)  when it is time

What waits is one value for each subscription: the newest, or what ``merge`` makes of
the waiting one and the new one, so that nothing grows while nobody looks.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from pilothouse import waits

__all__ = ["CHART_HZ", "TABLE_HZ", "Feed", "Subscription", "newest", "tail", "the_feed"]

#: Updates a second for numbers and tables.
TABLE_HZ: Final = 4.0
#: Updates a second for a chart.
CHART_HZ: Final = 20.0

_CLOSE_SECONDS: Final = 2.0

T = TypeVar("T")
_NOTHING: Final = object()


def newest(_waiting: T, value: T) -> T:
    """Merge by keeping the newer value."""
    return value


def tail(limit: int) -> Callable[[Sequence[T], Sequence[T]], list[T]]:
    """Return a merge for parts of a log: both in order, the last ``limit`` lines."""

    def merge(waiting: Sequence[T], value: Sequence[T]) -> list[T]:
        return [*waiting, *value][-limit:]

    return merge


class Subscription(Generic[T]):
    """One way from a source to what shows it; made by `Feed.subscribe`.

    Attributes:
        shown: How many times ``show`` was called.
        trouble: What ``show`` raised last, in one line; empty after a success.
    """

    def __init__(
        self,
        feed: Feed,
        show: Callable[[T], float | None],
        *,
        hz: float,
        merge: Callable[[T, T], T],
        on_trouble: Callable[[str], None] | None,
    ) -> None:
        self.shown = 0
        self.trouble = ""
        self._feed = feed
        self._show = show
        self._interval = 1.0 / hz
        self._merge = merge
        self._on_trouble = on_trouble
        self._waiting: Any = _NOTHING
        self._queued = False
        self._hasty = False
        self._next = 0.0
        self._calls = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def put(self, value: T) -> None:
        """Hand over a value, from any thread; after `close` it is dropped."""
        self._feed._put(self, value)

    def flush(self, timeout: float = 2.0) -> bool:
        """Show what was put before; return whether that was done in time."""
        return self._feed._flush(self, timeout)

    def close(self) -> None:
        """Show what still waits, then take nothing more; may be called twice."""
        self._feed._close(self)

    def _publish(self, value: T) -> float | None:
        try:
            again = self._show(value)
        except Exception as exc:
            self._tell(f"{type(exc).__name__}: {exc}")
            return None
        self.shown += 1
        if self.trouble:
            self._tell("")
        return again

    def _tell(self, trouble: str) -> None:
        changed, self.trouble = trouble != self.trouble, trouble
        if not changed or self._on_trouble is None:
            return
        try:
            self._on_trouble(trouble)
        except Exception as exc:
            self.trouble = f"{trouble}; {type(exc).__name__}: {exc}"


class Feed:
    """The publisher: at most one thread, which sleeps while nothing waits."""

    def __init__(self) -> None:
        self._changed = waits.Condition()
        self._due: list[tuple[float, int, Subscription[Any]]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._busy: Subscription[Any] | None = None
        self._ending = False

    @property
    def running(self) -> bool:
        """Whether the publisher thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def subscribe(
        self,
        show: Callable[[T], float | None],
        *,
        hz: float = TABLE_HZ,
        merge: Callable[[T, T], T] = newest,
        on_trouble: Callable[[str], None] | None = None,
    ) -> Subscription[T]:
        """Return a subscription that calls ``show`` on the publisher thread.

        Args:
            show: Takes one value. It may return seconds: the value is then kept, merged
                with newer ones, and tried again after that time (back-pressure).
            hz: Most calls a second.
            merge: Makes one value of the waiting one and a newer one.
            on_trouble: Told in one line what ``show`` raised, once for each new text,
                and told ``""`` when it works again.

        Raises:
            ValueError: If ``hz`` is not above 0.
        """
        if hz <= 0:
            raise ValueError(f"hz must be above 0, not {hz!r}")
        return Subscription(self, show, hz=hz, merge=merge, on_trouble=on_trouble)

    def flush(self, timeout: float = 2.0) -> bool:
        """Show all that waits now; return whether that was done within the timeout.

        Called from the publisher thread itself it returns at once.
        """
        if threading.current_thread() is self._thread:
            return False
        with self._changed:
            self._due = [(0.0, order, sub) for _, order, sub in self._due]
            heapq.heapify(self._due)
            if self._busy is not None:
                self._hasten(self._busy)
            self._changed.notify_all()
            return self._changed.wait_for(self._is_idle, timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Show what waits, end the thread and join it; a later value starts it anew."""
        self.flush(timeout)
        with self._changed:
            thread, self._thread = self._thread, None
            self._ending = True
            for _, _, sub in self._due:  # what waits comes with the next value
                sub._queued = False
            self._due.clear()
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _is_idle(self) -> bool:
        return self._busy is None and not self._due

    def _put(self, sub: Subscription[T], value: T) -> None:
        with self._changed:
            if sub._closed:
                return
            waiting = sub._waiting
            sub._waiting = value if waiting is _NOTHING else sub._merge(waiting, value)
            if not sub._queued and self._busy is not sub:
                self._enqueue(sub, sub._next)

    def _enqueue(self, sub: Subscription[Any], when: float) -> None:
        sub._queued = True
        heapq.heappush(self._due, (when, next(self._order), sub))
        if not self.running:
            self._ending = False
            self._thread = threading.Thread(
                target=self._run, name="pilothouse-feed", daemon=True
            )
            self._thread.start()
        self._changed.notify_all()

    def _hasten(self, sub: Subscription[Any]) -> None:
        if sub._queued:
            self._due = [entry for entry in self._due if entry[2] is not sub]
            heapq.heapify(self._due)
            sub._queued = False
            self._enqueue(sub, 0.0)
        elif self._busy is sub:
            sub._hasty = True

    def _flush(self, sub: Subscription[Any], timeout: float) -> bool:
        if threading.current_thread() is self._thread:
            return False
        with self._changed:
            is_waiting = sub._waiting is not _NOTHING
            last = sub._calls + is_waiting  # what is being shown is counted already
            self._hasten(sub)
            return self._changed.wait_for(
                lambda: sub._calls >= last and self._busy is not sub, timeout
            )

    def _close(self, sub: Subscription[Any]) -> None:
        with self._changed:
            sub._closed = True
            self._hasten(sub)
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(
                    lambda: self._busy is not sub and not sub._queued, _CLOSE_SECONDS
                )
            elif self._busy is sub:
                return  # it closes itself, and comes once more
            if sub._waiting is _NOTHING:
                return
            self._due = [entry for entry in self._due if entry[2] is not sub]
            heapq.heapify(self._due)
            value = self._taken(sub)
        sub._publish(value)  # the publisher is held up: whoever closes does it
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                sub = self._wait_for_one(me)
                if sub is None:
                    return
                value = self._taken(sub)
                self._busy = sub
            again = sub._publish(value)
            with self._changed:
                self._busy = None
                self._settle(sub, value, again)
                self._changed.notify_all()

    def _taken(self, sub: Subscription[T]) -> T:
        value: T = sub._waiting
        sub._waiting = _NOTHING
        sub._queued = False
        sub._calls += 1
        return value

    def _wait_for_one(self, me: threading.Thread) -> Subscription[Any] | None:
        while True:
            if self._ending or self._thread is not me:
                return None
            wait = self._due[0][0] - time.monotonic() if self._due else None
            if wait is not None and wait <= 0:
                return heapq.heappop(self._due)[2]
            self._changed.wait(wait)

    def _settle(
        self, sub: Subscription[Any], value: object, again: float | None
    ) -> None:
        now = time.monotonic()
        # Counted from when it was due: a source as fast as the rate loses nothing.
        sub._next = now + again if again else max(sub._next + sub._interval, now)
        if again and not sub._closed:
            newer = sub._waiting
            sub._waiting = value if newer is _NOTHING else sub._merge(value, newer)
        if sub._waiting is not _NOTHING and not self._ending:
            self._enqueue(sub, 0.0 if sub._closed or sub._hasty else sub._next)
        sub._hasty = False


_feed = Feed()


def the_feed() -> Feed:
    """Return the one publisher of this process; it starts with a first value."""
    return _feed
