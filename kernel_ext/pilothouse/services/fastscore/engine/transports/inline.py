"""Data inside the descriptor: a list of records, or one text for the envelope."""

from __future__ import annotations

from .base import Reader

__all__ = ["InlineReader"]

_RECORDS_AT_A_TIME = 1000


class InlineReader(Reader):
    """Gives the data once, or for ever when it loops.

    Args:
        data: Records, or one piece of bytes.
        skip_to_record: Number of the record to begin with, from 0.
        loop: Whether to start over at the end.
    """

    def __init__(
        self,
        data: tuple[bytes, ...] | bytes,
        *,
        skip_to_record: int = 0,
        loop: bool = False,
    ) -> None:
        items = [data] if isinstance(data, bytes) else list(data)
        self._items = items[skip_to_record:]
        self._loop = loop
        self._next = 0

    async def read(self) -> list[bytes] | None:
        """Return the next records."""
        if self._next >= len(self._items):
            if not (self._loop and self._items):
                return None
            self._next = 0
        start, self._next = self._next, self._next + _RECORDS_AT_A_TIME
        return self._items[start : self._next]
