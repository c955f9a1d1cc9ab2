"""How records get to a model and its outputs back: streams, encodings, schemas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from pilothouse.errors import ProtocolError

from .errors import FastScoreProtocolError, FastScoreRefusedError, FastScoreUsageError
from .runtime.codec import Codec, Reject, codec_of
from .runtime.envelopes import joiner_of, splitter_of
from .wire import controls
from .wire.avro import Schema as AvroSchema
from .wire.avro import parse_schema
from .wire.controls import Control, ControlRecord
from .wire.messages import EngineState
from .wire.streams import Delimited, EncodingKind, StreamDescriptor, parse_descriptor
from .wire.transports import Rest

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Inlet", "Outlet", "Plan", "plan", "restored"]


class Inlet:
    """Makes the bodies for one input slot."""

    def __init__(
        self, slot: int, descriptor: StreamDescriptor, schema: AvroSchema | None
    ) -> None:
        self.slot = slot
        self.schema = schema
        self.is_chunked = not descriptor.transport.keeps_bounds
        self.kind = descriptor.encoding.kind
        self._codec: Codec = codec_of(descriptor.encoding, schema)
        self._joiner = joiner_of(descriptor, schema)
        self._separator = _separator(descriptor)
        self.head = self._joiner.start() if self.is_chunked else b""

    def block(self, values: Sequence[Any]) -> tuple[bytes, int, list[Reject]]:
        """Return records in one piece, how many they are, and those left out."""
        if self._separator is not None:
            return self._codec.encode_block(values, self._separator)
        records, bad = self._codec.encode_batch(values)
        return self._joiner.join(records), len(records), bad

    def records(self, values: Sequence[Any]) -> tuple[list[bytes], list[Reject]]:
        """Return records one by one, and those left out."""
        return self._codec.encode_batch(values)

    def as_read(self, values: Sequence[Any]) -> list[Any]:
        """Return records as the engine will read them: a date has become a text."""
        records, bad = self._codec.encode_batch(values)
        decoded, unread = self._codec.decode_batch(records)
        return list(values) if bad or unread else decoded

    def control(self, control: Control, number: int) -> bytes:
        """Return a control record as it is sent."""
        record = ControlRecord(control=control, id=number)
        data = controls.produce(self.kind.value, record)
        return self._joiner.join([data]) if self.is_chunked else data


class Outlet:
    """Reads the bodies of one output slot."""

    def __init__(
        self, slot: int, descriptor: StreamDescriptor, schema: AvroSchema | None
    ) -> None:
        self.slot = slot
        self.schema = schema
        self.is_chunked = not descriptor.transport.keeps_bounds
        self.kind = descriptor.encoding.kind
        self._codec: Codec = codec_of(descriptor.encoding, schema)
        self._splitter = splitter_of(descriptor, schema)
        self._separator = _separator(descriptor)

    def read(self, body: bytes) -> list[Any]:
        """Return the values and `ControlRecord`s of one answer, in order.

        Raises:
            FastScoreProtocolError: If something in it cannot be read.
        """
        if not self.is_chunked:
            return self._values([body])
        if self.kind is EncodingKind.JSON and self._separator is not None:
            found = self._json_lines(body)
            if found is not None:
                return found
        return self._values(self._splitter.feed(body))

    def _json_lines(self, body: bytes) -> list[Any] | None:
        """Return all lines in one sweep; None if they have to be looked at singly."""
        separator = self._separator or b"\n"
        if not body.endswith(separator) or b"fastscore" in body:
            return None
        lines = body.count(separator)
        try:
            found: list[Any] = orjson.loads(
                b"[" + body[: -len(separator)].replace(separator, b",") + b"]"
            )
        except ValueError:
            return None
        return found if len(found) == lines else None

    def _values(self, records: Sequence[bytes]) -> list[Any]:
        marks = {
            at: found
            for at, record in enumerate(records)
            if (found := controls.recognise(self.kind.value, record)) is not None
        }
        plain = [record for at, record in enumerate(records) if at not in marks]
        values, bad = self._codec.decode_batch(plain)
        if bad:
            raise FastScoreProtocolError(
                f"An output of slot {self.slot} cannot be read: {bad[0].reason}"
            )
        for at in sorted(marks):
            values.insert(at, marks[at])
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that has to be known to score on an engine.

    Attributes:
        inlet: Of the input slot.
        outlet: Of the output slot.
        output_schema: What results are typed by.
        is_recordset: Whether the input slot takes record sets.
        descriptors: Of the streams at the two slots, as JSON.
        schemas: Of the model at the two slots, as JSON; ``None`` for none.
    """

    inlet: Inlet
    outlet: Outlet
    output_schema: AvroSchema | None
    is_recordset: bool
    descriptors: tuple[dict[str, Any], dict[str, Any]]
    schemas: tuple[Any, Any]

    @property
    def can_be_resumed(self) -> bool:
        """Whether somebody else may send the end: it needs nothing of the beginning."""
        return not self.is_roundtrip and not self.inlet.head

    @property
    def is_roundtrip(self) -> bool:
        """Whether each record is a call of its own: simple mode on both sides."""
        return not (self.inlet.is_chunked or self.outlet.is_chunked)

    def keeps_whole(self, number: int) -> bool:
        """Tell whether no byte of a mark of that number looks like the end of it."""
        mark = ControlRecord(control=Control.PIG, id=number)
        return not any(
            end._separator in controls.produce(end.kind.value, mark)
            for end in (self.inlet, self.outlet)
            if end.is_chunked and end._separator
        )


def plan(
    engine: Engine,
    input_slot: int,
    output_slot: int,
    schema: Any = None,  # noqa: ANN401
) -> Plan:
    """Find out how to score on an engine.

    Args:
        engine: It has to be running.
        input_slot: Has a REST stream.
        output_slot: Has a REST stream.
        schema: Of the outputs, instead of the model's.

    Raises:
        FastScoreError: If it is not running, or a slot has no REST stream.
    """
    state = engine.state
    if state is EngineState.ERROR:
        raise engine.failure()
    streams = engine.active_streams
    for slot in (input_slot, output_slot):
        if slot not in streams:
            raise FastScoreUsageError(
                f"no stream is attached to slot {slot} of {engine.name}",
                hint=f"Stream.expand('rest-chunked:').attach(engine, {slot})",
            )
    model = engine.active_model
    if state not in {EngineState.RUNNING, EngineState.PIGGING} or model is None:
        hint = "unpause() it" if state is EngineState.PAUSED else "load a model"
        raise FastScoreRefusedError(
            f"{engine.name} is {state}: it cannot score now", hint=hint
        )
    slots = {info["slot"]: info for info in model["slots"]}
    for slot in (input_slot, output_slot):
        if slot not in slots:
            used = ", ".join(map(str, slots))
            raise FastScoreUsageError(f"the model does not use slot {slot}, but {used}")
    both = (input_slot, output_slot)
    found = restored(
        both,
        (streams[input_slot]["descriptor"], streams[output_slot]["descriptor"]),
        (slots[input_slot]["schema"], slots[output_slot]["schema"]),
        is_recordset=bool(slots[input_slot]["recordsets"]),
    )
    return found if schema is None else replace(found, output_schema=_given(schema))


def restored(
    slots: tuple[int, int],
    descriptors: tuple[dict[str, Any], dict[str, Any]],
    schemas: tuple[Any, Any],
    *,
    is_recordset: bool,
) -> Plan:
    """Return a plan, asking nobody.

    Args:
        slots: Where records go in, and where outputs come out.
        descriptors: Of the streams there.
        schemas: Of the model there.
        is_recordset: Whether the input slot takes record sets.

    Raises:
        FastScoreError: If a stream is no REST stream, or cannot be understood.
    """
    in_schema, out_schema = map(_schema, schemas)
    try:
        return Plan(
            inlet=Inlet(slots[0], _rest(descriptors[0], slots[0]), in_schema),
            outlet=Outlet(slots[1], _rest(descriptors[1], slots[1]), out_schema),
            output_schema=out_schema,
            is_recordset=is_recordset,
            descriptors=descriptors,
            schemas=schemas,
        )
    except ProtocolError as exc:
        raise FastScoreProtocolError("Unable to score", exc) from exc


def _rest(external: dict[str, Any], slot: int) -> StreamDescriptor:
    descriptor = parse_descriptor(external)
    if not isinstance(descriptor.transport, Rest):
        raise FastScoreUsageError(
            f"the stream at slot {slot} is {descriptor.transport.word}, not REST",
            hint="attach a REST stream ('rest-chunked:') to score from here",
        )
    return descriptor


def _separator(descriptor: StreamDescriptor) -> bytes | None:
    """Return what stands between records; None if more than that has to be done."""
    if isinstance(descriptor.envelope, Delimited):
        return descriptor.envelope.separator
    return None


def _schema(json: Any) -> AvroSchema | None:  # noqa: ANN401 - a JSON value
    return None if json is None else parse_schema(json)


def _given(schema: Any) -> AvroSchema:  # noqa: ANN401 - JSON, or a Schema
    from .schema import Schema

    return (schema if isinstance(schema, Schema) else Schema("output", schema)).check()
