"""What jets and the pipeline tell, and what follows from it."""

from __future__ import annotations

from typing import Any

from pilothouse.fastscore.wire.controls import ControlRecord
from pilothouse.fastscore.wire.messages import EngineState

from .core import Core
from .endings import Endings
from .failing import Failure, failure_of_frame, failure_of_jet
from .jets import Cause, Jet
from .pipeline import Ticket
from .reporting import WARNING
from .roundtrip import Group

__all__ = ["Events"]

MAX_DEATHS = 2
"""Jets that may be killed from outside over one batch."""

MAX_LINE = 2000
"""How much of a printed line is kept."""

BLOCKED_SECONDS = 5.0
"""How long an output may be full before that is told as a deadlock."""


class Events:
    """Owner of the pool and of the pipeline.

    Args:
        core: The parts of the engine.
        endings: Ends a run.
    """

    def __init__(self, core: Core, endings: Endings) -> None:
        self._core = core
        self._endings = endings

    # -- jets come and go

    def jet_started(self, jet: Jet) -> None:
        """Report a jet that has come."""
        self._core.meters.add_jet(jet.sandbox)
        self._core.report.config("jet", "start", jet.sandbox)

    def jet_stopped(self, jet: Jet) -> None:
        """Report a jet that has gone."""
        self._core.state.release(jet)
        self._core.meters.remove_jet(jet.sandbox)
        self._core.report.config("jet", "stop", jet.sandbox)
        self._core.progressed()

    def jet_console(self, jet: Jet, text: str) -> None:
        """Report what a model has printed."""
        self._core.console.extend(line[:MAX_LINE] for line in text.splitlines())
        self._core.report.console(text)

    def jet_lost(self, jet: Jet, cause: Cause) -> None:
        """Replace a jet that was killed from outside; else it is an error."""
        core = self._core
        if core.machine.state in (EngineState.ERROR, EngineState.FINISHED):
            return
        failure = failure_of_jet(jet, cause, core.plumbing.encoding)
        tickets, groups = core.pipeline.abandon(jet)
        core.lost_in_a_row += 1
        if not cause.is_external or self._is_hopeless(tickets, groups):
            self._endings.fail(failure, groups)
            return
        core.report.log(
            WARNING,
            f"jet {jet.sandbox} {cause.text}; it is replaced, and "
            f"{len(tickets)} batches that it held are scored again",
        )
        core.pipeline.retry(tickets)
        for group in groups:
            core.pipeline.roundtrips.retry(group)
        core.pool.replace_lost()
        core.pipeline.pump()

    def jets_watched(self) -> None:
        """Tell of outputs that nobody fetches while work waits for them."""
        pipeline = self._core.pipeline
        if pipeline.blocked_seconds() < BLOCKED_SECONDS:
            return
        full = [slot for slot, outlet in pipeline.outlets.items() if outlet.is_full]
        self._core.meters.deadlock(f"nobody fetches the output of slots {full}")

    def _is_hopeless(self, tickets: list[Ticket], groups: list[Group]) -> bool:
        """Whether a batch has cost too many jets, or cannot be scored again."""
        if self._core.lost_in_a_row > MAX_DEATHS:
            return True
        first: Any = tickets[0].item if tickets else next(iter(groups), None)
        if first is not None:
            first.deaths += 1
            if first.deaths >= MAX_DEATHS:
                return True
        return any(ticket.is_leaking for ticket in tickets)

    # -- what jets say

    def jet_frame(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        """Take one frame of a jet."""
        core = self._core
        match head.get("k"):
            case "out":
                core.pipeline.output(jet, head, body)
            case "done":
                self._batch_done(jet, head)
            case "singles":
                self._roundtrips_done(jet, head, body)
            case "ask":
                core.state.ask(jet, head, lambda it: jet.send({"k": "reply", **it}))
            case "extra":
                core.pipeline.extra(jet, head, body)
            case "rejected":
                self._count(jet, head)
            case "ready":
                jet.is_ready = True
                jet.progressed()
                core.meters.debug(f"jet {jet.sandbox} is ready")
                core.pipeline.pump()
            case "ended":
                self._jet_done(jet)
            case "error":
                jet.console.flush()
                encoding = core.plumbing.encoding
                self._endings.fail(failure_of_frame(jet, head, encoding))

    def _batch_done(self, jet: Jet, head: dict[str, Any]) -> None:
        core = self._core
        ticket = core.pipeline.done(jet, head["id"])
        core.lost_in_a_row = 0
        if ticket is not None and not isinstance(ticket.item, ControlRecord):
            core.meters.read(ticket.item)
            self._count(jet, head)
            if times := head.get("profile"):
                slot = ticket.item.slot
                core.meters.profile(slot, times)
                jet.pace.learn(slot, times["action"], times["action_n"])
        core.pool.retired(jet)
        core.progressed()
        core.pipeline.pump()

    def _roundtrips_done(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        core = self._core
        group = jet.in_flight.pop(head["id"], None)
        jet.progressed()
        core.lost_in_a_row = 0
        if isinstance(group, Group):
            group.answer(head["answers"], body)
            self._count(jet, head)
            self._count_roundtrips(group, head["answers"])
        core.pool.retired(jet)
        core.pipeline.pump()

    def _count_roundtrips(self, group: Group, answers: list[Any]) -> None:
        first, meters = group.calls[0], self._core.meters
        given = sum(len(call.data) for call in group.calls)
        meters.exchanged(first.input_slot, len(group.calls), given)
        sizes = [size for word, size in answers if word == "ok"]
        meters.exchanged(first.output_slot, len(sizes), sum(sizes))

    def _count(self, jet: Jet, head: dict[str, Any]) -> None:
        for slot, kind, count, texts in head.get("rejects", ()):
            self._core.meters.rejected(slot, kind, count, texts)
        self._core.meters.jet(jet.sandbox, head)

    def _jet_done(self, jet: Jet) -> None:
        """A jet has run ``end``, or its script has come to its end by itself."""
        core = self._core
        tickets, _ = core.pipeline.abandon(jet)
        if tickets and not jet.is_ending:
            core.pipeline.retry(tickets)
        core.pool.dismiss(jet)
        core.progressed()
        if not core.pool.all_jets:
            self._scripts_ended()
        core.pipeline.pump()

    def _scripts_ended(self) -> None:
        """End the run: what no script has read, none will."""
        core = self._core
        if core.machine.is_open:
            core.pipeline.drop_unread()
            self.inputs_ended()
        elif core.machine.state is EngineState.FINISHING:
            core.pipeline.drop_unread()
            core.progressed()

    # -- what the pipeline says

    def pig_read(self) -> None:
        """A pig was read."""
        self._core.machine.pig_read()

    def pig_due(self, pig: ControlRecord) -> None:
        """Write a pig to every output."""
        self._core.plumbing.write_control(pig)
        self._core.machine.pig_written()
        self._core.progressed()

    def inputs_ended(self) -> None:
        """All inputs are at their end."""
        core = self._core
        for slot, attached in core.plumbing.streams.items():
            if slot % 2 == 0:
                attached.eof = True
        core.meters.debug("all inputs are at their end")
        core.machine.inputs_ended()
        core.spawn(self._endings.finish())

    def taken(self) -> None:
        """Input slots may have room again."""
        self._core.plumbing.check_room()

    def emitted(
        self, slot: int, data: bytes, count: int, bounds: list[int] | None
    ) -> None:
        """Records left through an output slot."""
        self._core.meters.written(slot, data, count, bounds)

    def stream_failed(self, slot: int, reason: str) -> None:
        """A stream broke, or could not be opened."""
        attached = self._core.plumbing.streams.get(slot)
        name = "?" if attached is None else attached.name
        self._endings.fail(Failure(f"stream {name!r} at slot {slot} failed: {reason}"))
