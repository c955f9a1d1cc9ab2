"""Short requests that follow each other closely: they leave together.

The first one leaves at once, by whoever asks. While more come within a fifth of a
millisecond of each other, they are put here, and a thread sends what there is whenever
it gets to run: as soon as those who ask have to wait, or after some milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pilothouse import waits

__all__ = ["Entry", "Outbox"]

_CLOSELY_SECONDS: Final = 0.0002
_SHORT_BYTES: Final = 4096
_MOST_BYTES: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that has not left yet.

    Attributes:
        number: Its id on this connection.
        frame: Its only frame.
        again: The request itself, for another connection.
    """

    number: int
    frame: bytes
    again: Any


class Outbox:
    """Gathers frames.

    Args:
        flush: Takes out what there is and sends it; called on the thread here.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._size = 0
        self._last = 0.0
        self._wanted = waits.Event()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def is_close(self) -> bool:
        """Tell whether the request before was made a moment ago; note this one."""
        now = time.monotonic()
        before, self._last = self._last, now
        return now - before < _CLOSELY_SECONDS

    def put(self, entry: Entry) -> bool:
        """Put a frame in; false when it is too long, or there is too much already."""
        size = len(entry.frame)
        with self._lock:
            if size > _SHORT_BYTES or self._size + size > _MOST_BYTES:
                return False
            if self._is_closed:
                return False
            self._entries.append(entry)
            self._size += size
            is_first = len(self._entries) == 1
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="pilothouse-aimm-outbox", daemon=True
                )
                self._thread.start()
        if is_first:
            self._wanted.set()
        return True

    def take(self) -> list[Entry]:
        """Take out what there is, in the order it came."""
        with self._lock:
            entries, self._entries, self._size = self._entries, [], 0
        return entries

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._wanted.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def _run(self) -> None:
        while not self._is_closed:
            self._wanted.wait()
            self._wanted.clear()
            self._flush()
