"""Round-trip delay by TCP connect.

    tcp-4, tcp-6      delay from the first packet to its answer, for an address and port

A port that refuses has answered: the delay is a round trip, no session was opened.

    [module_tcp]
    module = pilothouse.mplane.probes.tcp
"""

from __future__ import annotations

from typing import Final

from pilothouse.mplane.model import Specification, clock

from .connecting import connect
from .pace import Pace
from .probe import Probe, Row, capability, microseconds
from .stopping import Stopping
from .targets import PORTS, port, target, versions

__all__ = ["TcpConnect", "services"]

_LONGEST_SECONDS: Final = 5.0


def services() -> list[Probe]:
    """Return a probe for each IP version that the machine speaks."""
    return [TcpConnect(version) for version in versions()]


class TcpConnect(Probe):
    """Connects and closes.

    Args:
        version: Of IP.
    """

    def __init__(self, version: int) -> None:
        super().__init__(
            capability(
                f"tcp-{version}",
                "now ... future",
                {f"destination.ip{version}": "*", "destination.port": PORTS},
                ["time", "rtt.us", "connectivity.ip", "sessions.transport"],
                algorithm="TCP connect",
            )
        )
        self._version = version

    def measure(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Row:
        """Return how one attempt went."""
        address = target(specification, self._version)
        timeout = pace.patience(_LONGEST_SECONDS)
        went = connect(address, port(specification), stopping, timeout)
        return Row(
            values={
                "time": clock.now(),
                "rtt.us": microseconds(went.delay),
                "connectivity.ip": went.delay is not None,
                "sessions.transport": int(went.is_open),
            }
        )
