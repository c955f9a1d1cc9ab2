"""What runs inside an engine: model, streams, jets and the state machine, together.

    load, attach -> complete -> open streams -> start jets -> RUNNING
    inputs end   -> FINISHING -> jets run end() -> outputs flushed -> FINISHED
    failure      -> ERROR; what was scored before stays readable
    reset        -> INIT, from anywhere

Everything here runs on the event loop. Operations that change the configuration are
done one after the other; a reset breaks into one that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.fastscore.wire import controls
from pilothouse.fastscore.wire.messages import EngineState
from pilothouse.services.fastscore.store import Store

from .claims import Claims
from .core import Core
from .endings import Endings
from .events import Events
from .failing import Failure
from .jets import Jet
from .loading import PreparedModel
from .machine import Machine, NotNowError, Operation
from .meters import Meters
from .options import EngineOptions
from .outlet import RestOutlet
from .pace import Pace
from .pipeline import Pipeline
from .plumbing import Plumbing
from .pool import Plan, Pool
from .reporting import Reporter
from .roundtrip import Call
from .streams import AttachedStream
from .transports.base import StreamError
from .transports.opening import check_direction, check_supported
from .unpacking import unpack

__all__ = ["Flow"]

QUIESCE_SECONDS = 10.0
"""How long a replacement waits for what is under way."""


class Flow:
    """The running side of one engine.

    Args:
        folder: Where jets have their working folders.
        options: Bounds.
        store: Where snapshots go.
        reporter: Publishes to Pneumo.
        meters: The tapping points.

    Attributes:
        machine: The state.
        pool: The jets.
        pipeline: The data path.
        plumbing: The streams.
        claims: Which jobs take the outputs.
    """

    def __init__(
        self,
        folder: Path,
        options: EngineOptions,
        store: Store,
        reporter: Reporter,
        meters: Meters,
    ) -> None:
        self.machine = Machine(self._state_entered)
        self.pool = Pool(folder, options)
        self.pipeline = Pipeline(lambda: self.pool.jets)
        self.plumbing = Plumbing(self.pipeline, options, meters)
        self._core = Core(
            options=options,
            store=store,
            report=reporter,
            meters=meters,
            machine=self.machine,
            pool=self.pool,
            pipeline=self.pipeline,
            plumbing=self.plumbing,
        )
        self._endings = Endings(self._core)
        self._events = Events(self._core, self._endings)
        self.pool.owner = self.pipeline.owner = self._events
        self.plumbing.on_failure = self._stream_failed
        self.claims = Claims()
        self._dropped: dict[int, tuple[str, int]] = {}
        self._lock = asyncio.Lock()
        self._busy: asyncio.Task[None] | None = None

    @property
    def model(self) -> PreparedModel | None:
        """The loaded model."""
        return self._core.model

    @property
    def streams(self) -> dict[int, AttachedStream]:
        """Slot -> attached stream."""
        return self.plumbing.streams

    @property
    def console(self) -> deque[str]:
        """The last lines that models have printed."""
        return self._core.console

    def is_busy(self, jet: Jet) -> bool:
        """Tell whether a jet scores, or is being made ready for that."""
        return bool(jet.in_flight) or not jet.is_ready or self.pipeline.is_held

    # -- operations (contract §6.2)

    async def load(self, model: PreparedModel) -> None:
        """Load a model, or replace the one that runs.

        Raises:
            NotNowError: If the state does not allow it.
            ProtocolError: If it does not go with the attached streams.
        """
        await self._change(self._load(model))

    async def unload(self) -> None:
        """Forget the model.

        Raises:
            NotNowError: If the state does not allow it.
            NotFoundError: If there is none.
        """
        await self._change(self._unload())

    async def attach(self, attached: AttachedStream) -> None:
        """Attach a stream to its slot, or replace the one there.

        Raises:
            NotNowError: If the state does not allow it.
            ProtocolError: If stream, slot and model do not go together.
        """
        await self._change(self._attach(attached))

    async def detach(self, slot: int) -> None:
        """Take a stream off.

        Raises:
            NotNowError: If the state does not allow it.
            NotFoundError: If the slot has none.
        """
        await self._change(self._detach(slot))

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
        if target > self._core.options.max_jets:
            raise ProtocolError(
                f"at most {self._core.options.max_jets} jets, not {target}"
            )
        await self._change(self._scale(target))

    def restore(self, blob: bytes) -> None:
        """Set cells and pools to what a snapshot holds.

        Raises:
            NotNowError: If the state does not allow it.
            ProtocolError: If it is no snapshot.
        """
        self.machine.check(Operation.RESTORE)
        self._core.state.restore(blob)

    async def reset(self) -> None:
        """Begin anew: no model, no streams, one jet wanted."""
        if self._busy is not None:
            self._busy.cancel()
        self._core.cancel_tasks()
        self.claims.clear()
        self._dropped.clear()
        async with self._lock:
            await self._endings.clear()

    async def input(self, slot: int, body: bytes) -> None:
        """Take what a client posts.

        Raises:
            NotNowError: If the state, or the slot, takes no input.
            ProtocolError: If a record is too long.
        """
        self.machine.check(Operation.INPUT)
        if not await self.plumbing.inlet(slot).post(body):
            raise NotNowError(403, f"the input of slot {slot} has ended")
        self.pipeline.pump()

    def drop_input(self, slot: int, job: str) -> int:
        """Forget the records that wait at a slot.

        Returns:
            How many the job has had forgotten there until now, so that who asks once
            more, its answer having got lost, knows it all.

        Raises:
            NotNowError: If the slot has no REST stream, or the job has no claim.
        """
        self.plumbing.inlet(slot)
        if not self.claims.has_any(job):
            raise NotNowError(409, "only a job that claims outputs may drop input")
        known, before = self._dropped.get(slot, ("", 0))
        dropped = self.pipeline.intakes[slot].drop()
        dropped += before if known == job else 0
        self._dropped[slot] = (job, dropped)
        self.plumbing.check_room()
        self.pipeline.pump()
        return dropped

    def rest_outlet(self, slot: int) -> RestOutlet:
        """Return where clients fetch the output of a slot.

        Raises:
            NotNowError: If the slot has no REST stream.
        """
        return self.plumbing.rest_outlet(slot)

    def roundtrip(self, data: bytes, input_slot: int, output_slot: int) -> Call:
        """Begin a roundtrip; its answer comes.

        Raises:
            NotNowError: If state or slots do not allow it.
            ProtocolError: If the record is a control record.
        """
        self.machine.check(Operation.ROUNDTRIP)
        self.plumbing.inlet(input_slot)
        self.plumbing.rest_outlet(output_slot)
        encoding = self.plumbing.encoding(input_slot) or "null"
        if controls.recognise(encoding, data) is not None:
            raise ProtocolError("a control record cannot make a roundtrip")
        call = Call(data, input_slot, output_slot)
        self.pipeline.roundtrips.add(call)
        self.pipeline.pump()
        return call

    # -- how they are done

    async def _load(self, model: PreparedModel) -> None:
        self.machine.check(Operation.LOAD)
        schemas = self.plumbing.match(model)
        if self.machine.state is EngineState.INIT:
            self._core.model = model
            self._core.meters.use_slots(model.slot_numbers)
            self._core.report.config("model", "load")
            await self._launch_if_complete()
        else:
            await self._reload(model, schemas)

    async def _unload(self) -> None:
        self.machine.check(Operation.UNLOAD)
        if self.model is None:
            raise NotFoundError("no model is loaded")
        self._core.model = None
        self._core.meters.use_slots(())
        self._core.report.config("model", "unload")

    async def _attach(self, attached: AttachedStream) -> None:
        slot = attached.slot
        replaces = slot in self.streams
        self.machine.check(Operation.REATTACH if replaces else Operation.ATTACH)
        check_supported(attached.stream, allow_exec=self._core.options.allow_exec)
        check_direction(attached.stream, slot)
        if self.model is not None:
            self.plumbing.match(self.model, {slot: attached})
        if self.machine.state is EngineState.INIT:
            await self.plumbing.put(attached)
        else:
            await self._reattach(attached)
        op = "reattach" if replaces else "attach"
        self._core.report.config("stream", op, slot)
        await self._launch_if_complete()

    async def _detach(self, slot: int) -> None:
        self.machine.check(Operation.DETACH)
        if slot not in self.streams:
            raise NotFoundError(f"slot {slot} has no stream")
        await self.plumbing.drop(slot)
        self._core.report.config("stream", "detach", slot)

    async def _scale(self, target: int) -> None:
        self.machine.check(Operation.SCALE)
        await self._start_jets(self.pool.scale(target))
        self.pipeline.pump()

    async def _launch_if_complete(self) -> None:
        """Start the run if a model is there, and a stream at each of its slots."""
        model = self.model
        if (
            model is None
            or self.machine.state is not EngineState.INIT
            or not model.slot_numbers <= set(self.streams)
        ):
            return
        self.plumbing.schemas = self.plumbing.match(model)
        for slot in sorted(self.streams):
            if not await self._open(slot, model):
                return
        await self._start_jets(self.pool.launch(self._plan(model)))
        self.machine.complete()
        self.pipeline.pump()
        self.pipeline.check_ended()

    async def _open(self, slot: int, model: PreparedModel) -> bool:
        try:
            await self.plumbing.open(slot, model)
        except (StreamError, ProtocolError) as exc:
            self._events.stream_failed(slot, exc.message)
            return False
        return True

    async def _start_jets(self, start: Coroutine[Any, Any, None]) -> None:
        try:
            await start
        except OSError as exc:
            self._endings.fail(Failure(f"a jet could not be started: {exc}"))
        except ProtocolError as exc:
            self._endings.fail(Failure(exc.message))

    def _plan(self, model: PreparedModel) -> Plan:
        def head() -> dict[str, Any]:
            return {
                "k": "start",
                **model.start_head(),
                "slots": self.plumbing.forms(model),
                "memory": self._core.options.jet_memory_bytes,
                "explicit": model.options.explicit,
            }

        def fill(folder: Path) -> None:
            unpack(model.archives, folder)

        pace = Pace.unmeasured() if model.options.explicit else Pace()
        return Plan(head=head, fill=fill, pace=pace)

    async def _reload(
        self, model: PreparedModel, schemas: dict[int, list[Any]]
    ) -> None:
        """Replace the model while records flow."""
        if missing := sorted(model.slot_numbers - set(self.streams)):
            raise ProtocolError(
                f"model {model.name!r} uses slot {missing[0]}, which has no stream"
            )
        async with self._quiet():
            self._core.model = model
            self.plumbing.schemas = schemas
            self._core.meters.use_slots(model.slot_numbers)
            self.plumbing.use_recordsets(model)
            await self._start_jets(self.pool.launch(self._plan(model)))
            self._core.report.config("model", "reload")

    async def _reattach(self, attached: AttachedStream) -> None:
        """Replace a stream while records flow."""
        model, slot = self.model, attached.slot
        if model is None:
            raise ProtocolError("no model is loaded")
        async with self._quiet():
            await self.plumbing.put(attached)
            self.plumbing.schemas[slot] = attached.schemas(model.schemas.get(slot))
            if await self._open(slot, model):
                for jet in self.pool.jets:
                    jet.send({"k": "slots", "slots": self.plumbing.forms(model)})

    @contextlib.asynccontextmanager
    async def _quiet(self) -> AsyncIterator[None]:
        """Hold the flow until all that is under way came out; then let it go on.

        Raises:
            ProtocolError: If that takes too long: nobody reads the outputs, say.
        """
        self.pipeline.is_held = True
        try:
            async with asyncio.timeout(QUIESCE_SECONDS):
                await self._core.drained()
            yield
        except TimeoutError as exc:
            raise ProtocolError(
                f"records under way were not done within {QUIESCE_SECONDS:g} s"
            ) from exc
        finally:
            self.pipeline.is_held = False
            self.pipeline.pump()

    async def _change(self, work: Coroutine[Any, Any, None]) -> None:
        """Do one change of the configuration after the other.

        Raises:
            NotNowError: If a reset broke into it.
        """
        try:
            await self._lock.acquire()
        except BaseException:
            work.close()
            raise
        task = self._busy = asyncio.create_task(work)
        try:
            await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise NotNowError(400, "the engine was reset meanwhile") from None
        finally:
            self._busy = None
            self._lock.release()

    def _stream_failed(self, slot: int, exc: StreamError) -> None:
        self._events.stream_failed(slot, exc.message)

    def _state_entered(self, state: EngineState) -> None:
        # While FINISHING, batches of a jet that was killed are scored again.
        finishing = state is EngineState.FINISHING
        self.pipeline.is_flowing = self.machine.is_flowing or finishing
        if state is EngineState.ERROR and self._core.failure is not None:
            self._core.failure.report(self._core.report)
        self._core.report.state(state)
        if self.pipeline.is_flowing:
            asyncio.get_running_loop().call_soon(self.pipeline.pump)
