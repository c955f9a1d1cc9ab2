"""Output slots: what jets gave, on its way to a REST client or a transport.

Data arrive in one of two forms, fixed by the stream: as a piece of bytes whose records
are in their envelope, or as records one by one (``bounds``) where the transport keeps
them apart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from pilothouse.fastscore.runtime.envelopes import Joiner

from .transports.base import StreamError, Writer

__all__ = ["Outlet", "RestOutlet", "WriterOutlet"]

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""What one chunked GET returns at most, if more than one piece is there."""


class Outlet:
    """What all output slots have.

    Args:
        keeps_bounds: Whether records come one by one.
        limit: Bytes that may wait; above it jets get no more work.

    Attributes:
        size: Bytes that wait.
        is_ended: Whether no more data will come.
        on_room: Called when there is room again.
        joiner: Puts records that come one by one into their envelope; ``None`` if
            the transport keeps them apart.
    """

    def __init__(self, *, keeps_bounds: bool, limit: int) -> None:
        self.keeps_bounds = keeps_bounds
        self.size = 0
        self.is_ended = False
        self.on_room: Callable[[], None] = lambda: None
        self.joiner: Joiner | None = None
        self._limit = limit
        self._queue: deque[bytes] = deque()

    @property
    def is_full(self) -> bool:
        """Whether no more should be put in now."""
        return self.size >= self._limit

    def write(self, data: bytes, bounds: Sequence[int] | None = None) -> None:
        """Add data that a jet gave; `bounds` are the lengths of the records."""
        if bounds is None:
            if data:
                self._add(data)
            return
        items, start = [], 0
        for length in bounds:
            items.append(data[start : start + length])
            start += length
        if self.joiner is not None:
            items = [self.joiner.join(items)]
        for item in items:
            self._add(item)

    def write_control(self, record: bytes) -> None:
        """Add a control record, in the envelope of the stream."""
        self.write(record, [len(record)])

    async def finish(self, linger: float | None) -> None:
        """End in order: wait until all is written, at most `linger` seconds.

        Raises:
            StreamError: If something could not be written.
        """
        self.is_ended = True

    async def close(self) -> None:
        """Drop what waits, and let go."""
        self.is_ended = True

    def _add(self, data: bytes) -> None:
        self._queue.append(data)
        self.size += len(data)

    def _pop(self) -> bytes:
        was_full = self.is_full
        data = self._queue.popleft()
        self.size -= len(data)
        if was_full and not self.is_full:
            self.on_room()
        return data


class RestOutlet(Outlet):
    """Waits for clients to fetch it.

    Simple mode gives one record at a time, chunked mode all that is there.
    """

    def __init__(self, *, chunked: bool, limit: int) -> None:
        super().__init__(keeps_bounds=not chunked, limit=limit)
        self._chunked = chunked
        self._given: tuple[str, int, bytes] = ("", 0, b"")
        self._waiters: deque[asyncio.Future[None]] = deque()

    def write(self, data: bytes, bounds: Sequence[int] | None = None) -> None:
        """Add data and wake who waits for them."""
        super().write(data, bounds)
        self._wake()

    async def finish(self, linger: float | None) -> None:
        """End: what is queued can still be fetched."""
        self.is_ended = True
        self._wake_all()

    async def close(self) -> None:
        """Drop what is queued."""
        self.is_ended = True
        self._queue.clear()
        self.size = 0
        self._given = ("", 0, b"")
        self._wake_all()

    async def get(self, hold: float, job: str = "", at: int = 0) -> bytes | None:
        """Return data, or ``None`` if none came within `hold` seconds.

        Args:
            hold: How long to wait for some.
            job: Who asks; it then gets an answer once more that got lost.
            at: How many bytes the job has got until now.

        Raises:
            EOFError: If no more will come.
        """
        deadline = asyncio.get_running_loop().time() + hold
        while True:
            if job and self._given[:2] == (job, at) and self._given[2]:
                return self._given[2]  # also to who waited beside a client that died
            if self._queue:
                break
            if self.is_ended:
                raise EOFError
            if not await self._wait(deadline):
                return None
        data = self._take()
        self._given = (job, at, data if job else b"")
        if job:
            self._wake_all()  # who asks for the same place has it now
        else:
            self._wake()  # there may be more for the next one that waits
        return data

    def _take(self) -> bytes:
        data = self._pop()
        if not self._chunked or not self._queue:
            return data
        parts, size = [data], len(data)
        while self._queue and size < MAX_ANSWER_BYTES:
            parts.append(self._pop())
            size += len(parts[-1])
        return b"".join(parts)

    async def _wait(self, deadline: float) -> bool:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                await waiter
        except TimeoutError:
            return False
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
        return True

    def _wake(self) -> None:
        while self._queue and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _wake_all(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class WriterOutlet(Outlet):
    """Feeds a transport from a task of its own.

    Args:
        writer: Opened already.
        on_failure: Told once when it breaks.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        keeps_bounds: bool,
        limit: int,
        on_failure: Callable[[StreamError], None],
    ) -> None:
        super().__init__(keeps_bounds=keeps_bounds, limit=limit)
        self._writer = writer
        self._on_failure = on_failure
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def write(self, data: bytes, bounds: Sequence[int] | None = None) -> None:
        """Add data; they are written soon."""
        super().write(data, bounds)
        self._arrived.set()

    async def finish(self, linger: float | None) -> None:
        """Write what waits, then close the transport."""
        self.is_ended = True
        self._arrived.set()
        try:
            async with asyncio.timeout(linger):
                await asyncio.shield(self._task)
                await self._writer.close()
        except TimeoutError as exc:
            await self.close()
            raise StreamError(
                f"{self.size} bytes could not be written within {linger:g} s"
            ) from exc

    async def close(self) -> None:
        """Drop what waits and let the transport go."""
        self.is_ended = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._queue.clear()
        self.size = 0
        with contextlib.suppress(StreamError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.close()

    async def _run(self) -> None:
        try:
            while True:
                while self._queue:
                    await self._writer.write(self._next())
                if self.is_ended:
                    return
                self._arrived.clear()
                await self._arrived.wait()
        except StreamError as exc:
            self._on_failure(exc)

    def _next(self) -> bytes:
        """Return one record, or (bytes) as much as is there."""
        data = self._pop()
        if self.keeps_bounds or not self._queue:
            return data
        parts = [data]
        while self._queue:
            parts.append(self._pop())
        return b"".join(parts)
