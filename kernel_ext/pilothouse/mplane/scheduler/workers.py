"""Workers: a bounded number of daemon threads that run services.

No I/O. The standard library's pool waits for its threads when the process ends; a
measurement that runs for an hour must not keep a process that is told to end.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["MAX_WORKERS", "Workers"]

log = logging.getLogger(__name__)

MAX_WORKERS = 600
_IDLE_SECONDS = 10.0


class Workers:
    """Runs calls on threads of its own, at most so many at once; others wait in line.

    Args:
        limit: Most threads, at least 1.
    """

    def __init__(self, limit: int = MAX_WORKERS) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        self.limit = limit
        self._changed = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._threads = 0

    def __repr__(self) -> str:
        return (
            f"<Workers {self._threads} of {self.limit}, {len(self._waiting)} waiting>"
        )

    def submit(self, call: Callable[[], None]) -> None:
        """Run a call as soon as a thread is free."""
        with self._changed:
            self._waiting.append(call)
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif self._threads < self.limit:
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="mplane-worker", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads; those there are go on
            if not self._threads:
                self._waiting.pop()
                raise
            log.warning("no thread beyond %d: a job waits", self._threads)
        else:
            self._threads += 1

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except Exception:
                log.exception("a job's thread failed")
            del call  # a finished job is not held by an idle thread

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._waiting:
                self._idle += 1
                was_called = self._changed.wait(_IDLE_SECONDS)
                self._idle -= 1
                if not was_called and not self._waiting:
                    self._threads -= 1
                    return None
            return self._waiting.popleft()
