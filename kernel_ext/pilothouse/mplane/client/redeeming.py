"""Redeeming receipts in the background: one thread for all, each at its own pace.

Opens no socket itself: it calls what redeems one receipt.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

from pilothouse import waits

__all__ = ["Pace", "Redeemer"]

log = logging.getLogger(__name__)

_IDLE_SECONDS = 5.0
_FIRST_SECONDS = 0.1
_NEW_SECONDS = 0.25
_LAST_SECONDS = 5.0
_LIVE_SECONDS = 1.0
_GROWTH = 1.5
_FAR_SECONDS = 60.0
_AFTER_SECONDS = 0.05
_TROUBLE_SECONDS = 30.0
_CLOSE_SECONDS = 2.0


class Pace:
    """How long to wait before a receipt is redeemed again.

    The pause grows from a tenth of a second to five; to one second where rows can be
    seen on their way. It never reaches beyond the beginning or the end of the scope by
    more than a moment, and grows to half a minute while the component is silent.
    """

    def __init__(self) -> None:
        self._pause = _FIRST_SECONDS

    def after_answer(
        self,
        until_start: float,
        until_end: float | None,
        *,
        is_live: bool,
        is_new: bool,
    ) -> float:
        """Return the pause after an answer, in seconds.

        Args:
            until_start: Seconds until the measurement begins; 0: it has begun.
            until_end: Seconds until it ends; None: that is not known.
            is_live: The component shows rows on their way.
            is_new: There were new rows.
        """
        if until_start > 0:
            return min(until_start + _AFTER_SECONDS, _FAR_SECONDS)
        if is_new:
            self._pause = _NEW_SECONDS
        pause = self._pause
        ceiling = _LIVE_SECONDS if is_live else _LAST_SECONDS
        self._pause = min(self._pause * _GROWTH, ceiling)
        if until_end is not None and 0 < until_end + _AFTER_SECONDS < pause:
            self._pause = _FIRST_SECONDS  # the end is near: look closely
            return until_end + _AFTER_SECONDS
        return min(pause, ceiling)

    def after_trouble(self) -> float:
        """Return the pause after a call that failed, in seconds."""
        pause = self._pause
        self._pause = min(self._pause * 2, _TROUBLE_SECONDS)
        return pause


class Redeemer:
    """One daemon thread that redeems receipts when their time comes.

    Args:
        redeem: Redeems one receipt, by token; returns the seconds until the next time,
            or None when there is no next time.
    """

    def __init__(self, redeem: Callable[[str], float | None]) -> None:
        self._redeem = redeem
        self._changed = waits.Condition()
        self._count = itertools.count()
        self._heap: list[tuple[float, int, str]] = []
        self._due: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._is_busy = self._is_closed = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._due)

    def add(self, token: str, delay: float = _FIRST_SECONDS) -> None:
        """Redeem a receipt after some seconds, and then again as often as needed."""
        due = time.monotonic() + delay
        with self._changed:
            if self._is_closed:
                return
            self._due[token] = due
            heapq.heappush(self._heap, (due, next(self._count), token))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="mplane-redeemer", daemon=True
                )
                self._thread.start()
            else:
                self._changed.notify()

    def hurry(self, token: str, delay: float = 0.0) -> None:
        """Redeem a receipt soon, if it is redeemed here at all."""
        with self._changed:
            is_known = token in self._due
        if is_known:
            self.add(token, delay)

    def remove(self, token: str) -> None:
        """Redeem a receipt no more."""
        with self._changed:
            self._due.pop(token, None)

    def close(self) -> None:
        """Redeem nothing more. May be called twice.

        What is being redeemed comes to its end, if that takes no more than a moment.
        """
        with self._changed:
            self._is_closed = True
            self._due.clear()
            self._heap.clear()
            self._changed.notify_all()
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: not self._is_busy, _CLOSE_SECONDS)

    def _run(self) -> None:
        while (found := self._next()) is not None:
            token, due = found
            try:
                pause = self._redeem(token)
            except Exception:
                log.exception("cannot redeem %s", token)
                pause = _TROUBLE_SECONDS
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                if self._due.get(token) != due:  # removed, or hurried meanwhile
                    continue
                if pause is None:
                    self.remove(token)
                else:
                    self.add(token, pause)

    def _next(self) -> tuple[str, float] | None:
        """Wait for the next token whose time has come, and return that time too.

        None: there is no more to do.
        """
        with self._changed:
            while True:
                now = time.monotonic()
                while self._heap:
                    due, _, token = self._heap[0]
                    if self._due.get(token) != due:  # removed, or put elsewhere
                        heapq.heappop(self._heap)
                        continue
                    if due <= now:
                        heapq.heappop(self._heap)
                        self._is_busy = True
                        return token, due
                    break
                if self._heap:
                    self._changed.wait(self._heap[0][0] - now)
                elif self._is_closed or (
                    not self._changed.wait(_IDLE_SECONDS) and not self._heap
                ):
                    self._thread = None
                    return None
