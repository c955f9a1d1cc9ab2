"""DNS lookup time.

dns-system       by the resolver of the machine, whatever it asks (files, caches)
dns-4, dns-6     one question to a server that the client names, over UDP

[module_dns]
module = pilothouse.mplane.probes.dns
"""

from __future__ import annotations

from typing import Final

from pilothouse.mplane.model import Specification, clock

from .dns_query import TYPES, ask
from .pace import Pace
from .probe import PROBES, Probe, Row, capability, microseconds
from .resolving import checked_name, look_up
from .stopping import Stopping
from .targets import PORTS, port, target, versions

__all__ = ["DnsQuery", "DnsSystem", "services"]

_LONGEST_SECONDS: Final = 5.0
_COLUMNS: Final = ["time", "delay.resolution.us", "dns.rcode", "dns.answers"]


def services() -> list[Probe]:
    """Return the system's lookup, and a query for each IP version spoken here."""
    return [DnsSystem(), *(DnsQuery(version) for version in versions())]


def _name(specification: Specification) -> str:
    return checked_name(str(specification.get_parameter_value("dns.name")))


class DnsSystem(Probe):
    """Asks the machine's resolver."""

    def __init__(self) -> None:
        super().__init__(
            capability(
                "dns-system",
                "now ... future",
                {"dns.name": "*"},
                _COLUMNS,
                registry=PROBES,
                algorithm="resolver of the system",
            )
        )

    def measure(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Row:
        """Return how one lookup went."""
        found = look_up(_name(specification), stopping, _LONGEST_SECONDS)
        count = None if found.delay is None else len(set(found.addresses))
        return Row(
            values={
                "time": clock.now(),
                "delay.resolution.us": microseconds(found.delay),
                "dns.rcode": found.code,
                "dns.answers": count,
            }
        )


class DnsQuery(Probe):
    """Asks a server.

    Args:
        version: Of IP, by which the server is reached.
    """

    def __init__(self, version: int) -> None:
        super().__init__(
            capability(
                f"dns-{version}",
                "now ... future",
                {
                    f"destination.ip{version}": "*",
                    "destination.port": PORTS,
                    "dns.name": "*",
                    "dns.type": ",".join(TYPES),
                },
                _COLUMNS,
                registry=PROBES,
                algorithm="DNS query over UDP",
            )
        )
        self._version = version

    def measure(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Row:
        """Return how one question went."""
        answer = ask(
            target(specification, self._version),
            port(specification),
            _name(specification),
            str(specification.get_parameter_value("dns.type")),
            stopping,
            pace.patience(_LONGEST_SECONDS),
        )
        return Row(
            values={
                "time": clock.now(),
                "delay.resolution.us": microseconds(answer.delay),
                "dns.rcode": answer.code,
                "dns.answers": answer.count,
            }
        )
