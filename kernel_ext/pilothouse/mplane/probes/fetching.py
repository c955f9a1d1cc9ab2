"""One HTTP GET, timed phase by phase: name, connection, TLS, first byte, all bytes.

Redirects are not followed, nothing of the answer is kept; what is read is bounded in
bytes and time, and an interrupt ends it at once.

Source: RFC 9110 for the request; phases as curl's ``--write-out`` names them.
It opens sockets and imports nothing of the house but this folder.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from .connecting import open_connection
from .errors import MeasurementError
from .resolving import look_up
from .stopping import Stopping

__all__ = ["Fetched", "checked_url", "fetch"]

_PIECE_BYTES: Final = 256 * 1024
_PORTS: Final = {"http": 80, "https": 443}
_MAX_URL_CHARACTERS: Final = 2000


@dataclass(slots=True, kw_only=True)
class Fetched:
    """One answer; delays in seconds, each from the begin of its own phase.

    Attributes:
        resolution: Until the host's name was an address; 0 for an address.
        connection: Until TCP was connected.
        tls: Until TLS was agreed; ``None`` for plain HTTP.
        first_byte: From the request to the first byte of the answer.
        transfer: From the first byte to the last.
        total: All of it.
        octets: Bytes of the body.
        status: Of the answer.
        is_whole: ``False`` when the bound cut the body.
    """

    resolution: float = 0.0
    connection: float = 0.0
    tls: float | None = None
    first_byte: float = 0.0
    transfer: float = 0.0
    total: float = 0.0
    octets: int = 0
    status: int = 0
    is_whole: bool = True


def checked_url(url: str) -> SplitResult:
    """Return the parts of an address that may be fetched.

    Raises:
        MeasurementError: If it is none: only http and https, no credentials, no
            control characters.
    """
    hint = "as http://host[:port]/path, without user and password"
    if len(url) > _MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable():
        raise MeasurementError(f"{url[:80]!r} cannot be fetched", hint=hint)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise MeasurementError(f"{url[:80]!r} is no address: {exc}") from exc
    is_fine = parts.scheme in _PORTS and parts.hostname and " " not in url
    if not is_fine or parts.username is not None or port == 0:
        shown = url.rpartition("@")[2][:80]
        raise MeasurementError(f"{shown!r} cannot be fetched", hint=hint)
    return parts


def fetch(
    url: str,
    stopping: Stopping,
    *,
    timeout: float,
    max_bytes: int,
    ca_file: str | None = None,
) -> Fetched:
    """Get an address once.

    Args:
        url: Of scheme http or https.
        stopping: Ends it when the measurement is asked to stop.
        timeout: Longest time for all of it, in seconds.
        max_bytes: Of the body; more is not read.
        ca_file: PEM file of authorities to trust beside those of the system.

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If no answer could be had; the message says in which phase.
    """
    parts = checked_url(url)
    deadline = time.monotonic() + timeout
    begin = time.perf_counter()
    fetched = Fetched()
    connection = _connected(parts, fetched, stopping, deadline)
    try:
        if parts.scheme == "https":
            host = parts.hostname or ""
            context = ssl.create_default_context()
            if ca_file:
                context.load_verify_locations(ca_file)
            begin_tls = time.perf_counter()
            connection = _wrapped(connection, context, host, stopping, deadline)
            fetched.tls = time.perf_counter() - begin_tls
        _exchange(connection, parts, fetched, stopping, deadline, max_bytes)
    finally:
        connection.close()
    fetched.total = time.perf_counter() - begin
    return fetched


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _connected(
    parts: SplitResult, fetched: Fetched, stopping: Stopping, deadline: float
) -> socket.socket:
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    reason = "the name has no address"
    for address in _addresses(host, fetched, stopping, deadline):
        outcome, connection = open_connection(address, port, stopping, _left(deadline))
        if connection is not None:
            fetched.connection = outcome.delay or 0.0
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        reason = outcome.reason
    raise MeasurementError(
        f"cannot connect to {host} port {port}: {reason}",
        hint="is a server listening there?",
    )


def _addresses(
    host: str, fetched: Fetched, stopping: Stopping, deadline: float
) -> tuple[IPv4Address | IPv6Address, ...]:
    try:
        return (ip_address(host),)
    except ValueError:
        found = look_up(host, stopping, _left(deadline))
    fetched.resolution = found.delay or 0.0
    if not found.addresses:
        raise MeasurementError(
            f"the name {host!r} cannot be resolved: {found.code}",
            hint="see /etc/resolv.conf of the probe's machine, or write an address",
        )
    return tuple(dict.fromkeys(found.addresses))


def _wrapped(
    connection: socket.socket,
    context: ssl.SSLContext,
    host: str,
    stopping: Stopping,
    deadline: float,
) -> socket.socket:
    wrapped = context.wrap_socket(
        connection, server_hostname=host, do_handshake_on_connect=False
    )
    try:
        _patiently(wrapped, wrapped.do_handshake, stopping, deadline)
    except (OSError, ValueError) as exc:
        wrapped.close()
        raise MeasurementError(
            f"no TLS with {host}: {getattr(exc, 'verify_message', '') or exc}",
            hint="is its certificate one that the probe's machine trusts?",
        ) from exc
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _patiently(
    connection: socket.socket,
    act: Callable[[], Any],
    stopping: Stopping,
    deadline: float,
) -> Any:  # noqa: ANN401 - whatever the action returns
    """Do something that may not block, as soon as it can be done."""
    while True:
        try:
            return act()
        except (ssl.SSLWantReadError, BlockingIOError):
            ready = stopping.until_readable(connection, _left(deadline))
        except ssl.SSLWantWriteError:
            ready = stopping.until_writable(connection, _left(deadline))
        if not ready:
            raise TimeoutError("the time is over")


class _Incoming(io.RawIOBase):
    """What a socket that does not block sends us; notes when it began."""

    def __init__(
        self, connection: socket.socket, stopping: Stopping, deadline: float
    ) -> None:
        self._connection = connection
        self._stopping = stopping
        self._deadline = deadline
        self.began: float | None = None
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io declares it
        def receive() -> int:
            return self._connection.recv_into(buffer)

        self._stopping.check()
        if not _left(self._deadline):  # also where there is always more to read
            raise TimeoutError("the time is over")
        count = _patiently(self._connection, receive, self._stopping, self._deadline)
        if self.began is None:
            self.began = time.perf_counter()
        self.has_ended = self.has_ended or not count
        return int(count)


class _Answering:
    """What `http.client.HTTPResponse` wants of a socket."""

    def __init__(self, incoming: _Incoming) -> None:
        self._incoming = incoming

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(self._incoming, _PIECE_BYTES)


def _exchange(
    connection: socket.socket,
    parts: SplitResult,
    fetched: Fetched,
    stopping: Stopping,
    deadline: float,
    max_bytes: int,
) -> None:
    incoming = _Incoming(connection, stopping, deadline)
    try:
        begin = time.perf_counter()
        _send(connection, _request(parts), stopping, deadline)
        response = http.client.HTTPResponse(
            _Answering(incoming),  # type: ignore[arg-type]
            method="GET",
        )
        response.begin()
        if incoming.has_ended:  # the head ends with a line, not with the connection
            raise http.client.IncompleteRead(b"")
        while piece := response.read1(_PIECE_BYTES):
            fetched.octets += len(piece)
            if fetched.octets >= max_bytes:
                fetched.is_whole = False
                break
        if fetched.is_whole and response.length:
            raise http.client.IncompleteRead(b"", response.length)
    except (OSError, http.client.HTTPException) as exc:
        raise MeasurementError(
            f"no whole answer from {parts.hostname}: {str(exc) or type(exc).__name__}",
            hint="is it a web server, and fast enough?",
        ) from exc
    began = incoming.began or time.perf_counter()
    fetched.first_byte = began - begin
    fetched.transfer = time.perf_counter() - began
    fetched.status = response.status


def _send(
    connection: socket.socket, data: bytes, stopping: Stopping, deadline: float
) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[connection.send(rest) :]
        except (ssl.SSLWantWriteError, BlockingIOError):
            if not stopping.until_writable(connection, _left(deadline)):
                raise TimeoutError("the request was not taken") from None
        except ssl.SSLWantReadError:
            if not stopping.until_readable(connection, _left(deadline)):
                raise TimeoutError("the request was not taken") from None


def _request(parts: SplitResult) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "User-Agent: pilothouse-probe",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
