"""What a click asks for, done one after another on a thread of its own.

A widget's callback runs on the kernel's main thread or on a subshell's, next to cells.
It must return at once, so it leaves an errand here.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

__all__ = ["Errands"]


class Errands:
    """Runs errands in order on one daemon thread, started with the first one.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, errand: Callable[[], None]) -> None:
        """Leave an errand; it must handle its own errors. Dropped after `close`."""
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=self._name, daemon=True
                )
                self._thread.start()
            self._waiting.put(errand)

    def close(self, timeout: float = 2.0) -> None:
        """Do what waits, then end the thread; may be called twice."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._waiting.put(None)
        if thread is not threading.current_thread():
            thread.join(timeout)

    def _run(self) -> None:
        while (errand := self._waiting.get()) is not None:
            errand()
