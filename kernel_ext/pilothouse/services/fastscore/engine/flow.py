"""What runs inside an engine: model, streams, jets and the state machine, together.

    load, attach -> complete -> open streams -> start jets -> RUNNING
    inputs end   -> FINISHING -> jets run end() -> outputs flushed -> FINISHED
    failure      -> ERROR; what was scored before stays readable
    reset        -> INIT, from anywhere

Everything here runs on the event loop. Operations that change the configuration are
serialised by a lock; a reset breaks into one that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pilothouse.errors import NotFoundError, PilothouseError, ProtocolError
from pilothouse.fastscore.runtime.envelopes import joiner_of
from pilothouse.fastscore.wire import controls
from pilothouse.fastscore.wire.avro import parse_schema
from pilothouse.fastscore.wire.controls import ControlRecord
from pilothouse.fastscore.wire.messages import EngineState
from pilothouse.fastscore.wire.values import JSON
from pilothouse.services.fastscore.store import Store

from .failing import Failure, failure_of_frame, failure_of_jet
from .inlet import RestInlet
from .intake import Intake
from .jets import Cause, Jet
from .loading import PreparedModel
from .machine import Machine, NotNowError, Operation
from .meters import Meters
from .options import EngineOptions
from .outlet import Outlet, RestOutlet, WriterOutlet
from .pipeline import Pipeline, Ticket
from .pool import Plan, Pool
from .reporting import INFO, WARNING, Reporter
from .roundtrip import Call, Group
from .state import SNAPSHOT_TYPE, SharedState
from .streams import AttachedStream, Feed, splitter_for
from .transports.base import Reader, StreamError, Writer
from .transports.opening import check_direction, check_supported, reader_of, writer_of
from .unpacking import unpack

__all__ = ["Flow"]

QUIESCE_SECONDS = 10.0
WIND_DOWN_SECONDS = 5.0
MAX_DEATHS = 2
"""Jets that may be killed from outside over one batch."""
MAX_CONSOLE_LINES = 1000


class Flow:
    """The running side of one engine.

    Args:
        folder: Where jets have their working folders.
        options: Bounds.
        store: Where snapshots go.
        reporter: Publishes to Pneumo.
        meters: The tapping points.

    Attributes:
        model: The loaded model.
        streams: Slot -> attached stream.
        state: Cells and pools.
        console: The last lines that models have printed.
    """

    def __init__(
        self,
        folder: Path,
        options: EngineOptions,
        store: Store,
        reporter: Reporter,
        meters: Meters,
    ) -> None:
        self._options = options
        self._store = store
        self._report = reporter
        self._meters = meters
        self.machine = Machine(self._state_entered)
        self.pool = Pool(folder, options, self)
        self.pipeline = Pipeline(lambda: self.pool.jets, self)
        self.state = SharedState()
        self.model: PreparedModel | None = None
        self.streams: dict[int, AttachedStream] = {}
        self.console: deque[str] = deque(maxlen=MAX_CONSOLE_LINES)
        self.lock = asyncio.Lock()
        self._inlets: dict[int, RestInlet] = {}
        self._feeds: dict[int, Feed] = {}
        self._schemas: dict[int, list[Any]] = {}
        self._failure: Failure | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: asyncio.Task[Any] | None = None
        self._idle = asyncio.Event()
        self._lost_in_a_row = 0

    # -- operations (contract §6.2)

    async def load(self, model: PreparedModel) -> None:
        """Load a model, or replace the one that runs.

        Raises:
            NotNowError: If the state does not allow it.
            ProtocolError: If it does not go with the attached streams.
        """
        await self._change(self._load(model))

    async def _load(self, model: PreparedModel) -> None:
        self.machine.check(Operation.LOAD)
        schemas = self._matched(model, self.streams)
        if self.machine.state is EngineState.INIT:
            self.model = model
            self._meters.use_slots(model.slot_numbers)
            self._report.config("model", "load")
            await self._launch_if_complete()
        else:
            await self._reload(model, schemas)

    async def unload(self) -> None:
        """Forget the model.

        Raises:
            NotNowError: If the state does not allow it.
            NotFoundError: If there is none.
        """
        await self._change(self._unload())

    async def _unload(self) -> None:
        self.machine.check(Operation.UNLOAD)
        if self.model is None:
            raise NotFoundError("no model is loaded")
        self.model = None
        self._meters.use_slots(())
        self._report.config("model", "unload")

    async def attach(self, attached: AttachedStream) -> None:
        """Attach a stream to its slot, or replace the one there.

        Raises:
            NotNowError: If the state does not allow it.
            ProtocolError: If stream, slot and model do not go together.
        """
        await self._change(self._attach(attached))

    async def _attach(self, attached: AttachedStream) -> None:
        slot = attached.slot
        replaces = slot in self.streams
        self.machine.check(Operation.REATTACH if replaces else Operation.ATTACH)
        check_supported(attached.stream, allow_exec=self._options.allow_exec)
        check_direction(attached.stream, slot)
        if self.model is not None:
            self._matched(self.model, {slot: attached})
        if self.machine.state is EngineState.INIT:
            await self._put_stream(attached)
        else:
            await self._reattach(attached)
        self._report.config("stream", "reattach" if replaces else "attach", slot)
        await self._launch_if_complete()

    async def detach(self, slot: int) -> None:
        """Take a stream off.

        Raises:
            NotNowError: If the state does not allow it.
            NotFoundError: If the slot has none.
        """
        await self._change(self._detach(slot))

    async def _detach(self, slot: int) -> None:
        self.machine.check(Operation.DETACH)
        if slot not in self.streams:
            raise NotFoundError(f"slot {slot} has no stream")
        await self._drop_stream(slot)
        self._report.config("stream", "detach", slot)

    def pause(self) -> None:
        """Stop the flow; in INIT remember to."""
        self.machine.pause()

    def unpause(self) -> None:
        """Let it flow."""
        self.machine.unpause()

    async def scale(self, target: int) -> None:
        """Change the number of jets.

        Raises:
            NotNowError: If the state does not allow it.
            ProtocolError: If so many are not allowed.
        """
        if target > self._options.max_jets:
            raise ProtocolError(f"at most {self._options.max_jets} jets, not {target}")
        await self._change(self._scale(target))

    async def _scale(self, target: int) -> None:
        self.machine.check(Operation.SCALE)
        await self._start_jets(self.pool.scale(target))
        self.pipeline.pump()

    def restore(self, blob: bytes) -> None:
        """Set cells and pools to what a snapshot holds.

        Raises:
            NotNowError: If the state does not allow it.
            ProtocolError: If it is no snapshot.
        """
        self.machine.check(Operation.RESTORE)
        self.state.restore(blob)

    async def reset(self) -> None:
        """Begin anew: no model, no streams, one jet wanted."""
        if self._busy is not None:
            self._busy.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        async with self.lock:
            await self._clear()

    async def input(self, slot: int, body: bytes) -> None:
        """Take what a client posts.

        Raises:
            NotNowError: If the state, or the slot, takes no input.
            ProtocolError: If a record is too long.
        """
        self.machine.check(Operation.INPUT)
        inlet = self._inlets.get(slot)
        if inlet is None:
            raise NotNowError(403, f"slot {slot} has no REST input stream")
        if not await inlet.post(body):
            raise NotNowError(403, f"the input of slot {slot} has ended")
        self.pipeline.pump()

    def rest_outlet(self, slot: int) -> RestOutlet:
        """Return where clients fetch the output of a slot.

        Raises:
            NotNowError: If the slot has no REST stream.
        """
        outlet = self.pipeline.outlets.get(slot)
        if not isinstance(outlet, RestOutlet):
            raise NotNowError(403, f"slot {slot} has no REST output stream")
        return outlet

    def roundtrip(self, data: bytes, input_slot: int, output_slot: int) -> Call:
        """Begin a roundtrip; its answer comes.

        Raises:
            NotNowError: If state or slots do not allow it.
            ProtocolError: If the record is a control record.
        """
        self.machine.check(Operation.ROUNDTRIP)
        given = self.streams.get(input_slot)
        if given is None or input_slot not in self._inlets:
            raise NotNowError(403, f"slot {input_slot} has no REST input stream")
        self.rest_outlet(output_slot)
        if controls.recognise(given.encoding, data) is not None:
            raise ProtocolError("a control record cannot make a roundtrip")
        call = Call(data, input_slot, output_slot)
        self.pipeline.roundtrips.add(call)
        self.pipeline.pump()
        return call

    # -- streams

    def _matched(
        self, model: PreparedModel, streams: dict[int, AttachedStream]
    ) -> dict[int, list[Any]]:
        """Return the schemas of each slot.

        Raises:
            ProtocolError: If streams and model do not go together.
        """
        found: dict[int, list[Any]] = {}
        for slot, attached in streams.items():
            if slot not in model.slot_numbers:
                raise ProtocolError(f"model {model.name!r} does not use slot {slot}")
            found[slot] = attached.schemas(model.schemas.get(slot))
        return found

    async def _put_stream(self, attached: AttachedStream) -> None:
        """Make a stream the one of its slot; REST is ready at once."""
        slot = attached.slot
        await self._drop_stream(slot)
        self.streams[slot] = attached
        if slot % 2 == 0:
            self._new_intake(attached)
        elif attached.is_rest:
            self._use_outlet(
                slot,
                RestOutlet(
                    chunked=attached.is_chunked, limit=self._options.queue_bytes
                ),
            )

    def _new_intake(self, attached: AttachedStream) -> None:
        slot = attached.slot
        intake = Intake(slot, attached.stream.batching)
        self.pipeline.intakes[slot] = intake
        if attached.is_rest:
            self._inlets[slot] = RestInlet(
                intake,
                limit=self._options.queue_bytes,
                on_data=lambda size: self._meters.raw(slot, size),
            )

    def _use_outlet(self, slot: int, outlet: Outlet) -> None:
        outlet.on_room = self._outlet_has_room
        self.pipeline.outlets[slot] = outlet

    async def _drop_stream(self, slot: int) -> None:
        self.streams.pop(slot, None)
        self.pipeline.intakes.pop(slot, None)
        if inlet := self._inlets.pop(slot, None):
            inlet.close()
        if feed := self._feeds.pop(slot, None):
            await feed.close()
        if outlet := self.pipeline.outlets.pop(slot, None):
            await outlet.close()

    async def _open(self, attached: AttachedStream) -> None:
        """Open a stream's transport; an input begins to be read.

        Raises:
            StreamError: If that is not possible.
        """
        slot = attached.slot
        if slot % 2 == 1:
            if not attached.is_rest:
                writer = writer_of(attached.stream)
                await _opened(writer)
                outlet = WriterOutlet(
                    writer,
                    keeps_bounds=attached.stream.transport.keeps_bounds,
                    limit=self._options.queue_bytes,
                    on_failure=lambda exc: self._stream_failed(slot, exc),
                )
                self._use_outlet(slot, outlet)
            self._wrap(attached)
            return
        intake = self.pipeline.intakes[slot]
        model = self.model
        intake.recordsets = model is not None and model.options.slots[slot].recordsets
        splitter = splitter_for(attached, self._schemas.get(slot, []))
        if slot in self._inlets:
            self._inlets[slot].start(splitter)
            return
        reader = reader_of(attached.stream)
        await _opened(reader)
        self._feeds[slot] = Feed(
            reader,
            splitter,
            intake,
            on_data=lambda size: self._input_came(slot, size),
            on_failure=lambda exc: self._stream_failed(slot, exc),
            limit=self._options.queue_bytes // 4,
        )

    def _wrap(self, attached: AttachedStream) -> None:
        """Give an output the envelope that jets leave to it."""
        outlet = self.pipeline.outlets[attached.slot]
        if attached.stream.transport.keeps_bounds:
            return
        schemas = self._schemas.get(attached.slot, [])
        joiner = joiner_of(
            attached.stream, parse_schema(schemas[0]) if schemas else None
        )
        outlet.joiner = joiner
        if start := joiner.start():
            outlet.write(start)

    def _input_came(self, slot: int, size: int) -> None:
        if size:
            self._meters.raw(slot, size)
        self.pipeline.pump()

    def _outlet_has_room(self) -> None:
        asyncio.get_running_loop().call_soon(self.pipeline.room)

    def _stream_failed(self, slot: int, exc: PilothouseError) -> None:
        attached = self.streams.get(slot)
        name = attached.name if attached is not None else "?"
        self._fail(Failure(f"stream {name!r} at slot {slot} failed: {exc.message}"))

    # -- start, replacement

    async def _launch_if_complete(self) -> None:
        model = self.model
        if (
            model is None
            or self.machine.state is not EngineState.INIT
            or not model.slot_numbers <= set(self.streams)
        ):
            return
        self._schemas = self._matched(model, self.streams)
        try:
            for slot in sorted(self.streams):
                await self._open(self.streams[slot])
        except (StreamError, ProtocolError) as exc:
            self._stream_failed(slot, exc)
            return
        await self._start_jets(self.pool.launch(self._plan(model)))
        self.machine.complete()
        self.pipeline.pump()
        self.pipeline.check_ended()

    async def _start_jets(self, start: Coroutine[Any, Any, None]) -> None:
        try:
            await start
        except OSError as exc:
            self._fail(Failure(f"a jet could not be started: {exc}"))
        except ProtocolError as exc:
            self._fail(Failure(exc.message))

    def _plan(self, model: PreparedModel) -> Plan:
        def fill(folder: Path) -> None:
            unpack(model.archives, folder)

        return Plan(head=lambda: self._start_head(model), fill=fill)

    def _start_head(self, model: PreparedModel) -> dict[str, Any]:
        return {
            "k": "start",
            **model.start_head(),
            "slots": self._slot_forms(model),
            "memory": self._options.jet_memory_bytes,
            "explicit": model.options.explicit,
        }

    def _slot_forms(self, model: PreparedModel) -> list[dict[str, Any]]:
        return [
            {
                "slot": slot,
                "stream": self.streams[slot].jet_form(),
                "schemas": self._schemas.get(slot, []),
                "recordsets": given.recordsets,
                "action": given.action,
            }
            for slot, given in model.options.slots.items()
        ]

    async def _reload(
        self, model: PreparedModel, schemas: dict[int, list[Any]]
    ) -> None:
        """Replace the model while records flow."""
        if missing := sorted(model.slot_numbers - set(self.streams)):
            raise ProtocolError(
                f"model {model.name!r} uses slot {missing[0]}, which has no stream"
            )
        async with self._quiet():
            self.model = model
            self._schemas = schemas
            self._meters.use_slots(model.slot_numbers)
            for slot, intake in self.pipeline.intakes.items():
                intake.recordsets = model.options.slots[slot].recordsets
            await self._start_jets(self.pool.launch(self._plan(model)))
            self._report.config("model", "reload")

    async def _reattach(self, attached: AttachedStream) -> None:
        """Replace a stream while records flow."""
        model = self.model
        if model is None:
            raise ProtocolError("no model is loaded")
        async with self._quiet():
            await self._put_stream(attached)
            self._schemas[attached.slot] = attached.schemas(
                model.schemas.get(attached.slot)
            )
            try:
                await self._open(attached)
            except (StreamError, ProtocolError) as exc:
                self._stream_failed(attached.slot, exc)
                return
            for jet in self.pool.jets:
                jet.send({"k": "slots", "slots": self._slot_forms(model)})

    @contextlib.asynccontextmanager
    async def _quiet(self) -> JSON:
        """Hold the flow until all that is under way came out; then let it go on.

        Raises:
            ProtocolError: If that takes too long: nobody reads the outputs, say.
        """
        self.pipeline.is_held = True
        try:
            await self._drained(QUIESCE_SECONDS)
            yield
        except TimeoutError as exc:
            raise ProtocolError(
                f"records under way were not done within {QUIESCE_SECONDS:g} s"
            ) from exc
        finally:
            self.pipeline.is_held = False
            self.pipeline.pump()

    async def _drained(self, timeout: float) -> None:
        async with asyncio.timeout(timeout):
            while not self.pipeline.is_idle:
                self._idle.clear()
                await self._idle.wait()

    async def _change(self, work: Coroutine[Any, Any, None]) -> None:
        """Do one change of the configuration after the other.

        Raises:
            NotNowError: If a reset broke into it.
        """
        try:
            await self.lock.acquire()
        except BaseException:
            work.close()
            raise
        task = asyncio.create_task(work)
        self._busy = task
        try:
            await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise NotNowError(400, "the engine was reset meanwhile") from None
        finally:
            self._busy = None
            self.lock.release()

    # -- what jets tell

    def jet_started(self, jet: Jet) -> None:
        """Report a jet that has come."""
        self._meters.add_jet(jet.sandbox)
        self._report.config("jet", "start", jet.sandbox)

    def jet_stopped(self, jet: Jet) -> None:
        """Report a jet that has gone."""
        self.state.release(jet)
        self._meters.remove_jet(jet.sandbox)
        self._report.config("jet", "stop", jet.sandbox)

    def jet_console(self, jet: Jet, text: str) -> None:
        """Report what a model has printed."""
        self.console.extend(text.splitlines())
        self._report.console(text)

    def jet_frame(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        """Take one frame of a jet."""
        kind = head.get("k")
        if kind == "out":
            self.pipeline.output(jet, head, body)
        elif kind == "done":
            self._batch_done(jet, head)
        elif kind == "extra":
            self.pipeline.extra(jet, head, body)
        elif kind == "rejected":
            self._count(jet, head, 0)
        elif kind == "singles":
            self._roundtrips_done(jet, head, body)
        elif kind == "ask":
            self.state.ask(jet, head, lambda answer: jet.send({"k": "reply", **answer}))
        elif kind == "ready":
            jet.is_ready = True
            jet.progressed()
            self.pipeline.pump()
        elif kind == "ended":
            self._jet_done(jet)
        elif kind == "error":
            jet.console.flush()
            self._fail(failure_of_frame(jet, head, self._encoding_of))

    def jet_lost(self, jet: Jet, cause: Cause) -> None:
        """Replace a jet that was killed from outside; else it is an error."""
        if self.machine.state in (EngineState.ERROR, EngineState.FINISHED):
            return
        failure = failure_of_jet(jet, cause, self._encoding_of)
        tickets, groups = self.pipeline.abandon(jet)
        self._lost_in_a_row += 1
        if not cause.is_external or self._is_hopeless(tickets, groups):
            self._fail(failure, groups)
            return
        self._report.log(
            WARNING,
            f"jet {jet.sandbox} {cause.text}; it is replaced, and "
            f"{len(tickets)} batches that it held are scored again",
        )
        self.pipeline.retry(tickets)
        for group in groups:
            self.pipeline.roundtrips.retry(group)
        self.pool.replace_lost()
        self.pipeline.pump()

    def _is_hopeless(self, tickets: list[Ticket], groups: list[Group]) -> bool:
        """Whether a batch has cost too many jets, or cannot be scored again."""
        if self._lost_in_a_row > MAX_DEATHS:
            return True
        first = next((ticket.item for ticket in tickets), None) or next(
            iter(groups), None
        )
        if first is not None and not isinstance(first, ControlRecord):
            first.deaths += 1
            if first.deaths >= MAX_DEATHS:
                return True
        return any(ticket.is_leaking for ticket in tickets)

    def _batch_done(self, jet: Jet, head: dict[str, Any]) -> None:
        ticket = self.pipeline.done(jet, head["id"])
        self._lost_in_a_row = 0
        if ticket is not None and not isinstance(ticket.item, ControlRecord):
            self._meters.read(ticket.item)
            self._count(jet, head, ticket.item.slot)
        self.pool.retired(jet)
        self._signal_idle()
        self.pipeline.pump()

    def _roundtrips_done(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        group = jet.in_flight.pop(head["id"], None)
        jet.progressed()
        self._lost_in_a_row = 0
        if isinstance(group, Group):
            group.answer(head["answers"], body)
            self._count(jet, head, group.calls[0].input_slot)
            self._count_roundtrips(group, head["answers"])
        self.pool.retired(jet)
        self.pipeline.pump()

    def _count_roundtrips(self, group: Group, answers: list[Any]) -> None:
        first = group.calls[0]
        self._meters.exchanged(
            first.input_slot, len(group.calls), sum(len(c.data) for c in group.calls)
        )
        outputs = [answer for answer in answers if answer[0] == "ok"]
        self._meters.exchanged(
            first.output_slot, len(outputs), sum(answer[1] for answer in outputs)
        )

    def _count(self, jet: Jet, head: dict[str, Any], slot: int) -> None:
        for rejected_slot, kind, count, texts in head.get("rejects", ()):
            self._meters.rejected(rejected_slot, kind, count, texts)
        self._meters.jet(jet.sandbox, head)
        if "profile" in head:
            self._meters.profile(slot, head["profile"])

    def _encoding_of(self, slot: int) -> str | None:
        attached = self.streams.get(slot)
        return None if attached is None else attached.encoding

    # -- what the pipeline tells

    def pig_read(self) -> None:
        """A pig was read."""
        self.machine.pig_read()

    def pig_due(self, pig: ControlRecord) -> None:
        """Write a pig to every output."""
        for slot, outlet in self.pipeline.outlets.items():
            attached = self.streams.get(slot)
            if attached is not None:
                outlet.write_control(controls.produce(attached.encoding, pig))
        self.machine.pig_written()
        self._signal_idle()

    def inputs_ended(self) -> None:
        """All inputs are at their end."""
        for slot, attached in self.streams.items():
            if slot % 2 == 0:
                attached.eof = True
        self.machine.inputs_ended()
        self._spawn(self._finish())

    def taken(self) -> None:
        """Input slots may have room again."""
        for inlet in self._inlets.values():
            inlet.check_room()
        for feed in self._feeds.values():
            feed.check_room()

    def emitted(
        self, slot: int, data: bytes, count: int, bounds: list[int] | None
    ) -> None:
        """Records left through an output slot."""
        self._meters.written(slot, data, count, bounds)

    def _signal_idle(self) -> None:
        if self.pipeline.is_idle:
            self._idle.set()

    def _state_entered(self, state: EngineState) -> None:
        self.pipeline.is_flowing = self.machine.is_flowing or (
            state is EngineState.FINISHING
        )
        if state is EngineState.ERROR and self._failure is not None:
            self._failure.report(self._report)
        self._report.state(state)
        if self.pipeline.is_flowing:
            asyncio.get_running_loop().call_soon(self.pipeline.pump)

    # -- ends

    def _jet_done(self, jet: Jet) -> None:
        """A jet has run ``end``, or its script has come to its end by itself."""
        tickets, _ = self.pipeline.abandon(jet)
        if not jet.is_ending and tickets:
            self.pipeline.retry(tickets)
        self.pool.dismiss(jet)
        self._signal_idle()
        if not self.pool.all_jets and self.machine.state is not EngineState.FINISHING:
            if self.machine.state in (EngineState.INIT, EngineState.ERROR):
                return
            self.pipeline.drop_unread()  # every script ended early: the run is over
            self.inputs_ended()
        self.pipeline.pump()

    async def _finish(self) -> None:
        """From FINISHING to FINISHED."""
        while not self.pipeline.is_idle:
            self._idle.clear()
            await self._idle.wait()
        for jet in self.pool.all_jets:
            jet.is_ending = True
            jet.progressed()
            jet.send({"k": "end"})
        while self.pool.all_jets:
            self._idle.clear()
            await self._idle.wait()
        await self._finish_outlets()
        await self._save_snapshot()
        if self.machine.state is EngineState.FINISHING:
            for attached in self.streams.values():
                attached.eof = True
            await self.pool.stop()
            self.machine.drained()

    async def _finish_outlets(self) -> None:
        for slot, outlet in list(self.pipeline.outlets.items()):
            attached = self.streams.get(slot)
            linger = None if attached is None else attached.stream.linger_time
            try:
                await outlet.finish(None if linger is None else linger / 1000)
            except StreamError as exc:
                self._stream_failed(slot, exc)

    async def _save_snapshot(self) -> None:
        model = self.model
        if model is None or model.options.snapshots != "eof":
            return
        blob = self.state.snapshot()
        try:
            info = await asyncio.to_thread(
                self._store.put_snapshot, model.name, SNAPSHOT_TYPE, blob
            )
        except PilothouseError as exc:
            self._report.log(WARNING, f"no snapshot was saved: {exc.message}")
        else:
            self._report.log(INFO, f"snapshot {info.id} of model {model.name} saved")

    def _fail(self, failure: Failure, groups: list[Group] | None = None) -> None:
        """Enter ERROR: report, refuse who waits, stop the jets."""
        refusal = NotNowError(400, failure.refusal)
        for group in groups or ():
            group.refuse(refusal)
        if self.machine.state is EngineState.ERROR:
            return
        self._failure = failure
        self.machine.fail()
        self.pipeline.roundtrips.refuse_all(refusal)
        for jet in self.pool.all_jets:
            for group in jet.in_flight.values():
                if isinstance(group, Group):
                    group.refuse(refusal)
        for inlet in self._inlets.values():
            inlet.close()
        self._spawn(self._wind_down(failure))

    async def _wind_down(self, failure: Failure) -> None:
        """Let out what was scored before the failure, then stop."""
        self.pipeline.end_at(failure.number)
        with contextlib.suppress(TimeoutError):
            await self._drained(WIND_DOWN_SECONDS)
        await self.pool.stop()
        for feed in self._feeds.values():
            await feed.close()
        for outlet in list(self.pipeline.outlets.values()):
            with contextlib.suppress(StreamError):
                await outlet.finish(1.0)

    async def _clear(self) -> None:
        """Drop everything; the state becomes INIT at the end."""
        self.pipeline.clear()
        self.pipeline.roundtrips.refuse_all(
            NotNowError(400, "the engine was reset meanwhile")
        )
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for jet in self.pool.all_jets:
            for group in jet.in_flight.values():
                if isinstance(group, Group):
                    group.refuse(NotNowError(400, "the engine was reset meanwhile"))
        await self.pool.stop()
        slots, model = sorted(self.streams), self.model
        for slot in slots:
            await self._drop_stream(slot)
        self.model = None
        self.pool.target = 1
        self.state.clear()
        self._schemas.clear()
        self._failure = None
        self._lost_in_a_row = 0
        self.console.clear()
        self._meters.use_slots(())
        self.machine.reset()
        for slot in slots:
            self._report.config("stream", "detach", slot)
        if model is not None:
            self._report.config("model", "unload")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _opened(transport: Reader | Writer) -> None:
    """Open a transport; one that cannot be opened lets go of what it holds."""
    try:
        await transport.open()
    except BaseException:
        await transport.close()
        raise
