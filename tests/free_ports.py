"""Ports of loopback for servers whose port has to be known before they start.

They lie below those that the system gives away by itself: between the choice and the
start, no connection of a test that runs beside takes one.
"""

from __future__ import annotations

import random
import socket

_PORTS = range(20_000, 32_000)
_CHANCE = random.SystemRandom()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that is free now."""
    while True:
        port = _CHANCE.choice(_PORTS)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
