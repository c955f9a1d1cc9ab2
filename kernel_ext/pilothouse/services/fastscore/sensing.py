"""One installed sensor: when it listens, which readings count, how it reports.

    readings -> filter -> aggregate -> report

A permanent sensor listens until it is uninstalled (or for its Duration or MaxReads);
a regular one starts to listen every Interval, a random one `Intensity` times a second
on average, each time for its Duration or MaxReads, or for one reading.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING, Any, TypeAlias

from pilothouse.fastscore.wire.sensors import SensorDescriptor
from pilothouse.fastscore.wire.values import JSON

from .aggregates import new_aggregate

if TYPE_CHECKING:
    from .sensors import Tap

__all__ = ["InstalledSensor", "Report"]

log = logging.getLogger(__name__)

Report: TypeAlias = Callable[["InstalledSensor", Any, float], None]
"""Called with the sensor, the data and the seconds that the data covers."""

_CHANCE = SystemRandom()
_SHORTEST_SECONDS = 0.01
_DEFAULT_POLL_SECONDS = 1.0


class InstalledSensor:
    """A sensor on a tap. It lives on the running event loop.

    Args:
        sensor_id: Its id in the instance.
        descriptor: What it should do.
        tap: Where it listens.
        report: Takes its reports.
    """

    def __init__(
        self, sensor_id: int, descriptor: SensorDescriptor, tap: Tap, report: Report
    ) -> None:
        self.id = sensor_id
        self.descriptor = descriptor
        self.tap = tap
        self.is_active = False
        self._report = report
        self._aggregate = new_aggregate(descriptor.aggregate, descriptor.sample_size)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reads_left: int | None = None
        self._since = 0.0

    @property
    def is_permanent(self) -> bool:
        """Whether it listens all the time."""
        return self.descriptor.activate.kind == "permanent"

    def start(self) -> None:
        """Begin, on the running loop."""
        self._since = asyncio.get_running_loop().time()
        if self.descriptor.report_interval > 0:
            self._after("report", self.descriptor.report_interval, self._tick)
        if self.descriptor.activate.kind == "random":
            self._after("window", self._wait_seconds(), self._open)
        else:
            self._open()

    def stop(self) -> None:
        """End; what was not reported is dropped. May be called twice."""
        self._close()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def take(self, reading: JSON, n: int = 1) -> None:
        """Take a reading that stands for `n`."""
        if not self.is_active:
            return
        wanted = self.descriptor.filter
        if wanted is not None and not wanted.passes(reading):
            return
        self._aggregate.add(reading, n)
        if self._reads_left is not None:
            self._reads_left -= 1
            if self._reads_left <= 0:
                self._close()
        if self.descriptor.report_interval == 0:
            self._send()

    # windows

    def _open(self) -> None:
        """Begin to listen, and plan the next time."""
        activate = self.descriptor.activate
        if not self.is_permanent:
            self._after("window", self._wait_seconds(), self._open)
        self._reads_left = activate.max_reads
        if self._reads_left is None and not self.is_permanent and not activate.duration:
            self._reads_left = 1
        if self._reads_left == 0:
            return
        self.is_active = True
        self.tap.listen(self)
        if activate.duration is not None:
            self._after("duration", activate.duration, self._close)
        if self.tap.poll is not None and not self._polls_on_report:
            self._poll_again()

    def _close(self) -> None:
        self.is_active = False
        self.tap.unlisten(self)
        for name in ("poll", "duration"):
            if timer := self._timers.pop(name, None):
                timer.cancel()

    def _wait_seconds(self) -> float:
        activate = self.descriptor.activate
        if activate.kind == "random":
            return _CHANCE.expovariate(activate.intensity or 1.0)
        return activate.interval or 1.0

    # polled taps

    @property
    def _polls_on_report(self) -> bool:
        return self.is_permanent and self.descriptor.report_interval > 0

    def _poll_again(self) -> None:
        self._poll()
        if self.is_active:
            self._after("poll", self._poll_seconds(), self._poll_again)

    def _poll_seconds(self) -> float:
        activate = self.descriptor.activate
        if activate.duration and activate.max_reads:
            return activate.duration / activate.max_reads
        return self.descriptor.report_interval or _DEFAULT_POLL_SECONDS

    def _poll(self) -> None:
        if self.tap.poll is None:
            return
        try:
            reading = self.tap.poll()
        except Exception:
            log.exception("tap %s cannot be read", self.tap.name)
            return
        self.take(reading)

    # reports

    def _tick(self) -> None:
        self._after("report", self.descriptor.report_interval, self._tick)
        if self.is_active and self._polls_on_report:
            self._poll()
        self._send()

    def _send(self) -> None:
        now = asyncio.get_running_loop().time()
        span, self._since = now - self._since, now
        if not self._aggregate.is_empty:
            self._report(self, self._aggregate.pop(), max(span, 1e-6))

    def _after(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        if old := self._timers.get(name):
            old.cancel()
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(max(seconds, _SHORTEST_SECONDS), call)
