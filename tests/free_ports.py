"""Ports of loopback for servers whose port has to be known before they start.

They lie below those that the system gives away by itself: between the choice and the
start, no connection of a test that runs beside takes one. Each process of a test run
has some of them to itself, and gives none twice before all were given.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_OURS = range(20_000, 32_000)[_WORKER % _WORKERS :: _WORKERS]
_PORTS = itertools.cycle(random.SystemRandom().sample(_OURS, len(_OURS)))


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that is free now."""
    for port in _PORTS:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("there is always another port")
