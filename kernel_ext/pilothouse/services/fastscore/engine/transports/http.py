"""HTTP: GET as input, PUT as output.

With ``Chunked`` each chunk of the transfer encoding is one record. ``SkipTo`` asks
for a range; a server that ignores it is read and skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from .base import CHUNK_BYTES, Reader, StreamError, Writer

__all__ = ["HttpReader", "HttpWriter"]

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=None)


class HttpReader(Reader):
    """Reads the answer to a GET.

    Args:
        url: ``http:`` or ``https:``.
        chunked: Whether each chunk is a record.
        skip_to: Offset in bytes where reading starts.
        loop: Whether to ask again at the end.
    """

    def __init__(
        self, url: str, *, chunked: bool = False, skip_to: int = 0, loop: bool = False
    ) -> None:
        self._url = url
        self._chunked = chunked
        self._skip_to = skip_to
        self._loop = loop
        self._session: aiohttp.ClientSession | None = None
        self._answer: aiohttp.ClientResponse | None = None
        self._to_skip = 0
        self._part = b""

    async def open(self) -> None:
        """Send the request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
            )
        ranged = {"Range": f"bytes={self._skip_to}-"} if self._skip_to else {}
        try:
            self._answer = await self._session.get(self._url, headers=ranged)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            raise StreamError(f"cannot open {self._url}: {exc}") from exc
        if self._answer.status not in (200, 206):
            raise StreamError(f"{self._url} answers {self._answer.status}")
        self._to_skip = self._skip_to if self._answer.status == 200 else 0

    async def read(self) -> list[bytes] | None:
        """Return the next piece, or the next record of a chunked transfer."""
        data = await self._read_once()
        if data is None and self._loop:
            await self.open()
            data = await self._read_once()
        return None if data is None else [data]

    async def _read_once(self) -> bytes | None:
        if self._answer is None:
            return None
        try:
            if self._chunked:
                return await self._read_chunk()
            while data := await self._answer.content.read(CHUNK_BYTES):
                skipped, self._to_skip = (
                    self._to_skip,
                    max(0, self._to_skip - len(data)),
                )
                if data := data[skipped:]:
                    return data
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise StreamError(f"{self._url} broke off: {exc}") from exc
        return None

    async def _read_chunk(self) -> bytes | None:
        if self._answer is None:
            return None
        parts: list[bytes] = []
        while True:
            data, is_end = await self._answer.content.readchunk()
            parts.append(data)
            if is_end:
                return b"".join(parts)
            if not data:
                return b"".join(parts) or None

    async def close(self) -> None:
        """Drop the connection."""
        if self._answer is not None:
            self._answer.close()
        if self._session is not None:
            await self._session.close()


class HttpWriter(Writer):
    """Sends one PUT whose body is the stream; it is answered at the end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)
        self._task: asyncio.Task[int] | None = None

    async def open(self) -> None:
        """Begin the request."""
        self._task = asyncio.create_task(self._put())

    async def _put(self) -> int:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.put(self._url, data=self._body()) as answer,
        ):
            return answer.status

    async def _body(self) -> AsyncIterator[bytes]:
        while (data := await self._queue.get()) is not None:
            yield data

    async def write(self, data: bytes) -> None:
        """Send a piece, or one record."""
        await self._offer(data)

    async def close(self) -> None:
        """End the body and wait for the answer."""
        if self._task is None:
            return
        if not self._task.done():
            await self._offer(None)
        task, self._task = self._task, None
        try:
            status = await task
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            raise StreamError(f"cannot write {self._url}: {exc}") from exc
        finally:
            task.cancel()
        if status >= 300:
            raise StreamError(f"{self._url} answers {status}")

    async def _offer(self, data: bytes | None) -> None:
        """Put a piece into the queue unless the request has ended already."""
        if self._task is None:
            raise StreamError(f"{self._url} is not open")
        put = asyncio.ensure_future(self._queue.put(data))
        await asyncio.wait({put, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not put.done():
            put.cancel()
            if data is not None:
                await self.close()
                raise StreamError(f"{self._url} ended the request early")
