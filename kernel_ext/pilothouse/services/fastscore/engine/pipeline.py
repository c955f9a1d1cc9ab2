r"""The data path: from input slots through jets to output slots (contract §6.5).

    intake -> batch -> ticket --------------------+
                 \-> jet -> out, done -> ticket --+-> outlet, in the order of tickets

Every batch gets a ticket when it is handed to a jet; outputs leave in the order of
the tickets, with any number of jets. A jet holds up to `WINDOW` batches, so that it
never waits; no jet gets work while an output slot is full. A batch of a slot without
record sets is cut to what the `Pace` of the jet says. Outputs of a batch are held
until the batch is done: one that is scored again, since its jet was killed from
outside, comes out once. (Of a batch that gives more than `HOLD_BYTES` a first part
goes out early; if its jet is killed then, that is an error.)
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pilothouse.fastscore.wire.controls import ControlRecord
from pilothouse.fastscore.wire.values import JSON

from .intake import Due, End, Intake
from .jets import Jet
from .outlet import Outlet
from .records import Batch
from .roundtrip import Roundtrips

__all__ = ["Pipeline", "PipelineOwner", "Ticket"]

WINDOW = 3
"""Batches that a jet holds at most."""

HOLD_BYTES = 16 * 1024 * 1024
"""Output of one batch that is held until the batch is done."""


@dataclass(slots=True)
class Ticket:
    """The place of one batch, or pig, in the order of outputs.

    Attributes:
        number: Its id in frames.
        outputs: What the jet gave: slot, data, count of records, bounds.
        is_done: Whether all of it is there.
        is_leaking: Whether a part of its outputs went out already.
    """

    number: int
    item: Batch | ControlRecord
    outputs: list[tuple[int, bytes, int, list[int] | None]] = field(
        default_factory=list
    )
    held: int = 0
    is_done: bool = False
    is_leaking: bool = False


class PipelineOwner(Protocol):
    """Who is told what happens on the way; always on the event loop."""

    def pig_read(self) -> None:
        """Note that a pig was read."""

    def pig_due(self, pig: ControlRecord) -> None:
        """Write a pig to the outputs."""

    def inputs_ended(self) -> None:
        """Note that every input was read to its end, and handed out."""

    def taken(self) -> None:
        """Note that something was taken from an input slot."""

    def emitted(
        self, slot: int, data: bytes, count: int, bounds: list[int] | None
    ) -> None:
        """Note that records left through a slot."""


class Pipeline:
    """Dispatches batches, and keeps their outputs in order.

    Args:
        jets: Gives the jets that take work.

    Attributes:
        owner: Who is told; set before the first record.
        intakes: Input slot -> its queue.
        outlets: Output slot -> where it goes.
        tickets: What is under way, in order.
        is_flowing: Whether batches are handed out.
        is_held: Whether they are held back for a moment all the same.
        roundtrips: Requests that wait for an answer of their own.
    """

    owner: PipelineOwner

    def __init__(self, jets: Callable[[], list[Jet]]) -> None:
        self._jets = jets
        self._blocked_since: float | None = None
        self._number = 0
        self._retry: deque[Ticket] = deque()
        self._turn: deque[int] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._end_told = False
        self._flooding: list[Jet] = []
        self.intakes: dict[int, Intake] = {}
        self.outlets: dict[int, Outlet] = {}
        self.tickets: deque[Ticket] = deque()
        self.is_flowing = False
        self.is_held = False
        self.roundtrips = Roundtrips()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.tickets

    def clear(self) -> None:
        """Forget everything that is under way."""
        self.is_flowing = False
        self.tickets.clear()
        self._retry.clear()
        self._turn.clear()
        self._flooding.clear()
        self._end_told = False
        self._blocked_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pump(self) -> None:
        """Hand out what is due to jets that have room."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self.is_flowing and not self.is_held and self._step():
                pass
        finally:
            self._pumping = False

    def _step(self) -> bool:
        """Do one piece of work; tell whether there may be more."""
        jet = self._free_jet()
        if jet is None:
            return False
        if call := self.roundtrips.next_call():
            self._send_roundtrips(jet, call)
            return True
        if self._is_blocked():
            return False
        if self._retry:
            self._hand(jet, self._retry.popleft())
            return True
        item = self._next_due(jet)
        if item is None:
            self._set_timer()
            return False
        self._dispatch(jet, item)
        return True

    def blocked_seconds(self) -> float:
        """Return for how long work has waited for a full output slot."""
        since = self._blocked_since
        return 0.0 if since is None else time.monotonic() - since

    def _is_blocked(self) -> bool:
        if not any(outlet.is_full for outlet in self.outlets.values()):
            self._blocked_since = None
            return False
        if self._blocked_since is None:
            self._blocked_since = time.monotonic()
        return True

    def _free_jet(self) -> Jet | None:
        free = [jet for jet in self._jets() if jet.is_ready and not jet.is_ending]
        if not free:
            return None
        jet = min(free, key=lambda jet: len(jet.in_flight))
        return jet if len(jet.in_flight) < WINDOW else None

    def _next_due(self, jet: Jet) -> Due | None:
        """Return what is due for a jet on the next slot that has something."""
        eager = not jet.in_flight
        if len(self._turn) != len(self.intakes):
            self._turn = deque(self.intakes)
        for _ in range(len(self._turn)):
            self._turn.rotate(-1)
            intake = self.intakes.get(self._turn[0])
            if intake is None:
                continue
            item = intake.take(eager=eager, limit=jet.pace.limit(intake.slot))
            if item is not None:
                self.owner.taken()
                return item
        self.check_ended()
        return None

    def check_ended(self) -> None:
        """Tell the owner once when all inputs are at their end."""
        if self._end_told or not all(i.is_ended for i in self.intakes.values()):
            return
        self._end_told = True
        self.owner.inputs_ended()

    def _dispatch(self, jet: Jet, item: Due) -> None:
        if isinstance(item, End):
            return
        self._number += 1
        ticket = Ticket(self._number, item)
        self.tickets.append(ticket)
        if isinstance(item, Batch):
            self._hand(jet, ticket)
        else:
            ticket.is_done = True
            self.owner.pig_read()
            self.advance()

    def _hand(self, jet: Jet, ticket: Ticket) -> None:
        batch = ticket.item
        if not isinstance(batch, Batch):
            return
        jet.given(ticket.number, ticket)
        head: dict[str, Any] = {
            "k": "batch",
            "id": ticket.number,
            "slot": batch.slot,
            "n": batch.count,
            "seqno": batch.seqno,
        }
        if batch.bounds is not None:
            head["bounds"] = batch.bounds
        if batch.header is not None:
            head["header"] = batch.header.decode("utf-8", "replace")
        jet.send(head, batch.data)

    def _send_roundtrips(self, jet: Jet, group: JSON) -> None:
        self._number += 1
        jet.given(self._number, group)
        head, body = group.frame(self._number)
        jet.send(head, body)

    # -- what comes back

    def output(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        """Take output of a batch."""
        ticket = jet.in_flight.get(head["id"])
        jet.progressed()
        if not isinstance(ticket, Ticket):
            return
        ticket.outputs.append((head["slot"], body, head["n"], head.get("bounds")))
        ticket.held += len(body)
        if ticket.held > HOLD_BYTES:
            self._leak(jet, ticket)

    def extra(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        """Take output that belongs to no batch; a jet that floods a slot waits."""
        jet.progressed()
        slot, outlet = head["slot"], self.outlets.get(head["slot"])
        if outlet is None:
            return
        outlet.write(body, head.get("bounds"))
        self.owner.emitted(slot, body, head["n"], head.get("bounds"))
        if outlet.is_full:
            self._flooding.append(jet)
            jet.hold(held=True)

    def done(self, jet: Jet, number: int) -> Ticket | None:
        """Note that a batch is done; returns its ticket."""
        ticket = jet.in_flight.pop(number, None)
        jet.progressed()
        if not isinstance(ticket, Ticket):
            return None
        ticket.is_done = True
        self.advance()
        return ticket

    def advance(self) -> None:
        """Let out what is done, in order."""
        while self.tickets and self.tickets[0].is_done:
            ticket = self.tickets.popleft()
            self._emit(ticket)
            if isinstance(ticket.item, ControlRecord):
                self.owner.pig_due(ticket.item)
        self._release()

    def room_soon(self) -> None:
        """Note that an output slot has room, in the next turn of the loop."""
        asyncio.get_running_loop().call_soon(self.room)

    def room(self) -> None:
        """Note that an output slot has room again."""
        flooding, self._flooding = self._flooding, []
        for jet in flooding:
            jet.hold(held=False)
        self._release()
        self.pump()

    def abandon(self, jet: Jet) -> tuple[list[Ticket], list[Any]]:
        """Take away what a jet held, oldest first: tickets and roundtrips."""
        held = [jet.in_flight[number] for number in sorted(jet.in_flight)]
        jet.in_flight.clear()
        tickets = [item for item in held if isinstance(item, Ticket)]
        return tickets, [item for item in held if not isinstance(item, Ticket)]

    def retry(self, tickets: list[Ticket]) -> None:
        """Score batches once more; their outputs so far are dropped."""
        for ticket in tickets:
            ticket.outputs.clear()
            ticket.held = 0
        merged = sorted([*self._retry, *tickets], key=lambda ticket: ticket.number)
        self._retry = deque(merged)

    def end_at(self, number: int | None) -> None:
        """Drop what comes after a batch that failed; what it gave so far goes out.

        Args:
            number: Its ticket; ``None`` drops all that is not done.
        """
        kept = [t for t in self.tickets if t.is_done or t.number <= (number or 0)]
        self.tickets = deque(kept)
        for ticket in kept:
            if ticket.number == number or ticket in self._retry:
                ticket.is_done = True
        self._retry.clear()
        self.advance()

    def drop_unread(self) -> None:
        """Drop what no jet will take any more; what is done goes out."""
        self.end_at(None)
        self._end_told = True

    def _emit(self, ticket: Ticket) -> None:
        for slot, data, count, bounds in ticket.outputs:
            outlet = self.outlets.get(slot)
            if outlet is not None:
                outlet.write(data, bounds)
                self.owner.emitted(slot, data, count, bounds)
        ticket.outputs.clear()
        ticket.held = 0

    def _leak(self, jet: Jet, ticket: Ticket) -> None:
        """Let a long output out early, or make its jet wait for its turn."""
        is_first = bool(self.tickets) and self.tickets[0] is ticket
        if is_first and not any(outlet.is_full for outlet in self.outlets.values()):
            ticket.is_leaking = True
            self._emit(ticket)
            jet.hold(held=False)
        else:
            jet.hold(held=True)

    def _release(self) -> None:
        """Go on with the jet whose long output is next."""
        if not self.tickets:
            return
        first = self.tickets[0]
        if first.held > HOLD_BYTES:
            for jet in self._jets():
                if jet.in_flight.get(first.number) is first:
                    self._leak(jet, first)

    def _set_timer(self) -> None:
        deadlines = [intake.deadline() for intake in self.intakes.values()]
        due = [deadline for deadline in deadlines if deadline is not None]
        if not due:
            return
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(min(due) + 0.0005, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()
