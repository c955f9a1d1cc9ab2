"""What every instance of a suite can do: health, swagger, sensors.

Source: developer interface, "Service instances".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .collections import IdMapping, InfoDict
from .errors import FastScoreUsageError
from .gateway import Gateway, json_of
from .wire.messages import Health, SensorInfo
from .wire.values import Fields

if TYPE_CHECKING:
    from .sensor import Sensor

__all__ = ["ActiveSensor", "ActiveSensors", "Instance"]


class ActiveSensor:
    """A sensor that is installed.

    Attributes:
        id: What the instance calls it.
        tap: The tapping point that it listens to.
    """

    def __init__(self, info: SensorInfo, instance: Instance) -> None:
        self.id = info.id
        self.tap = info.tap
        self._instance = instance

    def __repr__(self) -> str:
        return f"<sensor {self.id} on {self.tap}>"

    def uninstall(self) -> None:
        """Remove it.

        Raises:
            FastScoreError: If that is refused.
        """
        self._instance.uninstall_sensor(self.id)


class ActiveSensors(IdMapping[int, ActiveSensor]):
    """The installed sensors by id."""

    kind = "active sensors"

    def _table(self) -> tuple[list[str], list[list[object]]]:
        return ["id", "tap"], [[s.id, s.tap] for s in self.values()]


class Instance:
    """One instance of a service, behind the proxy of its suite.

    Attributes:
        name: For instance ``"engine-1"``.
        api: Its service: ``"connect"``, ``"model-manage"`` or ``"engine"``.
        gateway: How to reach it.
    """

    api = ""

    def __init__(self, name: str, gateway: Gateway) -> None:
        self.name = name
        self.gateway = gateway

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self.gateway.prefix}>"

    def route(self, resource: str) -> str:
        """Return the path of one of its resources, such as ``1/health``."""
        return self.gateway.route(self.name, resource)

    @property
    def active_sensors(self) -> ActiveSensors:
        """The sensors that are installed now, by id.

        Raises:
            FastScoreError: If they cannot be had.
        """
        what = "Unable to retrieve active sensors"
        found = self.gateway.get_json(what, self.route("2/active/sensor"))
        with self.gateway.reading(what):
            infos = [SensorInfo.from_wire(item) for item in found]
        return ActiveSensors((info.id, ActiveSensor(info, self)) for info in infos)

    @property
    def tapping_points(self) -> list[str]:
        """The names of all that a sensor can tap here.

        Raises:
            FastScoreError: If they cannot be had.
        """
        found: list[str] = self.gateway.get_json(
            "Unable to retrieve tapping points", self.route("2/active/sensor/points")
        )
        return found

    def check_health(self) -> InfoDict:
        """Return ``id``, ``release`` and ``built_on``; an answer means it is healthy.

        Raises:
            FastScoreError: If it gives none.
        """
        what = f"Unable to check the health of {self.name}"
        found = self.gateway.get_json(what, self.route("1/health"))
        with self.gateway.reading(what):
            return InfoDict(Health.from_wire(found).to_wire())

    def get_swagger(self) -> dict[str, Any]:
        """Return the OpenAPI document of what it offers.

        Raises:
            FastScoreError: If it cannot be had.
        """
        found: dict[str, Any] = self.gateway.get_json(
            "Unable to retrieve the Swagger specification", self.route("1/swagger")
        )
        return found

    def install_sensor(self, sensor: Sensor) -> int:
        """Install a sensor and return its id.

        Raises:
            FastScoreError: If the descriptor is refused, for instance its tap.
        """
        if sensor.desc is None:
            raise FastScoreUsageError(f"sensor {sensor.name!r} has no descriptor")
        what = f"Unable to install sensor {sensor.name!r} on {self.name}"
        answer = self.gateway.send_json(
            what, "POST", self.route("2/active/sensor"), sensor.desc
        )
        with self.gateway.reading(what):
            return Fields(json_of(what, answer), "installed sensor").integer("id")

    def uninstall_sensor(self, tapid: int) -> None:
        """Remove an installed sensor.

        Raises:
            FastScoreNotFoundError: If there is none of that id.
        """
        self.gateway.call(
            f"Unable to uninstall sensor {tapid}",
            "DELETE",
            self.route(f"2/active/sensor/{int(tapid)}"),
            not_found=f"Sensor {tapid} not found",
        )
