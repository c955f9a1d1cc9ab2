"""Results, and batches that wait: opaque bytes in memory and on disk, bounded.

    DATA/kept/<number>        ; mode 0700 folder; emptied at the start

Small ones stay in memory. When there is too much, results that were fetched go first,
the oldest of them before the others; what waits to be run never goes.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from pathlib import Path
from typing import Final

__all__ = ["Keeper", "Kept"]

_IN_MEMORY_BYTES: Final = 4096


class Kept:
    """Some bytes that are kept.

    Attributes:
        size: How many.
        is_needed: Whether they may not be dropped to make room.
        is_told: Whether they were fetched once.
        is_gone: Whether they were dropped.
    """

    __slots__ = ("_data", "_path", "is_gone", "is_needed", "is_told", "number", "size")

    def __init__(self, number: int, data: bytes, is_needed: bool) -> None:
        self.number = number
        self.size = len(data)
        self.is_needed = is_needed
        self.is_told = False
        self.is_gone = False
        self._data: bytes | None = data
        self._path: Path | None = None

    async def read(self) -> bytes | None:
        """Return the bytes; ``None`` when they were dropped."""
        if self._data is not None:
            return self._data
        path = self._path
        if self.is_gone or path is None:
            return None
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError:  # dropped just now, or the disk has lost it
            return None

    def move(self, path: Path) -> None:
        """Write the bytes to a file; for threads."""
        data = self._data
        if data is None or self.is_gone:
            return
        path.write_bytes(data)
        self._path, self._data = path, None
        if self._was_dropped():  # while it was written
            path.unlink(missing_ok=True)

    def _was_dropped(self) -> bool:
        return self.is_gone

    def forget(self) -> None:
        """Drop the bytes."""
        self.is_gone, self._data = True, None
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Keeper:
    """All that is kept.

    Args:
        folder: Nobody else writes there.
        limit: Most bytes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self._folder = folder
        self._limit = limit
        self._numbers = itertools.count(1)
        self._kept: dict[int, Kept] = {}
        self.total = 0

    def has_room(self, size: int) -> bool:
        """Tell whether so much more can wait to be run."""
        needed = sum(kept.size for kept in self._kept.values() if kept.is_needed)
        return needed + size <= self._limit

    def keep(self, data: bytes, *, is_needed: bool = False) -> Kept:
        """Keep some bytes, in memory at first; others may go for them."""
        kept = Kept(next(self._numbers), data, is_needed)
        self._kept[kept.number] = kept
        self.total += kept.size
        self._make_room(kept)
        return kept

    async def settle(self, kept: Kept) -> None:
        """Move bytes to disk, if they are many.

        Raises:
            OSError: If the disk is full; they stay in memory then.
        """
        if kept.size > _IN_MEMORY_BYTES and not kept.is_gone:
            path = self._folder / str(kept.number)
            await asyncio.to_thread(kept.move, path)

    def release(self, kept: Kept) -> None:
        """Drop bytes that nobody will ask for."""
        if self._kept.pop(kept.number, None) is not None:
            self.total -= kept.size
            kept.forget()

    def close(self) -> None:
        """Drop all."""
        self._kept.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_room(self, newest: Kept) -> None:
        if self.total <= self._limit:
            return
        candidates = [
            each
            for each in self._kept.values()
            if not each.is_needed and each is not newest
        ]
        for each in sorted(candidates, key=lambda kept: not kept.is_told):
            if self.total <= self._limit:
                return
            self.release(each)
