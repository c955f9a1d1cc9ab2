"""ICMP echo over sockets of our own: datagram where permitted, else raw.

Source: RFC 792 and RFC 4443 (echo request and reply), Linux ``icmp(7)`` for datagram
sockets, RFC 1071 for the checksum.

    message = type code checksum identifier sequence payload
    payload = 16 random bytes, that only our reply has, then filling

The reply is stamped by the kernel where it offers that. It imports nothing of the house
but this folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Self

from .errors import MeasurementError
from .stopping import Stopping

__all__ = ["KINDS", "EchoSocket", "is_permitted"]

_HEADER: Final = struct.Struct("!BBHHH")
_STAMP: Final = struct.Struct("@ll")
_SO_TIMESTAMPNS: Final = 35
_MARK_BYTES: Final = 16
_PAYLOAD_BYTES: Final = 56
_REQUEST_REPLY: Final = {4: (8, 0), 6: (128, 129)}
_MAX_PACKET_BYTES: Final = 2048


KINDS: Final = {"datagram": socket.SOCK_DGRAM, "raw": socket.SOCK_RAW}
"""Kinds of ICMP socket by name, in the order in which they are tried."""


def is_permitted(version: int, kind: str) -> bool:
    """Tell whether this process may open such an ICMP socket."""
    try:
        _open(version, KINDS[kind]).close()
    except OSError:
        return False
    return True


def _open(version: int, kind: socket.SocketKind) -> socket.socket:
    if version == 4:
        return socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
    return socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6)


class EchoSocket:
    """Sends echo requests to one address, one at a time.

    Args:
        address: The target.
        kind: A name of `KINDS` that `is_permitted`.
        source: Address to send from; the system chooses when it is ``None``.

    Raises:
        MeasurementError: If the socket is refused or there is no route.
    """

    def __init__(
        self,
        address: IPv4Address | IPv6Address,
        kind: str,
        source: IPv4Address | IPv6Address | None = None,
    ) -> None:
        self._version = address.version
        self._request, self._reply = _REQUEST_REPLY[address.version]
        self._sequence = 0
        self._identifier = os.getpid() & 0xFFFF
        try:
            self._socket = _open(address.version, KINDS[kind])
        except OSError as exc:
            raise MeasurementError(
                f"this user may not open an ICMP socket: {exc.strerror}",
                hint="widen net.ipv4.ping_group_range, or give the process CAP_NET_RAW",
            ) from exc
        try:
            self._socket.setblocking(False)
            self._ask_for_stamps()
            if source is not None:
                self._socket.bind((str(source), 0))
            self._socket.connect((str(address), 0))
        except OSError as exc:
            self._socket.close()
            raise MeasurementError(
                f"cannot send to {address}: {exc.strerror}",
                hint="see the routes and addresses of the probe's machine",
            ) from exc

    def _ask_for_stamps(self) -> None:
        if sys.platform != "linux":
            return  # elsewhere the number is another option's
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def echo(self, stopping: Stopping, timeout: float) -> float | None:
        """Send one request; return the round-trip delay, in seconds.

        Args:
            stopping: Ends the wait when the measurement is asked to stop.
            timeout: Longest wait for the reply, in seconds.

        Returns:
            The delay, or ``None`` when no reply came.

        Raises:
            Interrupted: If the measurement was asked to stop.
            MeasurementError: If the system refuses to send.
        """
        self._sequence = (self._sequence + 1) & 0xFFFF
        mark = os.urandom(_MARK_BYTES)
        packet = self._packet(mark)
        wall, sent = time.time(), time.monotonic()
        try:
            self._socket.send(packet)
        except BlockingIOError:
            return None  # the system's queue is full: as good as lost
        except OSError as exc:
            raise MeasurementError(
                f"cannot send an echo request: {exc.strerror}",
                hint="see the routes of the probe's machine",
            ) from exc
        left = sent + timeout - time.monotonic()
        for _ in stopping.arrivals(self._socket, left):
            stamp = self._take(mark)
            if stamp is not None:
                longest = time.monotonic() - sent
                delay = stamp - wall
                return delay if 0.0 < delay <= longest else longest
        return None

    def _packet(self, mark: bytes) -> bytes:
        payload = mark.ljust(_PAYLOAD_BYTES, b"\0")
        head = _HEADER.pack(self._request, 0, 0, self._identifier, self._sequence)
        total = _checksum(head + payload)  # the kernel makes ICMPv6's itself
        head = _HEADER.pack(self._request, 0, total, self._identifier, self._sequence)
        return head + payload

    def _take(self, mark: bytes) -> float | None:
        """Take one packet; return when it came (wall clock) if it is our reply."""
        try:
            data, extra, _flags, _from = self._socket.recvmsg(_MAX_PACKET_BYTES, 256)
        except OSError:
            return None  # an ICMP error that the kernel tells: no reply
        came = time.time()
        for level, kind, value in extra:
            stamped = (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS)
            if stamped and len(value) >= _STAMP.size:
                seconds, nanoseconds = _STAMP.unpack_from(value)
                came = seconds + nanoseconds / 1e9
        return came if self._is_ours(data, mark) else None

    def _is_ours(self, data: bytes, mark: bytes) -> bool:
        if self._version == 4 and data[:1] and data[0] >> 4 == 4:
            data = data[(data[0] & 15) * 4 :]  # raw sockets give the IP header too
        if len(data) < _HEADER.size + _MARK_BYTES:
            return False
        kind, _code, _sum, _identifier, sequence = _HEADER.unpack_from(data)
        its = data[_HEADER.size : _HEADER.size + _MARK_BYTES]
        return bool(kind == self._reply and sequence == self._sequence and its == mark)

    def close(self) -> None:
        """Close the socket. May be called twice."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checksum(data: bytes) -> int:
    total = int(sum(struct.unpack(f"!{len(data) // 2}H", data)))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return ~total & 0xFFFF
