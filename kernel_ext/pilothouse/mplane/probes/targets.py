"""What a specification may aim at: addresses and ports, checked before use.

It opens sockets on loopback to see which IP versions the machine speaks, and imports
the model.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from pilothouse.mplane.model import Specification

from .errors import MeasurementError

__all__ = ["PORTS", "port", "source", "speaks", "target", "versions"]

PORTS: Final = "1 ... 65535"
"""Constraint of a port."""

_BROADCAST: Final = IPv4Address("255.255.255.255")


def versions() -> tuple[int, ...]:
    """Return the IP versions that this machine speaks."""
    return tuple(version for version in (4, 6) if speaks(version))


def speaks(version: int) -> bool:
    """Tell whether this machine has an address of an IP version."""
    family, loopback = (
        (socket.AF_INET, "127.0.0.1") if version == 4 else (socket.AF_INET6, "::1")
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((loopback, 0))
    except OSError:
        return False
    return True


def target(specification: Specification, version: int) -> IPv4Address | IPv6Address:
    """Return where to send to.

    Raises:
        MeasurementError: If it is no single host's address of that version.
    """
    name = f"destination.ip{version}"
    address = _address(specification, name, version)
    if address.is_multicast or address.is_unspecified or address == _BROADCAST:
        raise MeasurementError(
            f"{name} {address} is not the address of one host",
            hint="groups and broadcasts are not measured",
        )
    return address


def source(
    specification: Specification, version: int
) -> IPv4Address | IPv6Address | None:
    """Return where to send from; ``None`` leaves that to the system.

    Raises:
        MeasurementError: If it is no address of that version.
    """
    name = f"source.ip{version}"
    if not specification.has_parameter(name):
        return None
    return _address(specification, name, version)


def _address(
    specification: Specification, name: str, version: int
) -> IPv4Address | IPv6Address:
    value = specification.get_parameter_value(name)
    if not isinstance(value, IPv4Address | IPv6Address) or value.version != version:
        raise MeasurementError(
            f"{name} must be an IPv{version} address, not {str(value)[:80]!r}"
        )
    return value


def port(specification: Specification) -> int:
    """Return the port to send to.

    Raises:
        MeasurementError: If it is none.
    """
    value = specification.get_parameter_value("destination.port")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise MeasurementError(f"destination.port must be {PORTS}, not {value!r}")
    return value
