"""What the host knows of a service: how to start it, where it listens, how to stop it.

A service is a factory ``async (ServiceConfig) -> RunningService``, registered by name
in `pilothouse.services.registry`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from aiohttp import web

from pilothouse.fastscore.wire.values import JSON

from .web import MAX_BODY_BYTES, Handler, Request, text_answer

if TYPE_CHECKING:
    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.web_protocol import RequestHandler

__all__ = ["HttpListener", "RunningService", "ServiceConfig", "ServiceFactory"]

_KEEP_ALIVE_SECONDS = 300.0
_READ_BUFFER_BYTES = 1024 * 1024
_MAX_LINE_BYTES = 16 * 1024
_LINGER_SECONDS = 2.0
_END_SECONDS = 5.0
_BACKLOG = 1024


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """What a service is started with.

    Attributes:
        data_dir: Its own folder; nobody else writes there.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        tls: With it, the service speaks TLS.
        token: What callers must show; ``None`` lets everybody in.
        options: What only this service understands.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    token: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)


class RunningService(Protocol):
    """A service that is up."""

    @property
    def endpoint(self) -> dict[str, str]:
        """Address and credentials, as ``pilothouse up --json`` prints them."""

    async def stop(self) -> None:
        """End in order: nothing acknowledged is lost."""


ServiceFactory: TypeAlias = Callable[[ServiceConfig], Awaitable[RunningService]]


def _stopping() -> web.Response:
    return text_answer("the services are stopping", 503)


class HttpListener:
    """One listening socket whose requests all go to one handler.

    Lower than an aiohttp application on purpose: its router and its middlewares cost
    more than most of our answers.

    Args:
        config: Where to listen.
        server: Makes the protocol of a connection.
        stopping: What is answered once the end has begun.
    """

    def __init__(
        self,
        config: ServiceConfig,
        *,
        server: type[web.Server] = web.Server,
        stopping: Callable[[], web.Response] = _stopping,
    ) -> None:
        self._config = config
        self._server_class = server
        self._stopping = stopping
        self._sockets: asyncio.Server | None = None
        self._server: web.Server | None = None
        self._busy = 0
        self._is_ending = False
        self._idle = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        host = self._config.host
        name = f"[{host}]" if ":" in host else host
        name = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name)
        scheme = "http" if self._config.tls is None else "https"
        return f"{scheme}://{name}:{self.port}"

    async def open(self, handler: Handler) -> None:
        """Listen.

        Raises:
            OSError: If the address cannot be had.
        """
        loop = asyncio.get_running_loop()

        def make_request(
            message: RawRequestMessage,
            payload: StreamReader,
            protocol: RequestHandler,
            writer: AbstractStreamWriter,
            task: asyncio.Task[None],
        ) -> Request:
            return Request(
                message,
                payload,
                protocol,
                writer,
                task,
                loop,
                client_max_size=MAX_BODY_BYTES,
            )

        self._server = self._server_class(
            self._counting(handler),  # type: ignore[arg-type]  # our Request is what it is called with
            request_factory=make_request,
            access_log=None,
            logger=_Terse(logging.getLogger(__name__), {}),
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            read_bufsize=_READ_BUFFER_BYTES,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        self._sockets = await loop.create_server(
            self._server,
            self._config.host,
            self._config.port,
            ssl=self._config.tls,
            backlog=_BACKLOG,
        )
        self.port = int(self._sockets.sockets[0].getsockname()[1])

    def refuse_new(self) -> None:
        """Accept no further connection, and no further request on those there are."""
        self._is_ending = True
        self._note_idle()
        if self._sockets is not None:
            self._sockets.close()

    async def close(self, timeout: float = _END_SECONDS) -> None:
        """Close; requests under way get so long to end. May be called twice."""
        self.refuse_new()
        self._sockets = None
        if self._server is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout)
        self._server.pre_shutdown()  # aiohttp drops the rest of a body from here on
        await self._server.shutdown(timeout)
        self._server = None

    def _counting(self, handler: Handler) -> Handler:
        """Return a handler that counts who is being answered."""

        async def answer(request: Request) -> web.StreamResponse:
            if self._is_ending:
                stopping = self._stopping()
                stopping.force_close()
                return stopping
            self._busy += 1
            try:
                return await handler(request)
            finally:
                self._busy -= 1
                self._note_idle()

        return answer

    def _note_idle(self) -> None:
        if self._is_ending and not self._busy:
            self._idle.set()


class _Terse(logging.LoggerAdapter[logging.Logger]):
    """Logs what a broken request did in one line; it is no fault of ours."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, Any]
    ) -> tuple[object, MutableMapping[str, Any]]:
        exc = kwargs.pop("exc_info", None)
        if isinstance(exc, BaseException):
            reason = " ".join(str(exc).split())[:200].replace("%", "%%")
            msg = f"{msg}: {type(exc).__name__}: {reason}"
        return msg, kwargs

    def exception(self, msg: object, *args: object, **kwargs: JSON) -> None:
        """Log at warning, without a traceback."""
        self.warning(msg, *args, **kwargs)
