"""The hops of a path by sockets of our own: UDP with rising hop limits.

Linux hands the ICMP errors that such packets cause to the very socket that sent them,
so no permission is needed.

Source: Linux ``ip(7)`` and ``ipv6(7)``, ``IP_RECVERR``; ``linux/errqueue.h``:

    sock_extended_err = errno:u32 origin:u8 type:u8 code:u8 pad:u8 info:u32 data:u32
    offender          = family:u16 ...        ; who sent the ICMP error

It opens sockets and imports nothing of the house but this folder.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from .errors import MeasurementError
from .stopping import Stopping
from .tracing import Hop

__all__ = ["can_trace", "trace_by_sockets"]

_WAIT_SECONDS: Final = 1.0
_FIRST_PORT: Final = 33434
_ERROR: Final = struct.Struct("@IBBBBII")
_PAYLOAD: Final = b"pilothouse traceroute probe.".ljust(32, b".")

_RECVERR: Final = {4: (0, 11), 6: (41, 25)}
"""IP version -> level and option that switch the queue of errors on."""

_HOP_LIMIT: Final = {4: (0, 2), 6: (41, 16)}
"""IP version -> level and option of the hop limit."""

_ICMP_ORIGINS: Final = frozenset({2, 3})
_TOO_FAR: Final = {4: 11, 6: 3}
"""IP version -> type of the ICMP message of a router on the way."""

_ADDRESS_AT: Final = {4: slice(4, 8), 6: slice(8, 24)}


def can_trace() -> bool:
    """Tell whether this system hands out the errors."""
    return sys.platform == "linux"


def trace_by_sockets(
    address: IPv4Address | IPv6Address, stopping: Stopping, max_hops: int
) -> Iterator[Hop]:
    """Yield the hops to an address, as they get known.

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If this machine cannot send there.
    """
    for number in range(1, max_hops + 1):
        hop, is_last = _hop(address, number, stopping)
        yield hop
        if is_last:
            return


def _hop(
    address: IPv4Address | IPv6Address, number: int, stopping: Stopping
) -> tuple[Hop, bool]:
    """Send one packet; return who answered, and whether the path ends there."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.setblocking(False)
            connection.setsockopt(*_RECVERR[address.version], 1)
            connection.setsockopt(*_HOP_LIMIT[address.version], number)
            connection.connect((str(address), _FIRST_PORT + number))
            begin = time.perf_counter()
            connection.send(_PAYLOAD)
            return _answer(connection, address, number, begin, stopping)
    except OSError as exc:
        raise MeasurementError(
            f"cannot send to {address}: {exc.strerror or exc}",
            hint="see the routes and addresses of the probe's machine",
        ) from exc


def _answer(
    connection: socket.socket,
    address: IPv4Address | IPv6Address,
    number: int,
    begin: float,
    stopping: Stopping,
) -> tuple[Hop, bool]:
    left = begin + _WAIT_SECONDS - time.perf_counter()
    for _ in stopping.arrivals(connection, left):
        delay = time.perf_counter() - begin
        found = _offender(connection, address.version)
        if found is None:  # somebody listens there, and has answered
            return Hop(number=number, address=address, delay=delay), True
        who, kind = found
        is_last = kind != _TOO_FAR[address.version]
        if who is not None:
            return Hop(number=number, address=who, delay=delay), is_last
    return Hop(number=number, address=None, delay=None), False


def _offender(
    connection: socket.socket, version: int
) -> tuple[IPv4Address | IPv6Address | None, int] | None:
    """Take one error; return who sent it, and its type; ``None`` if there is none."""
    try:
        _, extra, _, _ = connection.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    except BlockingIOError:
        return None
    for level, kind, data in extra:
        if (level, kind) != _RECVERR[version] or len(data) < _ERROR.size:
            continue
        _errno, origin, icmp_type, *_ = _ERROR.unpack_from(data)
        raw = data[_ERROR.size :][_ADDRESS_AT[version]]
        if origin in _ICMP_ORIGINS and len(raw) == (4 if version == 4 else 16):
            who = IPv4Address(raw) if version == 4 else IPv6Address(raw)
            return who, icmp_type
    return None, -1
