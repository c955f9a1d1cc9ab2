"""Files on this machine.

An input begins at ``SkipTo`` and starts over at its end when it loops. An output
begins as an empty file; its data are there when the stream is closed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO

from .base import CHUNK_BYTES, Reader, StreamError, Writer

__all__ = ["FileReader", "FileWriter"]


class FileReader(Reader):
    """Reads a file.

    Args:
        path: Absolute.
        skip_to: Offset in bytes where reading starts, also when it starts over.
        loop: Whether to start over at the end.
    """

    def __init__(self, path: str, *, skip_to: int = 0, loop: bool = False) -> None:
        self._path = Path(path)
        self._skip_to = skip_to
        self._loop = loop
        self._file: BinaryIO | None = None

    async def open(self) -> None:
        """Open the file."""
        self._file = await asyncio.to_thread(_open, self._path, "rb")
        await asyncio.to_thread(self._file.seek, self._skip_to)

    async def read(self) -> list[bytes] | None:
        """Return the next piece."""
        if self._file is None:
            return None
        try:
            data = await asyncio.to_thread(self._file.read, CHUNK_BYTES)
            if not data and self._loop:
                await asyncio.to_thread(self._file.seek, self._skip_to)
                data = await asyncio.to_thread(self._file.read, CHUNK_BYTES)
        except OSError as exc:
            raise StreamError(f"cannot read {self._path}: {exc.strerror}") from exc
        return [data] if data else None

    async def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class FileWriter(Writer):
    """Writes a file, from its beginning."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file: BinaryIO | None = None

    async def open(self) -> None:
        """Create the file, or empty it."""
        self._file = await asyncio.to_thread(_open, self._path, "wb")

    async def write(self, data: bytes) -> None:
        """Write a piece."""
        await self._run(data)

    async def close(self) -> None:
        """Flush and close."""
        if self._file is not None and not self._file.closed:
            await self._run(None)

    async def _run(self, data: bytes | None) -> None:
        if self._file is None:
            raise StreamError(f"{self._path} is not open")
        try:
            if data is None:
                await asyncio.to_thread(self._file.close)
            else:
                await asyncio.to_thread(self._put, data)
        except OSError as exc:
            raise StreamError(f"cannot write {self._path}: {exc.strerror}") from exc

    def _put(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            self._file.flush()


def _open(path: Path, mode: str) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise StreamError(f"cannot open {path}: it is no regular file")
        file: BinaryIO = path.open(mode)  # type: ignore[assignment]
    except OSError as exc:
        raise StreamError(f"cannot open {path}: {exc.strerror}") from exc
    return file
