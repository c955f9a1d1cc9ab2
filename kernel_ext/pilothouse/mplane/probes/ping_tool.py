"""ICMP echo by the system's ping, one request a call.

Its text differs between systems; what is read is what all have in common (iputils,
BusyBox, BSD and macOS): ``time=0.058 ms`` or ``time<1 ms`` in the line of a reply.

It starts processes and imports nothing of the house but this folder.
"""

from __future__ import annotations

import math
import re
import sys
from ipaddress import IPv4Address, IPv6Address

from .children import lines_of, tool
from .stopping import Stopping

__all__ = ["ping_once", "ping_path", "reply_delay"]

_TIME = re.compile(r"\btime[=<] ?(\d+(?:\.\d+)?) ?ms\b")
_NO_REPLY_CODES = frozenset({0, 1}) | ({2} if sys.platform == "darwin" else set())
_SPARE_SECONDS = 1.0
_START_SECONDS = 15.0
"""A busy machine's, to start the tool, where the tool itself knows how long to wait."""


def ping_path(version: int) -> str | None:
    """Return the tool for an IP version; ``None`` if the machine has none."""
    if version == 6 and sys.platform != "linux":
        return tool("ping6")
    return tool("ping")


def ping_once(
    path: str,
    address: IPv4Address | IPv6Address,
    stopping: Stopping,
    timeout: float,
    source: IPv4Address | IPv6Address | None = None,
) -> float | None:
    """Send one echo request; return the round-trip delay, in seconds.

    Args:
        path: As `ping_path` returned it.
        address: The target.
        stopping: Ends the tool when the measurement is asked to stop.
        timeout: Longest wait for the reply, in seconds (whole ones, one at least).
        source: Address to send from; the system chooses when it is ``None``.

    Returns:
        The delay, or ``None`` when no reply came.

    Raises:
        Interrupted: If the measurement was asked to stop.
        MeasurementError: If ping refuses; the message has its last words.
    """
    whole = max(1, math.ceil(timeout))
    wait = whole * 1000 if sys.platform == "darwin" else whole
    command = [path, "-n", "-c", "1"]
    spare = _SPARE_SECONDS
    if sys.platform == "linux":
        command += [f"-{address.version}"]
    if sys.platform == "linux" or address.version == 4:
        command += ["-W", str(wait)]
        spare = _START_SECONDS
    if source is not None:
        command += ["-I" if sys.platform == "linux" else "-S", str(source)]
    delay = None
    for line in lines_of(
        [*command, str(address)], stopping, whole + spare, _NO_REPLY_CODES
    ):
        if delay is None:
            delay = reply_delay(line)
    return delay


def reply_delay(line: str) -> float | None:
    """Return the delay that a line of ping's output tells, in seconds."""
    found = _TIME.search(line)
    return None if found is None else float(found[1]) / 1000
