"""The path to an address, hop by hop.

    traceroute-4, traceroute-6      a row for each hop, as it gets known

By the system's traceroute, one packet for each hop; without that tool there is no such
capability.

    [module_traceroute]
    module = pilothouse.mplane.probes.traceroute
    max_hops = 30                ; optional
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pilothouse.mplane.model import Specification, clock

from .errors import MeasurementError
from .pace import Pace
from .probe import Probe, Row, capability, microseconds
from .stopping import Stopping
from .targets import target, versions
from .tracing import trace, traceroute_path

__all__ = ["Traceroute", "services"]

_MAX_HOPS: Final = 30
_MOST_HOPS: Final = 255


def services(max_hops: str | int = _MAX_HOPS) -> list[Probe]:
    """Return a probe for each IP version that the machine speaks and can trace.

    Args:
        max_hops: Where a trace ends at the latest.

    Raises:
        MeasurementError: If that is no number of hops.
    """
    text = str(max_hops).strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_HOPS):
        raise MeasurementError(f"max_hops {text!r} is not 1 to {_MOST_HOPS}")
    found = [version for version in versions() if traceroute_path(version)]
    return [Traceroute(version, int(text)) for version in found]


class Traceroute(Probe):
    """Runs traceroute.

    Args:
        version: Of IP.
        max_hops: Where a trace ends at the latest.
    """

    period = 60.0

    def __init__(self, version: int, max_hops: int) -> None:
        self._aim = f"destination.ip{version}"
        self._hop = f"intermediate.ip{version}"
        super().__init__(
            capability(
                f"traceroute-{version}",
                "now ... future",
                {self._aim: "*"},
                ["time", "hops.ip", self._hop, "rtt.us"],
                algorithm="traceroute of the system",
            )
        )
        self._version = version
        self._max_hops = max_hops

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield the hops of each trace."""
        address = target(specification, self._version)
        path = traceroute_path(self._version)
        if path is None:
            raise MeasurementError(
                "this machine has no traceroute any more", hint="install traceroute"
            )
        for _ in pace.ticks(stopping):
            for hop in trace(path, address, stopping, self._max_hops):
                yield Row(
                    values={
                        "time": clock.now(),
                        "hops.ip": hop.number,
                        self._hop: hop.address,
                        "rtt.us": microseconds(hop.delay),
                    }
                )
