"""The path to an address, hop by hop.

    traceroute-4, traceroute-6      a row for each hop, as it gets known

One packet for each hop: by the system's traceroute, else, where the system hands its
errors to whoever sent the packet (Linux), by sockets of our own. Without either there
is no such capability.

    [module_traceroute]
    module = pilothouse.mplane.probes.traceroute
    max_hops = 30                ; optional
    method = sockets             ; optional: traceroute or sockets
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from pilothouse.mplane.model import Specification, clock

from .errors import MeasurementError
from .hops import can_trace, trace_by_sockets
from .pace import Pace
from .probe import Probe, Row, capability, microseconds
from .stopping import Stopping
from .targets import target, versions
from .tracing import Hop, trace, traceroute_path

__all__ = ["METHODS", "Traceroute", "available_method", "services"]

METHODS: Final = ("traceroute", "sockets")
"""Ways to trace, in the order in which they are tried."""

_WORDS: Final = {
    "traceroute": "traceroute of the system",
    "sockets": "UDP with rising hop limits",
}

_MAX_HOPS: Final = 30
_MOST_HOPS: Final = 255


def services(max_hops: str | int = _MAX_HOPS, method: str = "") -> list[Probe]:
    """Return a probe for each IP version that the machine speaks and can trace.

    Args:
        max_hops: Where a trace ends at the latest.
        method: The one of `METHODS` to use; without it the first that works.

    Raises:
        MeasurementError: If that is no number of hops, or no such method.
    """
    text = str(max_hops).strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_HOPS):
        raise MeasurementError(f"max_hops {text!r} is not 1 to {_MOST_HOPS}")
    if method and method not in METHODS:
        raise MeasurementError(
            f"no way to trace is called {method!r}", hint=f"known: {', '.join(METHODS)}"
        )
    found = [(version, available_method(version, method)) for version in versions()]
    return [Traceroute(version, int(text), how) for version, how in found if how]


def available_method(version: int, method: str = "") -> str:
    """Return the way to trace that works here; empty if none does."""
    works = {
        "traceroute": traceroute_path(version) is not None,
        "sockets": can_trace(),
    }
    wanted = (method,) if method else METHODS
    return next((one for one in wanted if works[one]), "")


class Traceroute(Probe):
    """Finds who is on the way.

    Args:
        version: Of IP.
        max_hops: Where a trace ends at the latest.
        method: One of `METHODS`.
    """

    period = 60.0

    def __init__(self, version: int, max_hops: int, method: str) -> None:
        self._aim = f"destination.ip{version}"
        self._hop = f"intermediate.ip{version}"
        super().__init__(
            capability(
                f"traceroute-{version}",
                "now ... future",
                {self._aim: "*"},
                ["time", "hops.ip", self._hop, "rtt.us"],
                algorithm=_WORDS[method],
            )
        )
        self._version = version
        self._max_hops = max_hops
        self._method = method

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield the hops of each trace."""
        address = target(specification, self._version)
        for _ in pace.ticks(stopping):
            for hop in self._hops(address, stopping):
                yield Row(
                    values={
                        "time": clock.now(),
                        "hops.ip": hop.number,
                        self._hop: hop.address,
                        "rtt.us": microseconds(hop.delay),
                    }
                )

    def _hops(
        self, address: IPv4Address | IPv6Address, stopping: Stopping
    ) -> Iterator[Hop]:
        method = available_method(self._version, self._method)
        if not method:
            raise MeasurementError(
                "this machine has no traceroute any more", hint="install traceroute"
            )
        path = traceroute_path(self._version)
        if method == "sockets" or path is None:
            return trace_by_sockets(address, stopping, self._max_hops)
        return trace(path, address, stopping, self._max_hops)
