"""Counters of the machine itself.

interface-counters     what went through an interface, and how fast just now
connection-counters    TCP connections by state, open UDP sockets

[module_counters]
module = pilothouse.mplane.probes.counters
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.mplane.model import Specification, clock

from .counting import Traffic, connections, interfaces, traffic
from .pace import Pace
from .probe import PROBES, Probe, Row, capability
from .stopping import Stopping

__all__ = ["ConnectionCounters", "InterfaceCounters", "services"]


def services() -> list[Probe]:
    """Return both probes; the first only where there are interfaces to see."""
    found: list[Probe] = []
    names = interfaces()
    if names:
        found.append(InterfaceCounters(names))
    return [*found, ConnectionCounters()]


class InterfaceCounters(Probe):
    """Reads the counters of one interface.

    Args:
        names: The interfaces that there are.
    """

    def __init__(self, names: list[str]) -> None:
        columns = [
            "time",
            "bandwidth.received.bps",
            "bandwidth.sent.bps",
            "octets.received",
            "octets.sent",
            "packets.received",
            "packets.sent",
            "packets.received.lost",
            "packets.sent.lost",
            "packets.received.errors",
            "packets.sent.errors",
        ]
        super().__init__(
            capability(
                "interface-counters",
                "now ... future",
                {"observer.interface": ",".join(names)},
                columns,
                registry=PROBES,
                algorithm="counters of the kernel",
            )
        )

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield the counters, and the rates since the row before."""
        name = str(specification.get_parameter_value("observer.interface"))
        before: Traffic | None = None
        for _ in pace.ticks(stopping):
            now = traffic(name)
            yield Row(
                values={"time": clock.now(), **_counts(now), **_rates(before, now)}
            )
            before = now


def _counts(now: Traffic) -> dict[str, Any]:
    return {
        "octets.received": now.octets_received,
        "octets.sent": now.octets_sent,
        "packets.received": now.packets_received,
        "packets.sent": now.packets_sent,
        "packets.received.lost": now.lost_received,
        "packets.sent.lost": now.lost_sent,
        "packets.received.errors": now.errors_received,
        "packets.sent.errors": now.errors_sent,
    }


def _rates(before: Traffic | None, now: Traffic) -> dict[str, Any]:
    """Return bit/s; nothing for the first row, which has no row before it."""
    if before is None or now.at <= before.at:
        return {}
    seconds = now.at - before.at
    received = max(0, now.octets_received - before.octets_received)
    sent = max(0, now.octets_sent - before.octets_sent)
    return {
        "bandwidth.received.bps": round(received * 8 / seconds),
        "bandwidth.sent.bps": round(sent * 8 / seconds),
    }


class ConnectionCounters(Probe):
    """Counts connections by state."""

    def __init__(self) -> None:
        columns = [
            "time",
            "sessions.established",
            "sessions.listening",
            "sessions.opening",
            "sessions.closing",
            "sockets.udp",
        ]
        super().__init__(
            capability(
                "connection-counters",
                "now ... future",
                {},
                columns,
                registry=PROBES,
                algorithm="tables of the kernel",
            )
        )

    def measure(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Row:
        """Return how many there are now."""
        now = connections()
        return Row(
            values={
                "time": clock.now(),
                "sessions.established": now.established,
                "sessions.listening": now.listening,
                "sessions.opening": now.opening,
                "sessions.closing": now.closing,
                "sockets.udp": now.udp,
            }
        )
