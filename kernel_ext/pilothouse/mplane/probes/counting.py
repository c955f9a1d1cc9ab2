"""Counters of the machine: its interfaces and its connections.

psutil is imported when something is counted. It reads the system and imports nothing
of the house but this folder.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from .errors import MeasurementError

__all__ = ["Connections", "Traffic", "connections", "interfaces", "traffic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What went through an interface since it came up.

    Attributes:
        at: When it was read, in seconds of the monotonic clock.
        octets_received, octets_sent: Bytes.
        packets_received, packets_sent: Packets.
        errors_received, errors_sent: Packets that were no good.
        lost_received, lost_sent: Packets that were dropped.
    """

    at: float
    octets_received: int
    octets_sent: int
    packets_received: int
    packets_sent: int
    errors_received: int
    errors_sent: int
    lost_received: int
    lost_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """TCP connections by state, and open UDP sockets."""

    established: int
    listening: int
    opening: int
    closing: int
    udp: int


_OPENING = ("SYN_SENT", "SYN_RECV")
_CLOSING = (
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "CLOSING",
)


def interfaces() -> list[str]:
    """Return the names of the machine's interfaces, sorted; those with a comma not."""
    import psutil

    return sorted(
        name for name in psutil.net_io_counters(pernic=True) if "," not in name
    )


def traffic(name: str) -> Traffic:
    """Return the counters of one interface.

    Raises:
        MeasurementError: If there is no such interface (any more).
    """
    import psutil

    found = psutil.net_io_counters(pernic=True, nowrap=True).get(name)
    if found is None:
        raise MeasurementError(
            f"this machine has no interface {name!r}",
            hint=f"it has {', '.join(interfaces())}",
        )
    return Traffic(
        at=time.monotonic(),
        octets_received=found.bytes_recv,
        octets_sent=found.bytes_sent,
        packets_received=found.packets_recv,
        packets_sent=found.packets_sent,
        errors_received=found.errin,
        errors_sent=found.errout,
        lost_received=found.dropin,
        lost_sent=found.dropout,
    )


def connections() -> Connections:
    """Return how many connections there are.

    Raises:
        MeasurementError: If the system does not tell this user.
    """
    import psutil

    try:
        tcp = psutil.net_connections("tcp")
        udp = psutil.net_connections("udp")
    except (psutil.Error, OSError) as exc:
        raise MeasurementError(
            f"the system does not tell its connections: {exc}",
            hint="on this system only the administrator may count them",
        ) from exc
    states = Counter(one.status for one in tcp)
    return Connections(
        established=states["ESTABLISHED"],
        listening=states["LISTEN"],
        opening=sum(states[state] for state in _OPENING),
        closing=sum(states[state] for state in _CLOSING),
        udp=len(udp),
    )
