"""Why an engine enters ERROR, and how that is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse.fastscore.wire.pneumo import ModelInputInfo
from pilothouse.fastscore.wire.values import JSON

from .jets import Cause, Jet
from .pipeline import Ticket
from .records import Batch
from .reporting import ERROR, Reporter, input_info
from .roundtrip import Group

__all__ = ["Failure", "failure_of_frame", "failure_of_jet"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure.

    Attributes:
        text: What happened, in full: a traceback, or one line.
        is_model: Whether the model is at fault.
        given: The input that it failed on.
        number: The ticket of the failed batch, if what it gave before is to go out.
    """

    text: str
    is_model: bool = False
    given: ModelInputInfo | None = None
    number: int | None = None

    @property
    def refusal(self) -> str:
        """The last line: what a waiting request is told."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        last = lines[-1].strip() if lines else "unknown cause"
        return f"model error: {last}" if self.is_model else last

    def report(self, reporter: Reporter) -> None:
        """Tell Pneumo."""
        if self.is_model:
            reporter.model_error(self.given, self.text)
        else:
            reporter.log(ERROR, self.text)


Encodings = Callable[[int], str | None]


def failure_of_frame(jet: Jet, head: dict[str, Any], encoding: Encodings) -> Failure:
    """Return the failure that a jet reports by itself: its model raised."""
    number = head.get("id")
    index = head.get("index")
    held = jet.in_flight.get(number) if isinstance(number, int) else None
    text = str(head.get("console", ""))
    given = _given(held, encoding, index if isinstance(index, int) else None)
    is_batch = isinstance(held, Ticket)
    return Failure(text, True, given, number if is_batch else None)


def failure_of_jet(jet: Jet, cause: Cause, encoding: Encodings) -> Failure:
    """Return the failure of a jet that has gone."""
    held = [jet.in_flight[number] for number in sorted(jet.in_flight)]
    given = _given(held[0], encoding, None) if held else None
    waiting = sum(_count(item) for item in held)
    what = f"jet {jet.sandbox} {cause.text}"
    if waiting:
        what += f" while it held {waiting} records"
    elif not jet.is_ready:
        what += " before it was ready"
    return Failure(what, True, given)


def _given(held: JSON, encoding: Encodings, index: int | None) -> ModelInputInfo | None:
    if isinstance(held, Ticket) and isinstance(held.item, Batch):
        return input_info(held.item, encoding(held.item.slot), index)
    if isinstance(held, Group):
        slot = held.calls[0].input_slot
        data = b"".join(call.data for call in held.calls)
        bounds = [len(call.data) for call in held.calls]
        batch = Batch(slot, data, len(bounds), held.seqno, bounds)
        return input_info(batch, encoding(slot), index)
    return None


def _count(held: JSON) -> int:
    if isinstance(held, Ticket) and isinstance(held.item, Batch):
        return held.item.count
    return len(held.calls) if isinstance(held, Group) else 0
