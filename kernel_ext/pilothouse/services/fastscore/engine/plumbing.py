"""What is attached to the slots, and how it feeds and drains the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.runtime.envelopes import joiner_of
from pilothouse.fastscore.wire import controls
from pilothouse.fastscore.wire.avro import parse_schema
from pilothouse.fastscore.wire.controls import ControlRecord

from .inlet import RestInlet
from .intake import Intake
from .loading import PreparedModel
from .machine import NotNowError
from .meters import Meters
from .options import EngineOptions
from .outlet import Outlet, RestOutlet, WriterOutlet
from .pipeline import Pipeline
from .streams import AttachedStream, Feed, splitter_for
from .transports.base import Reader, StreamError, Writer
from .transports.opening import reader_of, writer_of

__all__ = ["Plumbing"]


class Plumbing:
    """The streams of one engine.

    Args:
        pipeline: Has a queue for each slot.
        options: Bounds.
        meters: The tapping points.

    Attributes:
        streams: Slot -> attached stream.
        schemas: Slot -> schemas its records are checked with, as JSON.
        on_failure: Told when a stream breaks: its slot, and why.
    """

    def __init__(
        self, pipeline: Pipeline, options: EngineOptions, meters: Meters
    ) -> None:
        self._pipeline = pipeline
        self._options = options
        self._meters = meters
        self._inlets: dict[int, RestInlet] = {}
        self._feeds: dict[int, Feed] = {}
        self.streams: dict[int, AttachedStream] = {}
        self.schemas: dict[int, list[Any]] = {}
        self.on_failure: Callable[[int, StreamError], None] = lambda _slot, _exc: None

    # -- asking

    def match(
        self, model: PreparedModel, streams: dict[int, AttachedStream] | None = None
    ) -> dict[int, list[Any]]:
        """Return the schemas of each slot.

        Raises:
            ProtocolError: If streams and model do not go together.
        """
        found: dict[int, list[Any]] = {}
        for slot, attached in (streams or self.streams).items():
            if slot not in model.slot_numbers:
                raise ProtocolError(f"model {model.name!r} does not use slot {slot}")
            found[slot] = attached.schemas(model.schemas.get(slot))
        return found

    def forms(self, model: PreparedModel) -> list[dict[str, Any]]:
        """Return what jets know of the slots of a model."""
        return [
            {
                "slot": slot,
                "stream": self.streams[slot].jet_form(),
                "schemas": self.schemas.get(slot, []),
                "recordsets": given.recordsets,
                "action": given.action,
            }
            for slot, given in model.options.slots.items()
        ]

    def encoding(self, slot: int) -> str | None:
        """Return the encoding of the stream at a slot."""
        attached = self.streams.get(slot)
        return None if attached is None else attached.encoding

    def inlet(self, slot: int) -> RestInlet:
        """Return where clients post the input of a slot.

        Raises:
            NotNowError: If the slot has no REST stream.
        """
        inlet = self._inlets.get(slot)
        if inlet is None:
            raise NotNowError(403, f"slot {slot} has no REST input stream")
        return inlet

    def rest_outlet(self, slot: int) -> RestOutlet:
        """Return where clients fetch the output of a slot.

        Raises:
            NotNowError: If the slot has no REST stream.
        """
        outlet = self._pipeline.outlets.get(slot)
        if not isinstance(outlet, RestOutlet):
            raise NotNowError(403, f"slot {slot} has no REST output stream")
        return outlet

    # -- attaching

    async def put(self, attached: AttachedStream) -> None:
        """Make a stream the one of its slot; REST is ready at once.

        Input that was accepted and not scored yet is kept, if the new stream reads
        records as the old one did.
        """
        slot = attached.slot
        before, queue = self.streams.get(slot), self._pipeline.intakes.get(slot)
        await self.drop(slot)
        self.streams[slot] = attached
        if slot % 2 == 1:
            if attached.is_rest:
                self._use_outlet(slot, self._rest_outlet(attached))
            return
        intake = Intake(slot, attached.stream.batching)
        if before is not None and queue is not None and attached.reads_like(before):
            intake.take_over(queue)
        self._pipeline.intakes[slot] = intake
        if attached.is_rest:
            self._inlets[slot] = RestInlet(
                intake,
                limit=self._options.queue_bytes,
                on_data=lambda size: self._meters.raw(slot, size),
            )

    async def drop(self, slot: int) -> None:
        """Take the stream of a slot off."""
        self.streams.pop(slot, None)
        self._pipeline.intakes.pop(slot, None)
        if inlet := self._inlets.pop(slot, None):
            inlet.close()
        if feed := self._feeds.pop(slot, None):
            await feed.close()
        if outlet := self._pipeline.outlets.pop(slot, None):
            await outlet.close()

    async def open(self, slot: int, model: PreparedModel) -> None:
        """Open the transport at a slot; an input begins to be read.

        Raises:
            StreamError: If that is not possible.
            ProtocolError: If its envelope needs a schema, and there is none.
        """
        attached = self.streams[slot]
        if slot % 2 == 0:
            await self._open_input(attached, model)
        else:
            await self._open_output(attached)
        self._meters.debug(f"slot {slot}: stream {attached.name!r} is open", slot)

    def use_recordsets(self, model: PreparedModel) -> None:
        """Batch the inputs as a model wants them."""
        for slot, intake in self._pipeline.intakes.items():
            intake.recordsets = model.options.slots[slot].recordsets

    # -- running

    def check_room(self) -> None:
        """Let inputs go on whose queues have room again; note those that ended."""
        for slot, intake in self._pipeline.intakes.items():
            if intake.is_ended and slot in self.streams:
                self.streams[slot].eof = True
        for inlet in self._inlets.values():
            inlet.check_room()
        for feed in self._feeds.values():
            feed.check_room()

    def write_control(self, record: ControlRecord) -> None:
        """Write a control record to every output."""
        for slot, outlet in self._pipeline.outlets.items():
            if encoding := self.encoding(slot):
                outlet.write_control(controls.produce(encoding, record))

    async def close_inputs(self) -> None:
        """Read and take no more."""
        for inlet in self._inlets.values():
            inlet.close()
        for feed in list(self._feeds.values()):
            await feed.close()

    async def finish_outputs(self) -> None:
        """End the outputs in order; each lingers as its stream says."""
        for slot, outlet in list(self._pipeline.outlets.items()):
            attached = self.streams.get(slot)
            linger = None if attached is None else attached.stream.linger_time
            try:
                await outlet.finish(None if linger is None else linger / 1000)
            except StreamError as exc:
                self.on_failure(slot, exc)
            self._meters.debug(f"slot {slot}: all is written", slot)

    # -- inside

    async def _open_output(self, attached: AttachedStream) -> None:
        slot, stream = attached.slot, attached.stream
        if not attached.is_rest:
            writer = writer_of(stream)
            await _opened(writer)
            outlet = WriterOutlet(
                writer,
                keeps_bounds=stream.transport.keeps_bounds,
                limit=self._options.queue_bytes,
                on_failure=lambda exc: self.on_failure(slot, exc),
            )
            self._use_outlet(slot, outlet)
        if stream.transport.keeps_bounds:
            return
        schemas = self.schemas.get(slot, [])
        joiner = joiner_of(stream, parse_schema(schemas[0]) if schemas else None)
        self._pipeline.outlets[slot].joiner = joiner
        if start := joiner.start():
            self._pipeline.outlets[slot].write(start)

    async def _open_input(self, attached: AttachedStream, model: PreparedModel) -> None:
        slot = attached.slot
        intake = self._pipeline.intakes[slot]
        intake.recordsets = model.options.slots[slot].recordsets
        splitter = splitter_for(attached, self.schemas.get(slot, []))
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
            on_failure=lambda exc: self.on_failure(slot, exc),
            limit=self._options.queue_bytes // 4,
        )

    def _input_came(self, slot: int, size: int) -> None:
        if size:
            self._meters.raw(slot, size)
        self._pipeline.pump()

    def _rest_outlet(self, attached: AttachedStream) -> RestOutlet:
        limit = self._options.queue_bytes
        return RestOutlet(chunked=attached.is_chunked, limit=limit)

    def _use_outlet(self, slot: int, outlet: Outlet) -> None:
        outlet.on_room = self._pipeline.room_soon
        self._pipeline.outlets[slot] = outlet


async def _opened(transport: Reader | Writer) -> None:
    """Open a transport; one that cannot be opened lets go of what it holds."""
    try:
        await transport.open()
    except BaseException:
        await transport.close()
        raise
