"""One DNS question to one server, over UDP, timed.

Source: RFC 1035 §4 (messages), RFC 3596 (AAAA), RFC 2782 (SRV).

    query    = id flags qd an ns ar  name type class
    flags    = 0x0100                        ; recursion desired
    name     = *(length label) 0

It opens sockets and imports nothing of the house but this folder.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from .errors import MeasurementError
from .resolving import checked_name
from .stopping import Stopping

__all__ = ["TYPES", "Answer", "ask", "query_bytes", "read_answer"]

TYPES: Final = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
}
"""Record types by name."""

_CODES: Final = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_HEADER: Final = struct.Struct("!HHHHHH")
_IS_ANSWER: Final = 0x8000
_RECURSE: Final = 0x0100
_INTERNET: Final = 1
_MAX_ANSWER_BYTES: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        delay: Until the answer, in seconds; ``None`` if none came.
        code: The server's word (``"NOERROR"``, ``"NXDOMAIN"``, ...), or why none came.
        count: Records in the answer section; ``None`` without an answer.
    """

    delay: float | None
    code: str
    count: int | None = None


def ask(
    server: IPv4Address | IPv6Address,
    port: int,
    name: str,
    record: str,
    stopping: Stopping,
    timeout: float,
) -> Answer:
    """Ask one question, once.

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If it is no host name, or this machine cannot send.
    """
    number = secrets.randbelow(65536)
    query = query_bytes(number, name, record)
    family = socket.AF_INET if server.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.setblocking(False)
            connection.connect((str(server), port))
            begin = time.perf_counter()
            connection.send(query)
            return _await(connection, number, query, begin, stopping, timeout)
    except OSError as exc:
        raise MeasurementError(
            f"cannot ask {server}: {exc.strerror or exc}",
            hint="see the routes and the firewall of the probe's machine",
        ) from exc


def _await(
    connection: socket.socket,
    number: int,
    query: bytes,
    begin: float,
    stopping: Stopping,
    timeout: float,
) -> Answer:
    left = begin + timeout - time.perf_counter()
    for _ in stopping.arrivals(connection, left):
        try:
            data = connection.recv(_MAX_ANSWER_BYTES)
        except ConnectionRefusedError:
            return Answer(delay=None, code="UNREACHABLE")
        except OSError as exc:
            return Answer(delay=None, code=os.strerror(exc.errno or 0).upper())
        delay = time.perf_counter() - begin
        if (found := read_answer(data, number, query)) is not None:
            code, count = found
            return Answer(delay=delay, code=code, count=count)
    return Answer(delay=None, code="TIMEOUT")


def query_bytes(number: int, name: str, record: str) -> bytes:
    """Return the bytes of a question.

    Raises:
        MeasurementError: If it is no host name, or the type is not known.
    """
    if record not in TYPES:
        raise MeasurementError(
            f"unknown record type {record!r}", hint=f"known: {', '.join(TYPES)}"
        )
    labels = [label.encode("ascii") for label in checked_name(name).split(".")]
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    head = _HEADER.pack(number, _RECURSE, 1, 0, 0, 0)
    return head + wire + struct.pack("!HH", TYPES[record], _INTERNET)


def read_answer(data: bytes, number: int, query: bytes) -> tuple[str, int] | None:
    """Return code and number of records, or ``None`` if it answers another question."""
    if len(data) < _HEADER.size:
        return None
    its_number, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
    if its_number != number or not flags & _IS_ANSWER:
        return None
    asked = query[_HEADER.size :]
    echoed = data[_HEADER.size : len(query)]
    if questions and echoed.lower() != asked.lower():
        return None
    code = flags & 0xF
    return (_CODES[code] if code < len(_CODES) else f"RCODE{code}"), answers
