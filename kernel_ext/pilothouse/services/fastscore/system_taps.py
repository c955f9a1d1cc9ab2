"""The ``sys.*`` tapping points that every instance has (contract §10.2)."""

from __future__ import annotations

import os
import time
from typing import Any

import psutil

from pilothouse.fastscore.wire.values import JSON

from .sensors import Taps

__all__ = ["SystemTaps"]

_SHORTEST_SPAN_SECONDS = 0.05


class SystemTaps:
    """Readings about the process that an instance runs in."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._seen = (time.monotonic(), os.times())
        self._utilization = {"kernel": 0.0, "user": 0.0}
        self._count = 0

    def add_to(self, taps: Taps) -> None:
        """Add the taps to an instance's."""
        taps.add("sys.memory", self.memory)
        taps.add("sys.cpu.utilization", self.cpu_utilization)
        taps.add("sys.test.int", self._next)
        taps.add("sys.test.float", lambda: self._next() / 2)
        taps.add("sys.test.bytes", lambda: f"test {self._next()}")
        taps.add("sys.test.tagged.int", lambda: _tagged(self._next()))
        taps.add("sys.test.tagged.float", lambda: _tagged(self._next() / 2))
        taps.add("sys.test.tagged.bytes", lambda: _tagged(f"test {self._next()}"))

    def memory(self) -> int:
        """Return the resident memory of this process, in bytes."""
        return int(self._process.memory_info().rss)

    def cpu_utilization(self) -> dict[str, float]:
        """Return the share of one core used since the last call, in percent."""
        then, before = self._seen
        now, times = time.monotonic(), os.times()
        span = now - then
        if span >= _SHORTEST_SPAN_SECONDS:
            self._seen = (now, times)
            self._utilization = {
                "kernel": round(100 * (times.system - before.system) / span, 2),
                "user": round(100 * (times.user - before.user) / span, 2),
            }
        return self._utilization

    def _next(self) -> int:
        self._count += 1
        return self._count


def _tagged(value: JSON) -> dict[str, Any]:
    return {"tag": "test", "value": value}
