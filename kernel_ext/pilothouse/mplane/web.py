"""What component and listening client share as HTTP servers: one handler, one server.

Tornado, on the asyncio loop that runs; nothing here blocks it. A request that a web
page sent (it has an ``Origin``) is refused: peers are programs. Every refusal has
an mPlane exception as its body.

Source: contract §6.1, §6.3.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import tornado.httpserver
import tornado.web
from tornado.iostream import StreamClosedError

from pilothouse.errors import ProtocolError
from pilothouse.mplane import model
from pilothouse.mplane.media import MEDIA_TYPE, Message, body_of, message_of

__all__ = ["MessageHandler", "MessageServer", "RefusedError", "application"]

log = logging.getLogger(__name__)

_MAX_HEADER_BYTES = 1 << 16
_BODY_SECONDS = 60.0
_IDLE_SECONDS = 600.0
_BACKLOG = 512
_MANY_VALUES = 2_000
_MAX_SHOWN = 200


class RefusedError(tornado.web.HTTPError):
    """A request that is answered with a status and an mPlane exception."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, "%s", text)
        self.text = text


class MessageHandler(tornado.web.RequestHandler):
    """A handler that answers with messages, refusals included."""

    def set_default_headers(self) -> None:
        """Send no name and version of the server; forbid guesses at the type."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        """Refuse what a web page sends.

        Raises:
            RefusedError: If the request has an ``Origin``.
        """
        if "Origin" in self.request.headers:
            raise RefusedError(403, "requests of web pages are not taken")

    def read_message(self) -> Message:
        """Return the message in the body.

        Raises:
            RefusedError: If the type is another (406), or it is none (400).
        """
        given = self.request.headers.get("Content-Type", "")
        if given != MEDIA_TYPE:
            raise RefusedError(
                406, f"Content-Type {given[:_MAX_SHOWN]!r} is not {MEDIA_TYPE}"
            )
        try:
            return message_of(self.request.body)
        except ProtocolError as exc:
            raise RefusedError(400, exc.message) from exc

    async def respond(
        self,
        message: Message,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with a message, and wait until it is on its way.

        Raises:
            StreamClosedError: If the peer has gone.
        """
        if _is_long(message):
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(None, body_of, message)
        else:
            body = body_of(message)
        self.set_status(status)
        for name, value in (headers or {}).items():
            self.set_header(name, value)
        await self.send_body(body)

    def send_body(
        self, body: bytes, media_type: str = MEDIA_TYPE
    ) -> asyncio.Future[None]:
        """Answer with bytes."""
        self.set_header("Content-Type", media_type)
        return self.finish(body)

    def compute_etag(self) -> str | None:
        """Return None: no answer is kept by anybody."""
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401
        """Answer with an exception that says why."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        text = error.text if isinstance(error, RefusedError) else _phrase(status_code)
        if status_code == 405 and not isinstance(error, RefusedError):
            text = f"{self.request.method} is not for {self.request.path[:_MAX_SHOWN]}"
        self.send_body(body_of(model.Exception(errmsg=text, status=status_code)))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: Any,  # noqa: ANN401 - the base's signature
    ) -> None:
        """Log a refusal in one line; a fault of ours with its traceback."""
        if isinstance(value, tornado.web.HTTPError | StreamClosedError):
            log.info("refused %s: %s", self.request.path[:_MAX_SHOWN], value)
        else:
            log.error(
                "%s %s failed",
                self.request.method,
                self.request.path[:_MAX_SHOWN],
                exc_info=value,
            )


class _NoSuchPath(MessageHandler):
    """Everything that no other handler takes."""

    def _refuse(self) -> None:
        status = 405 if self.request.method == "GET" else 404
        raise RefusedError(
            status, f"there is nothing at {self.request.path[:_MAX_SHOWN]!r}"
        )

    get = post = put = delete = head = options = patch = _refuse


def application(
    rules: Sequence[tuple[str, type[MessageHandler], Mapping[str, object]]],
) -> tornado.web.Application:
    """Return an application whose every answer is a message, refusals included.

    Args:
        rules: Pattern of the whole path, handler, its arguments.
    """
    return tornado.web.Application(
        [(pattern, handler, dict(kwargs)) for pattern, handler, kwargs in rules],
        default_handler_class=_NoSuchPath,
        log_function=_log_request,
    )


class MessageServer:
    """Listening sockets for one application, on the running loop.

    Args:
        app: Who answers.
        hosts: Addresses to listen on.
        port: 0 takes a free one.
        tls: With it, TLS is spoken.
        max_body_bytes: Longest request.
    """

    def __init__(
        self,
        app: tornado.web.Application,
        *,
        hosts: Sequence[str],
        port: int,
        tls: ssl.SSLContext | None = None,
        max_body_bytes: int,
    ) -> None:
        self._app = app
        self._hosts = tuple(hosts)
        self._tls = tls
        self._max_body_bytes = max_body_bytes
        self._server: tornado.httpserver.HTTPServer | None = None
        self.port = port

    @property
    def url(self) -> str:
        """The first address, with a slash at the end."""
        host = self._hosts[0]
        name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{self.port}/"

    def open(self) -> None:
        """Listen.

        Raises:
            OSError: If an address cannot be had.
        """
        sockets: list[socket.socket] = []
        try:
            for host in self._hosts:
                for family, address in _addresses(host):
                    sockets.append(_listening(family, address, self.port))
                    self.port = int(sockets[0].getsockname()[1])
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        self._server = tornado.httpserver.HTTPServer(
            self._app,
            ssl_options=self._tls,
            max_body_size=self._max_body_bytes,
            max_buffer_size=self._max_body_bytes + _MAX_HEADER_BYTES,
            max_header_size=_MAX_HEADER_BYTES,
            body_timeout=_BODY_SECONDS,
            idle_connection_timeout=_IDLE_SECONDS,
        )
        self._server.add_sockets(sockets)

    def refuse_new(self) -> None:
        """Accept no further connection."""
        if self._server is not None:
            self._server.stop()

    async def close(self) -> None:
        """Close all connections; may be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            await server.close_all_connections()


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(
        host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    pairs = [(family, str(address[0])) for family, *_, address in found]
    return list(dict.fromkeys(pairs))


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # Tornado's own function leaves a socket open when the address cannot be had.
    made = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    made.setblocking(False)
    return made


def _is_long(message: Message) -> bool:
    if isinstance(message, model.Envelope):
        return sum(map(_count, message.messages())) > _MANY_VALUES
    return _count(message) > _MANY_VALUES


def _count(message: Message) -> int:
    if isinstance(message, model.Envelope):
        return sum(map(_count, message.messages()))
    if isinstance(message, model.Result):
        return message.count_result_rows() * message.count_result_columns() + 20
    return 20


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status {status}"


def _log_request(handler: tornado.web.RequestHandler) -> None:
    request = handler.request
    log.debug(
        "%s %s: %d in %.1f ms",
        request.method,
        request.path,
        handler.get_status(),
        1000 * request.request_time(),
    )
