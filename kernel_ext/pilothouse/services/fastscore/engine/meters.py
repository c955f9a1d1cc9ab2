"""Tapping points of an engine: slots, jets, the manifold (contract §10.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pilothouse.fastscore.wire.values import JSON
from pilothouse.services.fastscore.sensors import Tap, Taps

from .records import Batch

__all__ = ["PREINSTALLED", "Meters"]

_SLOT_TAPS: Final = (
    "records.count",
    "records.size",
    "records",
    "raw.size",
    "records.rejected.by.schema",
    "records.rejected.by.encoding",
    "profile",
    "debug",
)
_JET_TAPS: Final = (
    "input.records.count",
    "input.records.size",
    "output.records.count",
    "output.records.size",
)
_ALWAYS: Final = frozenset({0, 1})
_STEPS: Final = (
    "unwrap_envelope",
    "wrap_envelope",
    "validate_streaming",
    "validate_input_records",
    "validate_output_records",
)
_NO_TIMES: Final = dict.fromkeys(_STEPS, 0.0) | {f"{step}_n": 0 for step in _STEPS}
"""What the profile tap always says: the real CLI asks for all of it."""
MAX_SHOWN_RECORDS: Final = 100
"""Records of one batch that the ``records`` tap shows."""


def _sensor(slot: int, what: str, aggregate: str) -> dict[str, Any]:
    return {
        "Tap": f"manifold.{slot}.{what}",
        "Activate": "permanent",
        "Aggregate": aggregate,
        "Sink": "pneumo",
        "Report": {"Interval": 2.0},
    }


PREINSTALLED: Final = tuple(
    _sensor(slot, what, aggregate)
    for slot in (1, 0)
    for what, aggregate in (
        ("records.size", "sum"),
        ("records.rejected.by.encoding", "accumulate"),
        ("records.count", "sum"),
        ("records.rejected.by.schema", "accumulate"),
    )
)
"""The eight sensors of every engine, ids 1 to 8."""


class Meters:
    """Adds and feeds the taps of one engine.

    Args:
        taps: The instance's.
    """

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._slots: dict[int, dict[str, Tap]] = {}
        for name in ("manifold.debug", "manifold.deadlock"):
            taps.add(name)
        self.use_slots(())

    def use_slots(self, slots: Iterable[int]) -> None:
        """Have taps for slots 0 and 1 and for those of a model, and no others."""
        wanted = _ALWAYS | set(slots)
        for slot in set(self._slots) - wanted:
            for tap in self._slots.pop(slot).values():
                self._taps.remove(tap.name)
        for slot in sorted(wanted - set(self._slots)):
            self._slots[slot] = {
                what: self._taps.add(f"manifold.{slot}.{what}") for what in _SLOT_TAPS
            }

    def add_jet(self, sandbox: str) -> None:
        """Add the taps of a jet."""
        for what in _JET_TAPS:
            self._taps.add(f"jet.{sandbox}.{what}")

    def remove_jet(self, sandbox: str) -> None:
        """Remove the taps of a jet."""
        for what in _JET_TAPS:
            self._taps.remove(f"jet.{sandbox}.{what}")

    def raw(self, slot: int, size: int) -> None:
        """Bytes have come in, or go out, envelope included."""
        self._emit(slot, "raw.size", size)

    def read(self, batch: Batch) -> None:
        """Records were read from an input slot."""
        self._records(batch.slot, batch.count, len(batch.data))
        tap = self._slots.get(batch.slot, {}).get("records")
        if tap is not None and tap.active:
            for text in batch.texts(0, MAX_SHOWN_RECORDS):
                tap.emit(text)

    def written(
        self, slot: int, data: bytes, count: int, bounds: list[int] | None
    ) -> None:
        """Records were written to an output slot."""
        self._records(slot, count, len(data))
        self.raw(slot, len(data))
        tap = self._slots.get(slot, {}).get("records")
        if tap is not None and tap.active:
            for text in Batch(slot, data, count, 1, bounds).texts(0, MAX_SHOWN_RECORDS):
                tap.emit(text)

    def exchanged(self, slot: int, count: int, size: int) -> None:
        """Records passed a slot in roundtrips."""
        self._records(slot, count, size)

    def rejected(self, slot: int, kind: str, count: int, texts: list[str]) -> None:
        """Records of a slot were rejected by schema or encoding."""
        tap = self._slots.get(slot, {}).get(f"records.rejected.by.{kind}")
        if tap is None or not tap.active:
            return
        for text in texts:
            tap.emit(text, 1)
        if count > len(texts):
            tap.emit(f"[and {count - len(texts)} more]", count - len(texts))

    def jet(self, sandbox: str, used: Mapping[str, Any]) -> None:
        """A jet has done a batch: counts and sizes of its records."""
        for direction in ("input", "output"):
            count, size = used.get(direction, (0, 0))
            for what, reading in (("count", count), ("size", size)):
                tap = self._taps.get(f"jet.{sandbox}.{direction}.records.{what}")
                if tap is not None and tap.active and count:
                    tap.emit(reading)

    def profile(self, slot: int, times: dict[str, float]) -> None:
        """How long the steps of a batch took, in seconds."""
        self._emit(slot, "profile", {**_NO_TIMES, **times})

    def debug(self, text: str, slot: int | None = None) -> None:
        """Something worth knowing about the data path."""
        name = "manifold.debug" if slot is None else f"manifold.{slot}.debug"
        tap = self._taps.get(name)
        if tap is not None and tap.active:
            tap.emit(text)

    def deadlock(self, text: str) -> None:
        """Nothing moves any more."""
        tap = self._taps.get("manifold.deadlock")
        if tap is not None and tap.active:
            tap.emit(text)

    def _records(self, slot: int, count: int, size: int) -> None:
        if count:
            self._emit(slot, "records.count", count)
            self._emit(slot, "records.size", size)

    def _emit(self, slot: int, what: str, reading: JSON) -> None:
        tap = self._slots.get(slot, {}).get(what)
        if tap is not None and tap.active:
            tap.emit(reading)
