"""The hops of a path, by the system's traceroute.

Read are the lines that all traceroutes have in common, with numeric addresses and one
packet for each hop:

    line = number ( address delay "ms" [remark] / "*" )

It starts processes and imports nothing of the house but this folder.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from .children import lines_of, tool
from .stopping import Stopping

__all__ = ["Hop", "read_hop", "trace", "traceroute_path"]

_HOP = re.compile(r"^\s*(\d{1,3})\s+(?:(\S+)\s+(\d+(?:\.\d+)?)\s*ms\b|\*)")
_WAIT_SECONDS = 1
_LONGEST_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One line.

    Attributes:
        number: From 1 up.
        address: Who answered; ``None`` if nobody did.
        delay: Until the answer, in seconds; ``None`` if none came.
    """

    number: int
    address: IPv4Address | IPv6Address | None
    delay: float | None


def traceroute_path(version: int) -> str | None:
    """Return the tool for an IP version; ``None`` if the machine has none."""
    if version == 6 and sys.platform != "linux":
        return tool("traceroute6")
    return tool("traceroute")


def trace(
    path: str, address: IPv4Address | IPv6Address, stopping: Stopping, max_hops: int
) -> Iterator[Hop]:
    """Yield the hops to an address, as they get known.

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If traceroute refuses; the message has its last words.
    """
    command = [path, "-n", "-q", "1", "-w", str(_WAIT_SECONDS), "-m", str(max_hops)]
    if sys.platform == "linux":
        command += [f"-{address.version}"]
    for line in lines_of([*command, str(address)], stopping, _LONGEST_SECONDS):
        if (hop := read_hop(line)) is not None:
            yield hop


def read_hop(line: str) -> Hop | None:
    """Return the hop that a line tells, if it tells one."""
    found = _HOP.match(line)
    if found is None:
        return None
    number, address, delay = found.groups()
    if address is None:
        return Hop(number=int(number), address=None, delay=None)
    try:
        who = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return Hop(number=int(number), address=who, delay=float(delay) / 1000)
