"""What an engine looks like at one moment: values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["EngineError", "EngineReport", "SlotReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReport:
    """One slot: what is attached, and what went through it.

    Attributes:
        slot: Even for inputs, odd for outputs.
        stream: Name of the attached stream; empty when there is none.
        transport: Its kind, for instance ``"REST"``.
        eof: Whether the stream has come to its end.
        rate: Records a second, now.
        total: Records since the view began to watch.
        by_schema: Records that the schema has rejected since then.
        by_encoding: Records that could not be decoded or encoded since then.
    """

    slot: int
    stream: str = ""
    transport: str = ""
    eof: bool = False
    rate: float = 0.0
    total: int = 0
    by_schema: int = 0
    by_encoding: int = 0

    @property
    def is_input(self) -> bool:
        """Whether records come in here."""
        return self.slot % 2 == 0

    @property
    def label(self) -> str:
        """Return ``"in 0"`` or ``"out 1"``."""
        return f"{'in' if self.is_input else 'out'} {self.slot}"

    @property
    def rejected(self) -> int:
        """Records rejected for any reason."""
        return self.by_schema + self.by_encoding

    def to_trait(self) -> dict[str, Any]:
        """Return the form that the browser gets."""
        return {
            "slot": self.slot,
            "label": self.label,
            "stream": self.stream,
            "transport": self.transport,
            "eof": self.eof,
            "rate": round(self.rate, 3),
            "total": self.total,
            "by_schema": self.by_schema,
            "by_encoding": self.by_encoding,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineError:
    """What went wrong on the engine last.

    Attributes:
        summary: The last line of the traceback, or the log line.
        traceback: The model's console as the engine reports it.
        record: The record that the model had at hand, or empty.
        at: Seconds since the epoch.
    """

    summary: str
    traceback: str = ""
    record: str = ""
    at: float = 0.0

    def to_trait(self) -> dict[str, Any]:
        """Return the form that the browser gets."""
        return {
            "summary": self.summary,
            "traceback": self.traceback,
            "record": self.record,
            "at": self.at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """One engine at one moment.

    Attributes:
        state: As the suite spells it, upper-case; empty when not known.
        model: Name of the loaded model; empty when there is none.
        mtype: Its type.
        jets: Pid and sandbox of each jet.
        rejected_rate: Records rejected a second, over all slots.
        memory_bytes: Resident memory as the engine reports it; 0 when not known.
        link: ``"connecting"``, ``"live"``, ``"lost"`` or ``"closed"``.
        link_text: Why it is lost, in one line.
        at: Seconds since the epoch.
    """

    state: str = ""
    model: str = ""
    mtype: str = ""
    jets: tuple[tuple[int, str], ...] = ()
    slots: tuple[SlotReport, ...] = (SlotReport(slot=0), SlotReport(slot=1))
    rejected_rate: float = 0.0
    memory_bytes: int = 0
    error: EngineError | None = field(default=None)
    link: str = "live"
    link_text: str = ""
    at: float = 0.0

    def rate(self, *, inputs: bool) -> float:
        """Return the records a second of all inputs, or of all outputs."""
        return sum(slot.rate for slot in self.slots if slot.is_input is inputs)

    def total(self, *, inputs: bool) -> int:
        """Return the records of all inputs, or of all outputs."""
        return sum(slot.total for slot in self.slots if slot.is_input is inputs)

    @property
    def rejected(self) -> int:
        """Records rejected at any slot for any reason."""
        return sum(slot.rejected for slot in self.slots)

    @property
    def words(self) -> str:
        """Return the state in one sentence, for a screen reader."""
        if self.link == "lost":
            return f"connection lost: {self.link_text}"
        if not self.state:
            return "connecting"
        model = f"model {self.model}" if self.model else "no model"
        jets = f"{len(self.jets)} jet{'' if len(self.jets) == 1 else 's'}"
        failed = f", last error: {self.error.summary}" if self.error else ""
        return f"{self.state.lower()}, {model}, {jets}{failed}"
