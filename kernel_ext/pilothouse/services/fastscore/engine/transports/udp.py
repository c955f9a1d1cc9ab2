"""UDP datagrams, one record each.

An input is bound to ``BindTo``; an output sends to that host (``Host`` in literals).
It ends only with a control record.
"""

from __future__ import annotations

import asyncio
from collections import deque

from .base import Reader, StreamError, Writer

__all__ = ["UdpReader", "UdpWriter"]

MAX_QUEUED = 10_000
"""Datagrams that wait for a busy engine; more are lost, as UDP allows."""


class _Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.queue: deque[bytes] = deque(maxlen=MAX_QUEUED)
        self.arrived = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.queue.append(data)
        self.arrived.set()


class UdpReader(Reader):
    """Receives datagrams."""

    def __init__(self, bind_to: str, port: int) -> None:
        self._address = (bind_to, port)
        self._inbox = _Inbox()
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Bind the port."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self._inbox, local_addr=self._address
            )
        except OSError as exc:
            raise StreamError(f"cannot bind UDP {self._address}: {exc}") from exc

    async def read(self) -> list[bytes] | None:
        """Return the datagrams that have come."""
        while not self._inbox.queue:
            self._inbox.arrived.clear()
            await self._inbox.arrived.wait()
        found = list(self._inbox.queue)
        self._inbox.queue.clear()
        return found

    async def close(self) -> None:
        """Let the port go."""
        if self._transport is not None:
            self._transport.close()


class UdpWriter(Writer):
    """Sends datagrams."""

    def __init__(self, host: str, port: int) -> None:
        self._address = ("127.0.0.1" if host == "0.0.0.0" else host, port)
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Make a socket."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=self._address
            )
        except OSError as exc:
            raise StreamError(f"cannot open UDP {self._address}: {exc}") from exc

    async def write(self, data: bytes) -> None:
        """Send one record."""
        if self._transport is None:
            raise StreamError("the UDP stream is not open")
        self._transport.sendto(data)

    async def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
