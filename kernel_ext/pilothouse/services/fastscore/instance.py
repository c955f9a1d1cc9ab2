"""What Connect, Model Manage and every engine have in common (contract §2.2)."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

import pilothouse
from pilothouse.fastscore.wire.messages import Health
from pilothouse.services.openapi import openapi_document
from pilothouse.services.web import (
    Request,
    Route,
    empty_answer,
    json_answer,
    read_json,
    text_answer,
    whole_number,
)

from .sensors import Sensors, Taps
from .system_taps import SystemTaps

if TYPE_CHECKING:
    from .suite import Suite

__all__ = ["Instance"]

_JSON = "application/json"


class Instance:
    """One member of a suite.

    A subclass sets `api`, adds its taps in ``__init__``, and extends `routes`,
    `start` and `stop`, calling the ones here.

    Args:
        name: As Connect lists it: ``"engine-1"``.
        suite: The suite it belongs to.

    Attributes:
        api: Its service: ``"connect"``, ``"model-manage"`` or ``"engine"``.
        preinstalled: Sensor descriptors that `start` installs, ids from 1.
        is_healthy: What Connect tells of it; change it through `set_health`.
    """

    api: ClassVar[str] = ""
    preinstalled: ClassVar[Sequence[dict[str, Any]]] = ()

    def __init__(self, name: str, suite: Suite) -> None:
        self.name = name
        self.suite = suite
        self.id = uuid.uuid4().hex
        self.release = pilothouse.__version__
        self.built_on = _built_on()
        self.is_healthy = True
        self.taps = Taps()
        self.sensors = Sensors(name, self.taps, suite.bus)
        SystemTaps().add_to(self.taps)

    async def start(self) -> None:
        """Begin to work; installs the preinstalled sensors."""
        for descriptor in self.preinstalled:
            self.sensors.install(descriptor)

    async def stop(self) -> None:
        """End in order; may be called twice."""
        self.sensors.close()

    @property
    def health(self) -> Health:
        """Which release this is."""
        return Health(id=self.id, release=self.release, built_on=self.built_on)

    def set_health(self, is_healthy: bool) -> None:
        """Change what Connect tells of this instance; Pneumo reports the change."""
        if is_healthy != self.is_healthy:
            self.is_healthy = is_healthy
            self.suite.report_health(self)

    def routes(self) -> Sequence[Route]:
        """Return what this instance answers, paths relative to it.

        A literal segment wins over a parameter, so the order does not matter.
        """
        return [*self._description_routes(), *self._sensor_routes()]

    def _description_routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/1/health",
                self._get_health,
                "That it answers makes it healthy.",
                {200: "Health"},
                produces=_JSON,
            ),
            Route(
                "GET",
                "/1/swagger",
                self._get_swagger,
                "This document.",
                {200: "OpenAPI 2.0"},
                produces=_JSON,
            ),
        ]

    def _sensor_routes(self) -> list[Route]:
        sensor = "Sensor descriptor"
        return [
            Route(
                "GET",
                "/2/active/sensor",
                self._list_sensors,
                "Installed sensors.",
                {200: "[{id, tap}]"},
                produces=_JSON,
            ),
            Route(
                "POST",
                "/2/active/sensor",
                self._install_sensor,
                "Install a sensor.",
                {200: "{id}", 400: sensor},
                consumes=_JSON,
                produces=_JSON,
            ),
            Route(
                "GET",
                "/2/active/sensor/points",
                self._list_taps,
                "Tapping points.",
                {200: "[name]"},
                produces=_JSON,
            ),
            Route(
                "DELETE",
                "/2/active/sensor/{id}",
                self._uninstall_sensor,
                "Uninstall a sensor.",
                {204: "Uninstalled", 400: "Not an id", 404: "No such sensor"},
            ),
            Route(
                "GET",
                "/1/control/sensor",
                self._list_sensors_v1,
                "Installed sensors (old form).",
                {200: "[{id, tap, active}]"},
                produces=_JSON,
            ),
            Route(
                "POST",
                "/1/control/sensor",
                self._install_sensor,
                "Install a sensor (old form).",
                {200: "{id}", 400: sensor},
                consumes=_JSON,
                produces=_JSON,
            ),
            Route(
                "GET",
                "/1/control/sensor/available",
                self._list_taps,
                "Tapping points (old form).",
                {200: "[name]"},
                produces=_JSON,
            ),
            Route(
                "GET",
                "/1/control/sensor/{id}",
                self._get_sensor_v1,
                "One sensor (old form).",
                {200: "{id, tap, permanent}", 400: "Not an id", 404: "No such sensor"},
                produces=_JSON,
            ),
            Route(
                "DELETE",
                "/1/control/sensor/{id}",
                self._uninstall_sensor,
                "Uninstall a sensor (old form).",
                {204: "Uninstalled", 400: "Not an id", 404: "No such sensor"},
            ),
        ]

    async def _get_health(self, _request: Request) -> web.StreamResponse:
        return json_answer(self.health.to_wire())

    async def _get_swagger(self, request: Request) -> web.StreamResponse:
        document = openapi_document(
            f"{self.api} {self.name!r}", self.release, self.routes()
        )
        accept = request.headers.get("Accept", "")
        if "yaml" in accept and "json" not in accept:
            return text_answer(_yaml(document), content_type="application/x-yaml")
        return json_answer(document)

    async def _list_sensors(self, _request: Request) -> web.StreamResponse:
        return json_answer([info.to_wire() for info in self.sensors.infos()])

    async def _list_sensors_v1(self, _request: Request) -> web.StreamResponse:
        return json_answer(
            [
                {"id": sensor.id, "tap": sensor.tap.name, "active": sensor.is_active}
                for sensor in self.sensors.installed()
            ]
        )

    async def _get_sensor_v1(self, request: Request) -> web.StreamResponse:
        sensor = self.sensors.sensor(_sensor_id(request))
        return json_answer(
            {
                "id": sensor.id,
                "tap": sensor.tap.name,
                "permanent": sensor.is_permanent,
            }
        )

    async def _list_taps(self, _request: Request) -> web.StreamResponse:
        return json_answer(self.taps.names())

    async def _install_sensor(self, request: Request) -> web.StreamResponse:
        descriptor = await read_json(request, empty={}, max_bytes=64 * 1024)
        return json_answer({"id": self.sensors.install(descriptor)})

    async def _uninstall_sensor(self, request: Request) -> web.StreamResponse:
        self.sensors.uninstall(_sensor_id(request))
        return empty_answer()


def _sensor_id(request: Request) -> int:
    word = request.match_info["id"]
    return whole_number(word, "sensor id", minimum=0, maximum=2**31 - 1)


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _built_on() -> str:
    """Return when the package was put here, as a UTC text."""
    made = Path(pilothouse.__file__).stat().st_mtime
    when = datetime.datetime.fromtimestamp(int(made), datetime.UTC)
    return when.replace(tzinfo=None).isoformat() + "Z"
