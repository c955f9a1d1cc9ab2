"""Measurements that ship: every value from the network or the machine, none made up.

    ping         round-trip delay by ICMP
    tcp          round-trip delay by TCP connect
    http         HTTP: time to first byte, phases, throughput
    dns          lookup time, by the system or by a question of our own
    counters     interfaces and connections of the machine
    traceroute   the path to an address
    loopback     what goes in comes out

Each of these has ``services(**kwargs)``, as a configuration of mpcom names it, and
offers only what the machine lets it do; ``module = pilothouse.mplane.probes`` names
them all at once. How a measurement is made of ticks and rows says `probe`; what
measures, alone and without messages: `echo`, `ping_tool`, `connecting`, `fetching`,
`resolving`, `dns_query`, `tracing`, `hops`, `counting`.

It imports the model and the scheduler; it opens sockets and starts the system's tools.
Addresses, names and numbers are checked before they are used, and no shell is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pilothouse.mplane.scheduler import Service

__all__ = ["MODULES", "services"]

MODULES: Final = ("ping", "tcp", "http", "dns", "counters", "traceroute", "loopback")
"""The probes, by the name of their module."""


def services(
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    only: Sequence[str] | None = None,
) -> list[Service]:
    """Return every probe that this machine can do.

    Args:
        options: Module -> keyword arguments of its ``services``.
        only: Names of modules; all by default.

    Raises:
        MeasurementError: If there is no such module, or an option of a probe is wrong.
    """
    from .errors import MeasurementError

    given = options or {}
    names = MODULES if only is None else only
    for name in (*names, *given):
        if name not in MODULES:
            raise MeasurementError(
                f"there is no probe {name!r}", hint=f"known: {', '.join(MODULES)}"
            )
    found: list[Service] = []
    for name in names:
        module = import_module(f"{__name__}.{name}")
        found += module.services(**given.get(name, {}))
    return sorted(found, key=_is_particular)


def _is_particular(service: Service) -> bool:
    """Tell whether a peer needs more than the core registry to understand it.

    A reference client stops reading at the first capability whose registry it has not
    preloaded: those that everybody understands come first.
    """
    from .probe import CORE

    return bool(service.capability().to_dict()["registry"] != CORE)
