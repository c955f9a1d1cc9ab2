"""Tapping points of an instance, and the sensors that are installed on them.

An instance adds its taps; what happens there it emits, cheaply while nobody listens:

    tap = taps.add("manifold.0.records.count")
    if tap.active:
        tap.emit(1000)

or it gives a function that is polled while a sensor wants readings:

    taps.add("sys.memory", poll=lambda: process.memory_info().rss)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.fastscore.wire.messages import SensorInfo
from pilothouse.fastscore.wire.pneumo import SensorReportMsg
from pilothouse.fastscore.wire.sensors import (
    SensorDescriptor,
    canonical_tap,
    parse_sensor,
)
from pilothouse.fastscore.wire.values import JSON

from .bus import Bus, utc_now
from .sensing import InstalledSensor

__all__ = ["MAX_SENSORS", "Poll", "Sensors", "Tap", "Taps"]

Poll: TypeAlias = Callable[[], Any]

MAX_SENSORS = 1000
"""Sensors that one instance holds at a time."""


class Tap:
    """One tapping point.

    Attributes:
        name: For instance ``"manifold.0.records.count"``.
        poll: Gives a reading when asked; ``None`` when readings are emitted.
        active: Whether a sensor listens right now: a plain attribute, so that asking
            costs next to nothing.
    """

    __slots__ = ("_sensors", "active", "name", "poll")

    def __init__(self, name: str, poll: Poll | None = None) -> None:
        self.name = name
        self.poll = poll
        self.active = False
        self._sensors: list[InstalledSensor] = []

    def emit(self, reading: JSON, n: int = 1) -> None:
        """Hand a reading to the sensors that listen. Call it on the event loop.

        Args:
            reading: A JSON value. ``sum`` adds numbers; any other counts as `n`.
            n: How many readings (or records) it stands for.
        """
        if self.active:
            for sensor in tuple(self._sensors):
                sensor.take(reading, n)

    def listen(self, sensor: InstalledSensor) -> None:
        """Add a sensor that takes readings from now on."""
        if sensor not in self._sensors:
            self._sensors.append(sensor)
        self.active = True

    def unlisten(self, sensor: InstalledSensor) -> None:
        """Take a sensor off."""
        if sensor in self._sensors:
            self._sensors.remove(sensor)
        self.active = bool(self._sensors)


class Taps:
    """The tapping points of one instance, by name."""

    def __init__(self) -> None:
        self._taps: dict[str, Tap] = {}
        self.on_remove: Callable[[str], None] = lambda _name: None

    def add(self, name: str, poll: Poll | None = None) -> Tap:
        """Add a tap, or return the one of that name (with a new `poll` if given)."""
        tap = self._taps.get(name)
        if tap is None:
            tap = self._taps[name] = Tap(name, poll)
        elif poll is not None:
            tap.poll = poll
        return tap

    def remove(self, name: str) -> None:
        """Remove a tap; sensors on it are uninstalled. Unknown names are ignored."""
        if self._taps.pop(name, None) is not None:
            self.on_remove(name)

    def get(self, name: str) -> Tap | None:
        """Return a tap, or ``None``."""
        return self._taps.get(canonical_tap(name))

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self._taps)


class Sensors:
    """The sensors installed on one instance; ids count from 1, never reused.

    Args:
        src: Name of the instance, for reports.
        taps: Its tapping points.
        bus: Where reports go.
    """

    def __init__(self, src: str, taps: Taps, bus: Bus) -> None:
        self._src = src
        self._taps = taps
        self._bus = bus
        self._installed: dict[int, InstalledSensor] = {}
        self._last_id = 0
        taps.on_remove = self._tap_removed

    def install(self, descriptor: JSON) -> int:
        """Install a sensor and return its id.

        Raises:
            ProtocolError: If the descriptor is wrong, the tap is unknown, the sink is
                not supported or there are too many sensors.
        """
        wanted: SensorDescriptor = parse_sensor(descriptor)
        if wanted.sink.kind != "pneumo":
            raise ProtocolError(f"sink {wanted.sink.kind!r} is not supported here")
        tap = self._taps.get(wanted.tap)
        if tap is None:
            raise ProtocolError(f"{self._src} has no tapping point {wanted.tap!r}")
        if len(self._installed) >= MAX_SENSORS:
            raise ProtocolError(f"{self._src} has {MAX_SENSORS} sensors already")
        self._last_id += 1
        sensor = InstalledSensor(self._last_id, wanted, tap, self._report)
        self._installed[sensor.id] = sensor
        sensor.start()
        return sensor.id

    def uninstall(self, sensor_id: int) -> None:
        """Take a sensor off.

        Raises:
            NotFoundError: If there is none of that id.
        """
        self.sensor(sensor_id).stop()
        del self._installed[sensor_id]

    def sensor(self, sensor_id: int) -> InstalledSensor:
        """Return an installed sensor.

        Raises:
            NotFoundError: If there is none of that id.
        """
        found = self._installed.get(sensor_id)
        if found is None:
            raise NotFoundError(f"{self._src} has no sensor {sensor_id}")
        return found

    def installed(self) -> list[InstalledSensor]:
        """Return the sensors in the order of their ids."""
        return list(self._installed.values())

    def infos(self) -> list[SensorInfo]:
        """Return id and tap of each sensor."""
        return [SensorInfo(id=s.id, tap=s.tap.name) for s in self._installed.values()]

    def close(self) -> None:
        """Uninstall all."""
        for sensor_id in list(self._installed):
            self.uninstall(sensor_id)

    def _tap_removed(self, name: str) -> None:
        for sensor in self.installed():
            if sensor.tap.name == name:
                self.uninstall(sensor.id)

    def _report(self, sensor: InstalledSensor, data: JSON, delta_time: float) -> None:
        self._bus.publish(
            SensorReportMsg(
                src=self._src,
                timestamp=utc_now(),
                sid=sensor.id,
                point=sensor.tap.name,
                data=data,
                delta_time=delta_time,
            )
        )
