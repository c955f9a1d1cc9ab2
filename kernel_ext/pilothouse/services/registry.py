"""The services that this release has, by name; listing them imports none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from pilothouse.errors import ServiceError

if TYPE_CHECKING:
    from .serving import ServiceFactory

__all__ = ["SERVICES", "service_factory"]


def _fastscore() -> ServiceFactory:
    from .fastscore.service import start_fastscore

    return start_fastscore


def _aimm() -> ServiceFactory:
    from .aimm.service import start_aimm

    return start_aimm


def _fastmap() -> ServiceFactory:
    from .fastmap.service import start_fastmap

    return start_fastmap


def _mplane() -> ServiceFactory:
    from .mplane.service import start_mplane

    return start_mplane


SERVICES: Final[Mapping[str, Callable[[], ServiceFactory]]] = {
    "fastscore": _fastscore,
    "aimm": _aimm,
    "fastmap": _fastmap,
    "mplane": _mplane,
}
"""Name -> function that imports and returns the factory."""


def service_factory(name: str) -> ServiceFactory:
    """Return the factory of a service.

    Raises:
        ServiceError: If there is no service of that name.
    """
    if name not in SERVICES:
        raise ServiceError(
            f"there is no service {name!r}", hint=f"known are {', '.join(SERVICES)}"
        )
    return SERVICES[name]()
