"""Sample and rate: a look into a stream, apart from any pipeline (contract §6.7)."""

from __future__ import annotations

import asyncio
import base64
import time

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire import transports as wire
from pilothouse.fastscore.wire.controls import Control, ControlRecord
from pilothouse.fastscore.wire.messages import RateInfo

from .records import Batch, Chunk, Entry, joined
from .splitting import splitter_of
from .streams import AttachedStream
from .transports.base import Reader, StreamError
from .transports.opening import check_direction, check_supported, reader_of

__all__ = ["measure_rate", "take_sample"]

SAMPLE_SECONDS = 10.0
OPEN_SECONDS = 10.0
RATE_SECONDS = 1.0


async def take_sample(
    attached: AttachedStream, count: int, *, allow_exec: bool
) -> list[str]:
    """Return up to `count` records, base64; fewer at the end of the stream.

    Raises:
        ProtocolError: If the stream cannot be sampled or opened.
    """
    found: list[bytes] = []
    try:
        async with asyncio.timeout(SAMPLE_SECONDS):
            async with _Opened(attached, allow_exec=allow_exec) as opened:
                while len(found) < count and (records := await opened.read()):
                    found += records
    except TimeoutError:
        pass  # a quiet stream: what came is the sample
    return [base64.b64encode(record).decode() for record in found[:count]]


async def measure_rate(attached: AttachedStream, *, allow_exec: bool) -> RateInfo:
    """Read for a second from the first records on, and return how fast that went.

    Raises:
        ProtocolError: If the stream cannot be read, or has too few records.
    """
    loop = asyncio.get_running_loop()
    count = size = 0
    started = 0.0
    is_open = False
    try:
        async with asyncio.timeout(OPEN_SECONDS) as limit:
            async with _Opened(attached, allow_exec=allow_exec) as opened:
                is_open = True
                while records := await opened.read():
                    if not count:
                        started = time.perf_counter()
                        limit.reschedule(loop.time() + RATE_SECONDS)
                    count += len(records)
                    size += sum(map(len, records))
                    await asyncio.sleep(0)
    except TimeoutError:
        pass
    if not is_open:
        raise ProtocolError(f"the stream did not open within {OPEN_SECONDS:g} s")
    seconds = time.perf_counter() - started
    if count < 2:
        raise ProtocolError("the stream is too short to measure its rate")
    return RateInfo(rps=count / seconds, mbps=size / 1048576 / seconds)


class _Opened:
    """A stream of its own, cut into records; ends at its ``end`` record too."""

    def __init__(self, attached: AttachedStream, *, allow_exec: bool) -> None:
        stream = attached.stream
        check_supported(stream, allow_exec=allow_exec)
        if isinstance(stream.transport, wire.Rest | wire.Discard):
            raise ProtocolError(f"a {stream.transport.word} stream cannot be sampled")
        check_direction(stream, 0)
        schema = attached.own_schema
        self._splitter = splitter_of(stream, None if schema is None else schema.json)
        self._reader: Reader = reader_of(stream)
        self._is_over = False

    async def __aenter__(self) -> _Opened:
        try:
            await self._reader.open()
        except BaseException as exc:
            await self._reader.close()
            if isinstance(exc, StreamError):
                raise ProtocolError(exc.message) from exc
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._reader.close()

    async def read(self) -> list[bytes]:
        """Return the next records; none at the end."""
        while not self._is_over:
            try:
                pieces = await self._reader.read()
            except StreamError as exc:
                raise ProtocolError(exc.message) from exc
            if pieces is None:
                self._is_over = True
                entries = self._splitter.finish()
            else:
                entries = self._splitter.feed(pieces)
            if records := self._records(entries):
                return records
        return []

    def _records(self, entries: list[Entry]) -> list[bytes]:
        records: list[bytes] = []
        for entry in entries:
            if isinstance(entry, ControlRecord):
                if entry.control is Control.END:
                    self._is_over = True
                    break
                continue
            records += _items(entry)
        return records


def _items(chunk: Chunk) -> list[bytes]:
    data, count, bounds = joined([chunk])
    separator = getattr(chunk, "separator", b"\n")
    return Batch(0, data, count, 1, bounds, separator=separator).records()
