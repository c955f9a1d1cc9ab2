"""Names to addresses by the system's resolver, timed, and never longer than asked.

The system's call cannot be stopped; it runs in a thread of its own, that is left to
itself when the time is over or the measurement is interrupted. Few of them at a time.

It asks the network through the system and imports nothing of the house but this folder.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from .errors import MeasurementError
from .stopping import Stopping

__all__ = ["Lookup", "checked_name", "look_up"]

_MAX_NAME_CHARACTERS = 253
_MAX_LABEL_BYTES = 63
_AT_A_TIME = threading.BoundedSemaphore(16)
_LOOK_SECONDS = 0.002

_UNKNOWN_NAME = frozenset(
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """How one lookup ended.

    Attributes:
        delay: Until the answer, in seconds; ``None`` if none came.
        addresses: What the name stands for; empty if it stands for nothing.
        code: ``"NOERROR"``, ``"NXDOMAIN"`` or why there is no answer.
    """

    delay: float | None
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    code: str = "NOERROR"


def checked_name(name: str) -> str:
    """Return a host name in the form that goes over the wire (IDNA).

    Raises:
        MeasurementError: If it is no host name.
    """
    bare = name.strip().removesuffix(".")
    try:
        wire = bare.encode("idna").decode("ascii") if not bare.isascii() else bare
    except UnicodeError as exc:
        raise _no_name(name) from exc
    labels = wire.split(".")
    if len(wire) > _MAX_NAME_CHARACTERS or not all(map(_is_label, labels)):
        raise _no_name(name)
    return wire.lower()


def _is_label(label: str) -> bool:
    inner = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= _MAX_LABEL_BYTES and inner.isalnum()


def _no_name(name: str) -> MeasurementError:
    return MeasurementError(
        f"{name[:80]!r} is no host name",
        hint="letters, digits and - in labels of 1 to 63, joined by dots",
    )


def look_up(name: str, stopping: Stopping, timeout: float) -> Lookup:
    """Ask the system for the addresses of a name.

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If it is no host name, or too many lookups hang already.
    """
    wire = checked_name(name)
    if not _AT_A_TIME.acquire(blocking=False):
        raise MeasurementError(
            "too many lookups are under way",
            hint="the resolver of this machine does not answer; see /etc/resolv.conf",
        )
    done: list[Lookup] = []
    ended = threading.Event()
    args = (wire, done.append, ended)
    threading.Thread(target=_ask, args=args, name="look-up", daemon=True).start()
    deadline = time.monotonic() + timeout
    while not ended.wait(_LOOK_SECONDS * 10):
        stopping.check()
        if time.monotonic() > deadline:
            return Lookup(delay=None, code="TIMEOUT")
    return done[0]


def _ask(name: str, tell: Callable[[Lookup], None], ended: threading.Event) -> None:
    begin = time.perf_counter()
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        delay = time.perf_counter() - begin
        plain = (str(entry[4][0]).partition("%")[0] for entry in found)
        tell(Lookup(delay=delay, addresses=tuple(map(ip_address, plain))))
    except socket.gaierror as exc:
        delay = time.perf_counter() - begin
        if exc.errno in _UNKNOWN_NAME:
            tell(Lookup(delay=delay, code="NXDOMAIN"))
        else:
            tell(Lookup(delay=None, code="SERVFAIL"))
    except (OSError, ValueError):
        tell(Lookup(delay=None, code="SERVFAIL"))
    finally:
        _AT_A_TIME.release()
        ended.set()
