"""One websocket connection with one thread that reads.

The thread answers pings, sends its own, notices a connection that died without a word,
and makes it anew after a pause that grows and is drawn at random. What comes in goes to
a callback, or into a bounded queue for `Socket.recv` and iteration.

    state:  connecting -> connected <-> lost -> closed
"""

from __future__ import annotations

import enum
import logging
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self, cast

import websocket

from pilothouse import errors, waits
from pilothouse.secrets import without_traces

from .endpoint import Endpoint
from .frames import BINARY, CLOSE, MORE, PING, TEXT, FrameReader, masked
from .retries import Retries

__all__ = ["FOREVER", "Socket", "SocketState", "translate"]

FOREVER = Retries(attempts=1 << 62, base=0.25, ceiling=15.0, total=float("inf"))
"""Try to connect again until closed."""

_LOG = logging.getLogger(__name__)


class SocketState(enum.StrEnum):
    """What a connection is doing."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"
    CLOSED = "closed"


class Socket:
    """A websocket connection that stays.

    Args:
        url: ``ws://`` or ``wss://`` (``http``, ``https`` are taken as those).
        headers: For the handshake; a function is asked again for each connection.
        origin: For the handshake; None: the URL's own.
        verify: As `Endpoint.verify`.
        on_text: Called on the reading thread with each text, instead of the queue.
        on_utf8: Likewise, with the text as it came in; the bytes are overwritten once
            it returns.
        on_state: Called with each new state, on the thread that brought it.
        on_open: Called after each connection made, before anything is read from it.
        max_queue: Most texts that wait for `recv`.
        overflow: What a full queue does: drop its oldest text and count it in
            ``dropped``, or let the reading thread, and so the peer, wait.
        ping_interval: Silence after which the peer is asked for a sign, in seconds.
        answer_timeout: Longest wait for that sign, for the rest of a frame and for a
            frame to be sent, in seconds.
        connect_timeout: Longest wait for a connection, in seconds.
        reconnect: How often a lost connection is made anew; None: never.
        max_message_bytes: A longer message ends the connection.
        protocol: The system spoken to, for the errors.

    Attributes:
        state: What the connection is doing.
        error: Why it was lost last, or None.
        dropped: Texts that a full queue has dropped.
        connections: How often a connection was made.
        answer_headers: What the peer's last handshake said, names in lower case.

    Raises:
        ValueError: If the URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        origin: str | None = None,
        verify: bool | str | None = None,
        on_text: Callable[[str], object] | None = None,
        on_utf8: Callable[[memoryview], object] | None = None,
        on_state: Callable[[SocketState], object] | None = None,
        on_open: Callable[[Socket], object] | None = None,
        max_queue: int = 10_000,
        overflow: Literal["drop-oldest", "block"] = "drop-oldest",
        ping_interval: float = 20.0,
        answer_timeout: float = 20.0,
        connect_timeout: float = 10.0,
        reconnect: Retries | None = FOREVER,
        max_message_bytes: int = 1 << 26,
        protocol: str = "",
    ) -> None:
        path, mark, query = url.partition("?")
        endpoint = Endpoint.parse(path)
        self._endpoint = endpoint
        self._url = endpoint.websocket() + mark + query
        self._origin = origin
        self._verify = endpoint.verify(verify)
        self._headers = headers
        self._on_text = on_text
        self._on_utf8 = on_utf8
        self._on_state = on_state
        self._on_open = on_open
        self._max_queue = max_queue
        self._overflow = overflow
        self._ping_interval = ping_interval
        self._answer_timeout = answer_timeout
        self._connect_timeout = connect_timeout
        self._reconnect = reconnect
        self._max_message_bytes = max_message_bytes
        self._protocol = protocol
        self.state = SocketState.CONNECTING
        self.error: errors.PilothouseError | None = None
        self.dropped = 0
        self.connections = 0
        self.answer_headers: Mapping[str, str] = {}
        self._queue: deque[str] = deque()
        self._changed = waits.Condition()
        self._closing = waits.Event()
        self._send_lock = threading.RLock()
        # OpenSSL allows no read beside a write on one connection; sockets do.
        self._read_lock = self._send_lock if endpoint.is_secure else threading.RLock()
        self._wire: Any = None
        self._frames: FrameReader
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._endpoint.url} {self.state}>"

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def open(self) -> Self:
        """Connect, and begin to read.

        Raises:
            TransportError: If no connection could be made.
            RemoteError: If the peer refused the handshake.
        """
        if self._thread is not None or self._closing.is_set():
            return self
        self._connect()
        self._thread = threading.Thread(
            target=self._run, name=f"websocket {self._endpoint.authority}", daemon=True
        )
        self._thread.start()
        return self

    def send_text(self, text: str) -> None:
        """Send a text.

        Raises:
            ConnectionLostError: If there is no connection now, or it broke.
        """
        self._send([text.encode()], TEXT)

    def send_utf8(self, texts: Iterable[bytes]) -> None:
        """Send texts that are UTF-8 already, together.

        Raises:
            ConnectionLostError: If there is no connection now, or it broke.
        """
        self._send(texts, TEXT)

    def send_binary(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            ConnectionLostError: If there is no connection now, or it broke.
        """
        self._send([data], BINARY)

    def recv(self, timeout: float | None = None) -> str:
        """Return the next text, waiting for it, also across a lost connection.

        Raises:
            AnswerTimeoutError: If none came within the timeout.
            ConnectionLostError: If the connection is closed and no text is left.
        """
        with self._changed:
            arrived = self._changed.wait_for(
                lambda: self._queue or self.state is SocketState.CLOSED, timeout
            )
            if self._queue:
                text = self._queue.popleft()
                self._changed.notify_all()
                return text
        if not arrived:
            raise errors.AnswerTimeoutError(
                f"no message from {self._endpoint.authority} within {timeout:g} s",
                protocol=self._protocol,
            )
        if self.error is not None:
            raise self.error
        raise errors.ConnectionLostError(
            f"the websocket to {self._endpoint.authority} is closed",
            protocol=self._protocol,
        )

    def __iter__(self) -> Iterator[str]:
        """Yield texts until the connection is closed."""
        while True:
            try:
                yield self.recv()
            except errors.PilothouseError:
                return

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until there is a connection; False when it is closed or time is up."""
        done = (SocketState.CONNECTED, SocketState.CLOSED)
        with self._changed:
            self._changed.wait_for(lambda: self.state in done, timeout)
            return self.state is SocketState.CONNECTED

    def renew(self) -> None:
        """Drop the connection that there is; another one is made, if that is wanted."""
        wire = self._wire
        if wire is not None:
            _cut(wire)

    def close(self) -> None:
        """End the connection and the reading thread; may be called twice."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        thread, wire = self._thread, self._wire
        other = thread is not None and thread is not threading.current_thread()
        if wire is not None and self._send_lock.acquire(timeout=0.5):
            try:
                with suppress(*_FAILURES):
                    wire.send_close()
            finally:
                self._send_lock.release()
            if other and thread is not None:
                thread.join(0.5)
        if wire is not None:
            _cut(wire)
        if other and thread is not None:
            thread.join(self._connect_timeout + 1.0)
        elif thread is None:
            self._drop_wire()
            self._set_state(SocketState.CLOSED)

    def _send(self, messages: Iterable[bytes], opcode: int) -> None:
        with self._send_lock:
            wire = self._wire
            sock = None if wire is None else wire.sock
            if sock is None or self.state is not SocketState.CONNECTED:
                raise errors.ConnectionLostError(
                    f"no connection to {self._endpoint.authority} now ({self.state})",
                    protocol=self._protocol,
                )
            try:
                for part in masked(messages, opcode):
                    while part:
                        part = part[sock.send(part) :]
            except _FAILURES as exc:
                _cut(wire)
                raise self._translate(exc) from exc

    def _connect(self) -> None:
        headers = self._headers() if callable(self._headers) else self._headers
        wire = websocket.WebSocket(
            sslopt=_ssl_options(self._verify), enable_multithread=True
        )
        try:
            cast("Any", wire).connect(
                self._url,
                header=[f"{name}: {value}" for name, value in (headers or {}).items()],
                origin=self._origin or self._endpoint.origin.replace("ws", "http", 1),
                timeout=self._connect_timeout,
                redirect_limit=0,
            )
            wire.settimeout(self._answer_timeout)
        except _FAILURES as exc:
            raise self._translate(exc, connecting=True) from exc
        self._wire = wire
        self._frames = FrameReader(cast("Any", wire.sock), self._max_message_bytes)
        self.answer_headers = dict(wire.getheaders() or {})
        self.connections += 1
        self._set_state(SocketState.CONNECTED)
        if self._on_open is not None:
            self._on_open(self)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    self._read()
                except _FAILURES as exc:
                    self.error = self._translate(exc)
                self._drop_wire()
                if not self._connect_again():
                    break
        except Exception as exc:
            _LOG.exception("reading from %s failed", self._endpoint.authority)
            self.error = errors.ProtocolError(
                f"reading from {self._endpoint.authority} failed: {exc!r}",
                protocol=self._protocol,
                hint="the log has the whole of it",
            )
        finally:
            self._drop_wire()
            self._set_state(SocketState.CLOSED)

    def _connect_again(self) -> bool:
        policy = self._reconnect
        tried, started = 0, time.monotonic()
        if self._closing.is_set() or policy is None:
            return False
        self._set_state(SocketState.LOST)
        while True:
            tried += 1
            pause = policy.pause(tried)
            if not policy.allows(tried, time.monotonic() - started, pause):
                return False
            if self._closing.wait(pause):
                return False
            try:
                self._connect()
            except errors.TransportError as exc:
                self.error = exc
            except errors.RemoteError as exc:
                self.error = exc
                return False
            else:
                return not self._closing.is_set()

    def _read(self) -> None:
        """Read until the peer ends the connection; raise when it breaks."""
        parts: list[bytes] = []
        kind, size = TEXT, 0
        while True:
            self._await_data()
            with self._read_lock:
                opcode, is_last, payload = self._frames.read()
            if opcode == CLOSE:
                with suppress(*_FAILURES), self._send_lock:
                    self._wire.send_close()
                raise websocket.WebSocketConnectionClosedException("closed by the peer")
            if opcode == PING:
                with self._send_lock:
                    self._wire.pong(bytes(payload))
            if opcode not in {TEXT, BINARY, MORE}:
                continue
            if opcode == TEXT and is_last:
                self._deliver(payload)
                continue
            if opcode != MORE:
                parts, kind, size = [], opcode, 0
            parts.append(bytes(payload))
            size += len(payload)
            if size > self._max_message_bytes:
                raise websocket.WebSocketPayloadException(
                    f"a message of more than {self._max_message_bytes} bytes"
                )
            if is_last:
                if kind == TEXT:
                    self._deliver(memoryview(b"".join(parts)))
                parts, size = [], 0

    def _await_data(self) -> None:
        """Return when something can be read; ask a silent peer for a sign."""
        sock = self._wire.sock
        if sock is None:
            raise websocket.WebSocketConnectionClosedException("closed")
        if self._frames.has_ahead:
            return
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return
        if _has_data(sock, self._ping_interval):
            return
        with self._send_lock:
            self._wire.ping()
        if not _has_data(sock, self._answer_timeout):
            raise websocket.WebSocketTimeoutException("no sign of life")

    def _deliver(self, utf8: memoryview) -> None:
        if self._on_utf8 is None:
            text = str(utf8, "utf-8")
            if self._on_text is None:
                self.put(text)
                return
        try:
            if self._on_utf8 is not None:
                self._on_utf8(utf8)
            elif self._on_text is not None:
                self._on_text(text)
        except Exception:
            _LOG.exception("a callback for websocket messages failed")

    def put(self, text: str) -> None:
        """Hand a text to whoever calls `recv`, as if it had come in."""
        with self._changed:
            if len(self._queue) >= self._max_queue:
                if self._overflow == "drop-oldest":
                    self._queue.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait_for(
                        lambda: (
                            len(self._queue) < self._max_queue or self._closing.is_set()
                        )
                    )
            self._queue.append(text)
            self._changed.notify_all()

    def _drop_wire(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.shutdown()

    def _set_state(self, state: SocketState) -> None:
        with self._changed:
            if self.state is state:
                return
            self.state = state
            self._changed.notify_all()
        if self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:
                _LOG.exception("a callback for websocket states failed")

    def _translate(
        self, exc: BaseException, *, connecting: bool = False
    ) -> errors.PilothouseError:
        return translate(
            exc,
            peer=self._endpoint.authority,
            protocol=self._protocol,
            connecting=connecting,
        )


_FAILURES = (websocket.WebSocketException, OSError, ValueError)


def translate(
    exc: BaseException, *, peer: str, protocol: str = "", connecting: bool = False
) -> errors.PilothouseError:
    """Return the error of `pilothouse.errors` that tells what websocket-client raised.

    Args:
        exc: A `WebSocketException`, `OSError` or `ValueError` (text that is no UTF-8).
        peer: Host and port, for the message.
        protocol: The system it concerns.
        connecting: Whether it happened before the connection was there.
    """
    without_traces(exc)  # the frames below hold the headers of the handshake
    if isinstance(exc, websocket.WebSocketBadStatusException):
        return _refusal(exc, peer, protocol)
    if isinstance(exc, websocket.WebSocketTimeoutException | TimeoutError):
        text = f"no {'connection to' if connecting else 'sign of'} {peer} in time"
        return errors.AnswerTimeoutError(text, protocol=protocol)
    if isinstance(
        exc,
        websocket.WebSocketPayloadException
        | websocket.WebSocketProtocolException
        | ValueError,
    ) and not isinstance(exc, ssl.SSLError):
        return errors.ProtocolError(
            f"{peer} broke the websocket protocol: {exc}", protocol=protocol
        )
    words = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    if connecting or isinstance(exc, websocket.WebSocketAddressException):
        hint = None
        if isinstance(exc, ssl.SSLError):
            hint = "verify= takes the path of a CA file, or False to trust any"
        text = f"no connection to {peer}: {words}"
        return errors.ConnectError(text, protocol=protocol, hint=hint)
    return errors.ConnectionLostError(
        f"the websocket to {peer} broke: {words}", protocol=protocol
    )


def _refusal(
    exc: websocket.WebSocketBadStatusException, peer: str, protocol: str
) -> errors.PilothouseError:
    status = exc.status_code
    body = getattr(exc, "resp_body", None) or b""
    said = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    text = f"{peer} refused the websocket: {status} {said.strip()[:200]}".rstrip()
    if status in {401, 403}:
        return errors.NotAuthorizedError(text, protocol=protocol)
    if status == 404:
        return errors.NotFoundError(text, protocol=protocol)
    if status >= 500:
        return errors.ConnectError(text, protocol=protocol)
    return errors.RemoteError(text, protocol=protocol)


def _cut(wire: websocket.WebSocket) -> None:
    """Wake whoever waits on a connection; its own ``abort`` spares a closing one."""
    sock = wire.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _has_data(sock: socket.socket, timeout: float) -> bool:
    """Wait until something can be read; return whether it can."""
    if not hasattr(select, "poll"):  # Windows, where a select has no highest number
        return bool(select.select([sock], [], [], timeout)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def _ssl_options(verify: bool | str) -> dict[str, Any]:
    if verify is True:
        return {}
    if verify is False:
        return {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    return {"ca_cert_path" if Path(verify).is_dir() else "ca_certs": verify}
