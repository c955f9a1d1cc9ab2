"""TCP connections.

A stream whose host is ``0.0.0.0``, ``::`` or empty waits for one peer to connect to
its port (so does the literal ``tcp::port``); any other host is connected to.
"""

from __future__ import annotations

import asyncio
import contextlib

from .base import CHUNK_BYTES, Reader, StreamError, Writer

__all__ = ["TcpReader", "TcpWriter"]

CONNECT_SECONDS = 10.0
_ANY = ("", "0.0.0.0", "::")


class _Connection:
    """One connection, made or awaited."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._peer: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]

    async def open(self) -> None:
        self._peer = asyncio.get_running_loop().create_future()
        try:
            if self._host in _ANY:
                self._server = await asyncio.start_server(
                    self._accept, self._host or None, self._port
                )
                return
            async with asyncio.timeout(CONNECT_SECONDS):
                self._peer.set_result(
                    await asyncio.open_connection(self._host, self._port)
                )
        except (OSError, TimeoutError) as exc:
            where = f"{self._host or '*'}:{self._port}"
            reason = str(exc) or f"no answer within {CONNECT_SECONDS:.0f} s"
            raise StreamError(f"cannot open TCP {where}: {reason}") from exc

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._peer.done():
            writer.close()
        else:
            self._peer.set_result((reader, writer))

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.shield(self._peer)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        peer = getattr(self, "_peer", None)
        if peer is None:
            return
        if not peer.done():
            peer.cancel()
        elif not peer.cancelled():
            writer = peer.result()[1]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class TcpReader(Reader):
    """Reads what a peer sends until it closes."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = _Connection(host, port)

    async def open(self) -> None:
        """Connect, or begin to listen."""
        await self._connection.open()

    async def read(self) -> list[bytes] | None:
        """Return the next piece."""
        reader, _ = await self._connection.streams()
        try:
            data = await reader.read(CHUNK_BYTES)
        except OSError as exc:
            raise StreamError(f"the TCP stream broke: {exc}") from exc
        return [data] if data else None

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


class TcpWriter(Writer):
    """Sends to a peer."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = _Connection(host, port)

    async def open(self) -> None:
        """Connect, or begin to listen."""
        await self._connection.open()

    async def write(self, data: bytes) -> None:
        """Send a piece."""
        _, writer = await self._connection.streams()
        try:
            writer.write(data)
            await writer.drain()
        except OSError as exc:
            raise StreamError(f"the TCP stream broke: {exc}") from exc

    async def close(self) -> None:
        """Close the connection; what was written is sent first."""
        await self._connection.close()
