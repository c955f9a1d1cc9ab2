"""The mPlane component as a service of the host.

Everybody who can reach it may measure with it, as with every component without mutual
TLS (contract §6.6): it listens on this machine only, unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pilothouse.errors import ServiceError
from pilothouse.mplane import model, probes
from pilothouse.mplane.component import ListenerHttpComponent
from pilothouse.mplane.probes.errors import MeasurementError
from pilothouse.mplane.probes.probe import PROBES
from pilothouse.services.serving import ServiceConfig

__all__ = ["MplaneService", "start_mplane"]

_STOP_SECONDS: Final = 4.0
_OPTIONS: Final = {"loopback": {"registry": PROBES}}
"""A reference client can preload one registry only: all probes share ours."""


class MplaneService:
    """A component that listens.

    Attributes:
        component: For tests: its scheduler may be looked at.
    """

    def __init__(self, component: ListenerHttpComponent) -> None:
        self.component = component

    @property
    def endpoint(self) -> dict[str, str]:
        """The component's address, with a slash at its end; there is no secret."""
        return {"url": self.component.url}

    async def stop(self) -> None:
        """Take no more, interrupt what is measured, wait for its rows, close."""
        await self.component.stop(_STOP_SECONDS)


async def start_mplane(config: ServiceConfig) -> MplaneService:
    """Start a component with all probes that this machine can do.

    Options: ``probes``, a list of the names in `pilothouse.mplane.probes.MODULES`, all
    by default; ``probe_options``, a mapping of name to the options of that module.

    Raises:
        ServiceError: If an option is wrong.
        OSError: If the address cannot be had.
    """
    options: Mapping[str, Any] = config.options
    names = options.get("probes")
    given = {**_OPTIONS, **options.get("probe_options", {})}
    model.initialize_registry()
    try:
        services = probes.services(given, only=None if names is None else tuple(names))
    except (MeasurementError, TypeError, ValueError) as exc:
        raise ServiceError(f"the probes do not start: {exc}") from exc
    component = ListenerHttpComponent(
        services,
        host=config.host,
        port=config.port,
        ssl_context=config.tls,
    )
    await component.start()
    return MplaneService(component)
