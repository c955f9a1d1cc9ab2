"""A TCP proxy that disturbs what passes through it, when told to.

It stands between a client and the local services and passes bytes on. A test arms it
with a `Fault`; the next bytes that pass in that direction then meet it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import urllib.parse
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

_CHUNK = 65536


@dataclass(slots=True)
class Fault:
    """Something that happens to a connection.

    Attributes:
        action: ``"delay"`` holds the bytes back, ``"close"`` ends both sides in order
            in the middle of them, ``"reset"`` ends both sides with a TCP reset.
        way: ``"up"`` is from the client to the services, ``"down"`` the other way.
        after: How many bytes pass in that direction first, counted from arming.
        seconds: How long a delay lasts.
        times: How often it happens before it is over.
    """

    action: Literal["delay", "close", "reset"]
    way: Literal["up", "down"]
    after: int = 0
    seconds: float = 0.0
    times: int = 1

    def share(self, size: int) -> int:
        """Count bytes that arrive; how many of them pass before it happens."""
        passing = min(size, self.after)
        self.after -= passing
        return passing


class Proxy:
    """The proxy, on a free port of loopback, in a thread of its own.

    Args:
        target: The address of the services, as a URL.

    Attributes:
        url: The same address by way of the proxy.
        happened: Set when a fault has happened.
    """

    def __init__(self, target: str) -> None:
        parts = urllib.parse.urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._scheme = parts.scheme
        self._loop = asyncio.new_event_loop()
        self._fault: Fault | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.happened = threading.Event()
        self.connections = 0

    def arm(self, fault: Fault) -> None:
        """Let it happen to what passes from now on."""
        self.happened.clear()
        self._call(self._arm(fault))

    def disarm(self) -> None:
        """Only pass bytes on again."""
        self._call(self._arm(None))

    def cut(self) -> None:
        """Reset every connection there is."""
        self._call(self._cut())

    async def _arm(self, fault: Fault | None) -> None:
        self._fault = fault

    async def _cut(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    def _call(self, coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{self._scheme}://127.0.0.1:{port}"

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            back_reader, back_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        pair = (writer, back_writer)
        self._writers.update(pair)
        try:
            await asyncio.gather(
                self._pass("up", reader, back_writer, pair),
                self._pass("down", back_reader, writer, pair),
            )
        finally:
            self._writers.difference_update(pair)
            for one in pair:
                one.close()

    async def _pass(
        self,
        way: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if (fault := self._fault) is not None and fault.way == way:
                    data = await self._disturb(fault, data, writer, pair)
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            for one in pair:
                _reset(one)

    async def _disturb(
        self,
        fault: Fault,
        data: bytes,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, ...],
    ) -> bytes:
        """Let the fault happen when its moment has come; what is left to pass on."""
        passing = fault.share(len(data))
        if passing == len(data):
            return data
        fault.times -= 1
        if fault.times <= 0:
            self._fault = None
        writer.write(data[:passing])
        await writer.drain()
        if fault.action == "delay":
            self.happened.set()
            await asyncio.sleep(fault.seconds)
            return data[passing:]
        for one in pair:
            _reset(one) if fault.action == "reset" else one.close()
        self.happened.set()
        raise ConnectionAbortedError(fault.action)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other side sees a reset."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
