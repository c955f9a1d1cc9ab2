"""A live chart of what one sensor reports."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import traitlets

from pilothouse.errors import PilothouseError
from pilothouse.waits import Event

from .chart import LiveChart, Series
from .pneumo_watch import PneumoWatch
from .tally import Tally

if TYPE_CHECKING:
    from pilothouse.fastscore.instance import Instance
    from pilothouse.fastscore.pneumo import PneumoMsg, SensorReportMsg
    from pilothouse.fastscore.sensor import Sensor

__all__ = ["SensorChart"]

_UNKNOWN_SECONDS: Final = 60.0
_SHORTEST_SECONDS: Final = 0.25

_UNITS = (
    ("sys.memory", "bytes"),
    ("sys.cpu.utilization", "%"),
    (".size", "bytes"),
    (".count", "records"),
    (".by.schema", "records"),
    (".by.encoding", "records"),
)


class SensorChart(LiveChart):
    """Draws the reports of one sensor of an instance.

    A sum or a count is drawn as a rate; a reading as it is; of a list of readings each
    one. A reading with parts (``sys.cpu.utilization``) has one line for each part.

    Args:
        instance: An engine, Model Manage or Connect.
        sensor: The id of an installed sensor, a tapping point, or a `Sensor`. The last
            two are installed, and uninstalled at the end.
        interval: Seconds between two reports of a sensor that is installed here.
        window: Seconds that the chart shows.

    Raises:
        FastScoreError: If there is no such sensor or tapping point.
    """

    tap = traitlets.Unicode("", help="What the sensor taps.").tag(sync=True)
    link = traitlets.Unicode("connecting", help="State of the connection.").tag(
        sync=True
    )
    link_text = traitlets.Unicode("", help="Why it is lost.").tag(sync=True)

    def __init__(
        self,
        instance: Instance,
        sensor: int | str | Sensor,
        *,
        interval: float = 0.5,
        window: float = 120.0,
    ) -> None:
        self._instance = instance
        self.sensor_id, tap, summed = self._resolve(sensor, interval)
        self._own = None if isinstance(sensor, int) else self.sensor_id
        unit = next((unit for end, unit in _UNITS if end in tap), "")
        labels = ["kernel", "user"] if "cpu.util" in tap else [_label(tap)]
        shown = f"{unit}/s" if summed and unit else unit
        super().__init__(
            [Series(label, shown) for label in labels],
            title=f"{instance.name}, {tap}",
            unit=shown,
            window=window,
            points=5000,
        )
        self.tap = tap
        self._summed = summed
        self._tally = Tally(interval if self._own is not None else _UNKNOWN_SECONDS)
        self._ended = Event()
        self._quiet = threading.Thread(
            target=self._tell_silence, name="pilothouse-watch-silence", daemon=True
        )
        self._links = self._subscribe(self._show_link)
        from pilothouse.fastscore.pneumo import Pneumo

        self._watch = PneumoWatch(
            Pneumo(instance.gateway),
            src=instance.name,
            type="sensor-report",
            on_message=self.show,
            on_link=lambda link, why: self._links.put((link, why)),
        )
        if summed:
            self._quiet.start()

    def _resolve(
        self, sensor: int | str | Sensor, interval: float
    ) -> tuple[int, str, bool]:
        """Return id and tapping point, and whether its reports are sums."""
        if isinstance(sensor, int):
            tap = str(self._instance.active_sensors[sensor].tap)
            return sensor, tap, _counts(tap)
        from pilothouse.fastscore.sensor import Sensor as Described

        if isinstance(sensor, str):
            aggregate = "sum" if _counts(sensor) else None
            sensor = Described.prep(sensor, aggregate=aggregate, interval=interval)
        installed = self._instance.install_sensor(sensor)
        folded = {str(key).lower(): value for key, value in sensor.desc.items()}
        aggregate = folded.get("aggregate", "accumulate")
        if isinstance(aggregate, dict):
            aggregate = {str(k).lower(): v for k, v in aggregate.items()}.get("type")
        return installed, str(sensor.tap), str(aggregate).lower() in ("sum", "count")

    def show(self, message: PneumoMsg) -> None:
        """Take a sensor report, from any thread; other sensors' are ignored."""
        if getattr(message, "sid", None) == self.sensor_id:
            report = cast("SensorReportMsg", message)
            with self._lock:
                self._draw(report.data, report.delta_time)

    def _draw(self, data: object, delta_time: float | None) -> None:
        if self._summed:
            now = time.monotonic()
            if self._own is None and delta_time:
                known = min(self._tally.interval, delta_time)
                self._tally.interval = max(known, _SHORTEST_SECONDS)
            self._tally.add(self.tap, data, delta_time, now)
            data = self._tally.rate(self.tap, now)
        readings = data if isinstance(data, list) else [data]
        points = [point for point in map(self._point, readings) if point]
        if points:
            columns = {label: [p[label] for p in points] for label in self._index}
            self.append(columns, x=[time.time()] * len(points))

    def _tell_silence(self) -> None:
        """Draw nothing as nothing: a sensor of events is silent when there are none."""
        while not self._ended.wait(min(self._tally.interval, 1.0)):
            with self._lock:
                idle = self._tally.rate(self.tap, time.monotonic()) == 0.0
                if idle and self._tally.total(self.tap):
                    self.append(dict.fromkeys(self._index, 0.0))

    def _point(self, reading: object) -> dict[str, float]:
        """Return the value of each line; empty when it cannot be drawn."""
        if isinstance(reading, bool):
            return {}
        if isinstance(reading, int | float):
            return {label: float(reading) for label in self._index}
        if isinstance(reading, dict) and all(label in reading for label in self._index):
            return {label: float(reading[label]) for label in self._index}
        return {}

    def _show_link(self, link: tuple[str, str]) -> None:
        self._update(link=link[0], link_text=link[1], status=f"{self.tap}: {link[0]}")

    def stop(self) -> None:
        """Stop listening; uninstall the sensor if it was installed here."""
        self._ended.set()
        self._watch.close()
        if self._quiet.is_alive():
            self._quiet.join(2.0)
        if self._own is not None:
            with suppress(PilothouseError):
                self._instance.uninstall_sensor(self._own)
            self._own = None


def _counts(tap: str) -> bool:
    """Return whether a tap's readings are counts of events, to be summed."""
    return tap.endswith((".count", ".size", ".by.schema", ".by.encoding"))


def _label(tap: str) -> str:
    """Return a tap without the slot, which the title tells."""
    return tap.split(".", 2)[2] if tap.startswith("manifold.") else tap
