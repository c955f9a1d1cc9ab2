"""Sensor descriptors: what to tap, when, and how to report.

Source: vendor manual, "Sensors"; real SDK 1.10.3, `Sensor.prep` as recorded.

    descriptor = {"Tap", ["Activate"], ["Filter"], ["Aggregate"], ["Sink"], ["Report"]}
    Activate   = "permanent" / {"Type": "permanent" / "regular" / "random",
                  ["Interval"], ["Intensity"], ["Duration"], ["MaxReads"]}
    Filter     = null / {"Type": ">" / ">=" / "<" / "<=", "Threshold"}
               / {"Type": "within-range" / "outside-range", "MinValue", "MaxValue"}
    Aggregate  = null / "accumulate" / "sum" / "count" / {"Type", ["SampleSize"]}
    Sink       = "pneumo" / {"Type": "Kafka", ...}
    Report     = {"Interval": seconds}         ; 0 = each reading at once

Keys and words are read without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pilothouse.errors import ProtocolError

from .folded import Folded
from .values import JSON, brief

DEFAULT_INTERVAL: Final = 1.0
"""Seconds between the reports of a sensor that `prep` describes."""

THRESHOLD_FILTERS: Final = (">", ">=", "<", "<=")
RANGE_FILTERS: Final = ("within-range", "outside-range")
AGGREGATES: Final = ("accumulate", "sum", "count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate:
    """When a sensor listens.

    Attributes:
        kind: ``"permanent"``, ``"regular"`` or ``"random"``.
        interval: Seconds between the starts of regular listening.
        intensity: Random starts per second.
        duration: Seconds that it listens each time.
        max_reads: Readings taken each time.
    """

    kind: str = "permanent"
    interval: float | None = None
    intensity: float | None = None
    duration: float | None = None
    max_reads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which readings count.

    Attributes:
        kind: One of `THRESHOLD_FILTERS` or `RANGE_FILTERS`.
        low: The threshold, or the lower end of the range.
        high: The upper end of the range.
    """

    kind: str
    low: float
    high: float | None = None

    def passes(self, reading: JSON) -> bool:
        """Tell whether a reading counts; what is no number never does."""
        if isinstance(reading, bool) or not isinstance(reading, int | float):
            return False
        if self.kind == ">":
            return reading > self.low
        if self.kind == ">=":
            return reading >= self.low
        if self.kind == "<":
            return reading < self.low
        if self.kind == "<=":
            return reading <= self.low
        high = self.low if self.high is None else self.high
        within = self.low <= reading <= high
        return within if self.kind == "within-range" else not within


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Where reports go: ``"pneumo"``, or a Kafka topic."""

    kind: str = "pneumo"
    topic: str | None = None
    partition: int = 0
    bootstrap_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorDescriptor:
    """A sensor descriptor.

    Attributes:
        tap: Tapping point, in its canonical form (see `canonical_tap`).
        aggregate: ``"accumulate"``, ``"sum"``, ``"count"``, or ``None`` for bare
            readings.
        sample_size: Largest number of readings that one report holds.
        report_interval: Seconds; 0 reports each reading at once.
    """

    tap: str
    activate: Activate = field(default_factory=Activate)
    filter: Filter | None = None
    aggregate: str | None = "accumulate"
    sample_size: int | None = None
    sink: Sink = field(default_factory=Sink)
    report_interval: float = 0.0


def parse_sensor(obj: JSON) -> SensorDescriptor:
    """Read a sensor descriptor.

    Raises:
        ProtocolError: If a field is missing or wrong.
    """
    fields = Folded(obj, "sensor descriptor")
    tap = fields.text("Tap")
    if not tap:
        raise ProtocolError("sensor descriptor: Tap must not be empty")
    aggregate, sample_size = _aggregate(fields)
    return SensorDescriptor(
        tap=canonical_tap(tap),
        activate=_activate(fields.get("Activate", "permanent")),
        filter=_filter(fields.get("Filter")),
        aggregate=aggregate,
        sample_size=sample_size,
        sink=_sink(fields.get("Sink", "pneumo")),
        report_interval=_report(fields.get("Report")),
    )


def prep(
    tap: str,
    activate: JSON = "permanent",
    aggregate: JSON = "sum",
    interval: float = DEFAULT_INTERVAL,
) -> dict[str, Any]:
    """Return the descriptor that the real SDK's ``Sensor.prep`` makes.

    Args:
        tap: Tapping point.
        activate: ``"permanent"``, or an object.
        aggregate: ``"accumulate"``, ``"sum"``, ``"count"`` or ``None``.
        interval: Seconds between reports.
    """
    return {
        "Tap": tap,
        "Activate": activate,
        "Aggregate": aggregate,
        "Sink": "pneumo",
        "Report": {"Interval": interval},
    }


def canonical_tap(tap: str) -> str:
    """Return a tapping point with slot numbers for the old names.

    ``manifold.input...`` is slot 0, ``manifold.output...`` slot 1.
    """
    for old, slot in (("manifold.input.", "0"), ("manifold.output.", "1")):
        if tap.startswith(old):
            return f"manifold.{slot}.{tap.removeprefix(old)}"
    return tap


def _activate(obj: JSON) -> Activate:
    if isinstance(obj, str):
        obj = {"Type": obj}
    fields = Folded(obj, "Activate")
    kind = fields.choice("Type", ("permanent", "regular", "random"))
    activate = Activate(
        kind=kind,
        interval=_positive(fields, "Interval"),
        intensity=_positive(fields, "Intensity"),
        duration=_positive(fields, "Duration"),
        max_reads=None
        if fields.get("MaxReads") is None
        else fields.natural("MaxReads"),
    )
    if kind == "regular" and activate.interval is None:
        raise ProtocolError("regular activation needs an Interval")
    if kind == "random" and activate.intensity is None:
        raise ProtocolError("random activation needs an Intensity")
    return activate


def _positive(fields: Folded, key: str) -> float | None:
    if fields.get(key) is None:
        return None
    value = fields.number(key)
    if not 0 < value < float("inf"):
        raise fields.wrong(key, "a number above zero", value)
    return value


def _filter(obj: JSON) -> Filter | None:
    if obj is None:
        return None
    fields = Folded(obj, "Filter")
    kind = fields.choice("Type", THRESHOLD_FILTERS + RANGE_FILTERS)
    if kind in THRESHOLD_FILTERS:
        return Filter(kind=kind, low=_quantity(fields, "Threshold"))
    low, high = _quantity(fields, "MinValue"), _quantity(fields, "MaxValue")
    if low > high:
        raise ProtocolError(f"Filter: MinValue {low} lies above MaxValue {high}")
    return Filter(kind=kind, low=low, high=high)


_QUANTITY: Final = re.compile(
    r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*([kKmMgGtT]?)[bB]?"
)
_UNITS: Final[Mapping[str, int]] = {
    "": 1,
    "K": 1024,
    "M": 1024**2,
    "G": 1024**3,
    "T": 1024**4,
}


def _quantity(fields: Folded, key: str) -> float:
    given = fields.get(key)
    if given is None:
        raise ProtocolError(f"Filter has no {key!r}")
    if not isinstance(given, str):
        return fields.number(key)
    found = _QUANTITY.fullmatch(given.strip())
    if found is None:
        raise fields.wrong(key, "a number", given)
    return float(found[1]) * _UNITS[found[2].upper()]


def _aggregate(fields: Folded) -> tuple[str | None, int | None]:
    if "Aggregate" not in fields:
        return "accumulate", None
    given = fields.get("Aggregate")
    if given is None:
        return None, None
    if isinstance(given, str):
        given = {"Type": given}
    inner = Folded(given, "Aggregate")
    size = None if inner.get("SampleSize") is None else inner.natural("SampleSize")
    return inner.choice("Type", AGGREGATES), size


def _sink(obj: JSON) -> Sink:
    if isinstance(obj, str):
        if obj.lower() != "pneumo":
            raise ProtocolError(f"unknown sink {brief(obj)}")
        return Sink()
    fields = Folded(obj, "Sink")
    kind = fields.choice("Type", ("pneumo", "Kafka"), "Kafka")
    if kind == "pneumo":
        return Sink()
    return Sink(
        kind="kafka",
        topic=fields.text("Topic"),
        partition=fields.natural("Partition", 0),
        bootstrap_servers=fields.texts("BootstrapServers", ()),
    )


def _report(obj: JSON) -> float:
    if obj is None:
        return 0.0
    fields = Folded(obj, "Report")
    interval = fields.number("Interval", 0.0)
    if not 0 <= interval < float("inf"):
        raise fields.wrong("Interval", "zero or more seconds", interval)
    return interval
