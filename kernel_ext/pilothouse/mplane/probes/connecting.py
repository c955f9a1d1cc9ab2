"""Round-trip delay by TCP connect: from the SYN to what answers it.

It opens sockets and imports nothing of the house but this folder.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from .errors import MeasurementError
from .stopping import Stopping

__all__ = ["Connecting", "connect", "open_connection"]

_ANSWERED = frozenset({0, errno.ECONNREFUSED})
_NOT_HERE = frozenset(
    {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM, errno.EMFILE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """How one attempt to connect ended.

    Attributes:
        delay: From the first packet to the answer, in seconds; ``None`` if none came.
        is_open: Whether the connection was established; a refusal is an answer too.
        reason: Why not; empty if it was.
    """

    delay: float | None
    is_open: bool
    reason: str = ""


def connect(
    address: IPv4Address | IPv6Address,
    port: int,
    stopping: Stopping,
    timeout: float,
) -> Connecting:
    """Connect once and close.

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If this machine cannot even try.
    """
    outcome, connection = open_connection(address, port, stopping, timeout)
    if connection is not None:
        connection.close()
    return outcome


def open_connection(
    address: IPv4Address | IPv6Address,
    port: int,
    stopping: Stopping,
    timeout: float,
) -> tuple[Connecting, socket.socket | None]:
    """Connect once; return how it went and the open socket (not blocking).

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If this machine cannot even try.
    """
    connection = _socket(address.version)
    try:
        connection.setblocking(False)
        begin = time.perf_counter()
        code = connection.connect_ex((str(address), port))
        if code == errno.EINPROGRESS:
            if not stopping.until_writable(connection, timeout):
                connection.close()
                reason = f"no answer within {timeout:g} s"
                return Connecting(delay=None, is_open=False, reason=reason), None
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        delay = time.perf_counter() - begin
    except BaseException:
        connection.close()
        raise
    if code:
        connection.close()
    if code in _NOT_HERE:
        raise _cannot(address, code)
    outcome = Connecting(
        delay=delay if code in _ANSWERED else None,
        is_open=code == 0,
        reason=os.strerror(code).lower() if code else "",
    )
    return outcome, None if code else connection


def _socket(version: int) -> socket.socket:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        return socket.socket(family, socket.SOCK_STREAM)
    except OSError as exc:
        raise MeasurementError(
            f"this machine gives no IPv{version} socket: {exc.strerror}"
        ) from exc


def _cannot(address: IPv4Address | IPv6Address, code: int) -> MeasurementError:
    return MeasurementError(
        f"this machine cannot connect to {address}: {os.strerror(code)}",
        hint="see its addresses, its firewall and its limit of open files",
    )
