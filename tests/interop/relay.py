"""A relay between a Fastmap client and the service that writes down what passes.

A test reads its record instead of trusting what the client says, and may meddle: give
an answer itself, or change the service's answer on its way back.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import msgpack

from web_server import WebServer

_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
_LONGEST_S = 120


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def word(self) -> str:
        """Its status word, or nothing."""
        return self.headers.get("X-Status", "")

    @property
    def told(self) -> dict[str, Any]:
        """Its body as a map; empty for a binary one."""
        if self.headers.get("Content-Type") != "application/msgpack":
            return {}
        return msgpack.unpackb(self.body)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it came, and what was answered.

    Attributes:
        call: The last step of its path: ``auth``, ``init``, ``map``, ``done`` ...
        headers: Of the request.
        body: Of the request.
        reply: What the client was given; None when the service was not there.
        began: When the request was whole, as `time.monotonic` has it.
    """

    call: str
    headers: Mapping[str, str]
    body: bytes
    reply: Reply | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def sent(self) -> dict[str, Any]:
        """The request's body as a map."""
        return msgpack.unpackb(self.body)


Answering = Callable[[Exchange], Reply | None]
"""Gives an answer in place of the service, or None to let the request pass."""
Changing = Callable[[Exchange, Reply], Reply]
"""Gives the answer that the client gets for one of the service's."""


class Relay(WebServer):
    """The relay; ``url`` is where clients go.

    Args:
        target: Where the service listens.

    Attributes:
        exchanges: All that passed, in the order in which it was answered.
        answer: Asked first, for each request.
        change: Asked for each answer of the service.
    """

    daemon_threads = False
    request_queue_size = 256

    def __init__(self, target: str) -> None:
        super().__init__(_Handler)
        self.target = urlsplit(target).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.exchanges: list[Exchange] = []
        self.open: set[socket.socket] = set()
        self.answer: Answering = lambda exchange: None
        self.change: Changing = lambda exchange, reply: reply

    def calls(self) -> list[str]:
        """The calls in order."""
        return [one.call for one in self.exchanges]

    def of(self, call: str) -> list[Exchange]:
        """The exchanges of one call."""
        return [one for one in self.exchanges if one.call == call]

    def words(self, call: str = "") -> list[str]:
        """The status words that were answered, of one call or of all."""
        some = self.of(call) if call else self.exchanges
        return [one.reply.word for one in some if one.reply is not None]

    def forget(self) -> None:
        """Begin a new record, and let everything pass."""
        self.exchanges.clear()
        self.answer = lambda exchange: None
        self.change = lambda exchange, reply: reply

    def pass_on(self, exchange: Exchange, path: str) -> Reply | None:
        """Ask the service, unless the test answers."""
        if (given := self.answer(exchange)) is not None:
            return given
        connection = http.client.HTTPConnection(self.target, timeout=_LONGEST_S)
        try:
            headers = {k: v for k, v in exchange.headers.items() if k not in _HOP}
            connection.request("POST", path, exchange.body, headers)
            answer = connection.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            reply = Reply(answer.status, kept, answer.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return self.change(exchange, reply)


@contextmanager
def relaying(target: str) -> Iterator[Relay]:
    """A relay that listens, for as long as the block lasts."""
    with Relay(target) as relay:
        thread = threading.Thread(target=relay.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()
            for connection in list(relay.open):
                with suppress(OSError):  # it has ended by itself meanwhile
                    connection.shutdown(socket.SHUT_RDWR)


def signed(secret: str, body: bytes) -> str:
    """The signature of a body, as the reference document has it."""
    return hmac.new(secret[32:].encode(), body, hashlib.sha256).hexdigest()


def told(
    secret: str, word: str, value: dict[str, Any] | None = None, *, status: int = 200
) -> Reply:
    """An answer in MessagePack, signed."""
    body = msgpack.packb(value or {})
    headers = {
        "Content-Type": "application/msgpack",
        "X-Status": word,
        "X-Content-Signature": signed(secret, body),
    }
    return Reply(status, headers, body)


def without(reply: Reply, *names: str) -> Reply:
    """The same answer without some of its headers."""
    low = {name.lower() for name in names}
    kept = {k: v for k, v in reply.headers.items() if k.lower() not in low}
    return replace(reply, headers=kept)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Relay
    protocol_version = "HTTP/1.1"
    timeout = _LONGEST_S
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        with suppress(OSError):  # the client has gone
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the record is the log."""

    def do_POST(self) -> None:  # (http.server's name)
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = int(headers.get("content-length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:  # cut off by the client: no service would get it whole
            self.close_connection = True
            return
        exchange = Exchange(self.path.rpartition("/")[2], headers, body)
        reply = self.server.pass_on(exchange, self.path)
        self.server.exchanges.append(replace(exchange, reply=reply))
        if reply is None:
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        with suppress(OSError):  # the client does not wait any more
            self.wfile.write(reply.body)
            self.wfile.flush()
