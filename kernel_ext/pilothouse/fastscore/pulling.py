"""Records pulled from an iterator by a thread of its own.

So records go on as soon as they are there, many at a time while the source is fast and
one by one while it is slow, and a source that waits for something holds nothing back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from .records import ChunkSize

__all__ = ["pulled"]


def pulled(
    source: Iterable[Any], stop: threading.Event, size: ChunkSize
) -> Iterator[list[Any]]:
    """Yield what a source gives, in lists of at most about ``size`` records.

    Args:
        source: Iterated on another thread.
        stop: Ends it.
        size: Most records that wait; may change meanwhile.

    Raises:
        Exception: Whatever the source raises, behind what it gave before.
    """
    puller = _Puller(source, stop, size)
    threading.Thread(target=puller.run, daemon=True, name="score source").start()
    try:
        while chunk := puller.take():
            yield chunk
    finally:
        puller.close()


class _Puller:
    def __init__(
        self, source: Iterable[Any], stop: threading.Event, size: ChunkSize
    ) -> None:
        self._source = source
        self._stop = stop
        self._size = size
        self._waiting: list[Any] = []
        self._changed = threading.Condition()
        self._is_hungry = False
        self._is_done = False
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Pull until the source ends, or nobody wants more."""
        source = iter(self._source)
        try:
            for record in source:
                self._waiting.append(record)
                # Looked at without the lock: `take` sets the flag before it looks for
                # records, so that one of the two always sees the other.
                if (
                    self._is_hungry or len(self._waiting) >= self._size.records
                ) and not self._hand_over():
                    break
        except BaseException as exc:
            self._failure = exc
        finally:
            with self._changed:
                self._is_done = True
                self._changed.notify_all()
            close = getattr(source, "close", None)
            if close is not None and self._stop.is_set():
                with suppress(Exception):
                    close()

    def take(self) -> list[Any]:
        """Return what waits, at least one record; nothing at the end."""
        with self._changed:
            self._is_hungry = True
            while not (self._waiting or self._is_done or self._stop.is_set()):
                self._changed.wait(0.1)
            self._is_hungry = False
            chunk, self._waiting = self._waiting, []
            self._changed.notify_all()
        if not chunk and self._failure is not None:
            raise self._failure
        return chunk

    def close(self) -> None:
        """Want no more."""
        with self._changed:
            self._is_done = True
            self._changed.notify_all()

    def _hand_over(self) -> bool:
        """Wake who waits for records, and wait for room; False to end."""
        with self._changed:
            self._changed.notify_all()
            while len(self._waiting) >= self._size.records and not self._is_done:
                if self._stop.is_set():
                    return False
                self._changed.wait(0.1)
            return not (self._is_done or self._stop.is_set())
