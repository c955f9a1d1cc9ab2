"""The slots of a model inside a jet: bytes to values, values to bytes, with checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.fastscore.runtime.codec import Codec, Reject, codec_of
from pilothouse.fastscore.wire import controls
from pilothouse.fastscore.wire.avro import Schema, parse_schema
from pilothouse.fastscore.wire.controls import Control, ControlRecord
from pilothouse.fastscore.wire.streams import (
    Delimited,
    DelimitedCsv,
    StreamDescriptor,
    parse_descriptor,
)
from pilothouse.fastscore.wire.values import Value

__all__ = [
    "Input",
    "InputSlot",
    "Output",
    "OutputSlot",
    "Rejects",
    "parted",
    "shown",
    "slots_of",
]

MAX_TEXTS = 100
MAX_TEXT = 2000
"""How many rejected records of a batch are shown, and how much of each."""

_SET = ControlRecord(control=Control.SET)


@dataclass(slots=True)
class Rejects:
    """Rejected records of one slot in one batch."""

    slot: int
    by: str
    count: int = 0
    texts: list[str] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, index: int, raw: bytes, reason: str) -> None:
        """Add one."""
        self.count += 1
        self.reasons[index] = reason
        if len(self.texts) < MAX_TEXTS:
            self.texts.append(raw[:MAX_TEXT].decode("utf-8", "backslashreplace"))

    def wire(self) -> list[Any]:
        """Return the form in a frame."""
        return [self.slot, self.by, self.count, self.texts]


class _Slot:
    def __init__(self, form: dict[str, Any]) -> None:
        self.slot: int = form["slot"]
        self.recordsets: bool = form["recordsets"]
        self.schemas: list[Schema] = [parse_schema(json) for json in form["schemas"]]
        self.stream: StreamDescriptor = parse_descriptor(form["stream"])
        self.codec: Codec = codec_of(self.stream.encoding, self.schema)
        self.encoding = self.stream.encoding.kind.value

    @property
    def schema(self) -> Schema | None:
        """The schema that reads or writes the bytes."""
        return self.schemas[0] if self.schemas else None


@dataclass(slots=True)
class Input:
    """What a batch holds.

    Attributes:
        values: The records as the model sees them.
        places: Their places in the batch; ``None`` if none was rejected.
    """

    values: list[Any]
    places: list[int] | None
    rejects: list[Rejects]

    def place(self, index: int) -> int:
        """Return the place in the batch of a value."""
        return index if self.places is None else self.places[index]


class InputSlot(_Slot):
    """Reads batches."""

    def __init__(self, form: dict[str, Any]) -> None:
        super().__init__(form)
        envelope = self.stream.envelope
        self._separator = (
            envelope.separator
            if isinstance(envelope, Delimited | DelimitedCsv)
            else b""
        )
        self._header: str | None = None

    def read(self, head: dict[str, Any], body: bytes) -> Input:
        """Return the records of a frame, decoded and checked."""
        self._use_header(head.get("header"))
        bounds = head.get("bounds")
        data: bytes | list[bytes] = body if bounds is None else parted(body, bounds)
        values, bad = self.codec.decode_batch(data, self._separator)
        rejects: list[Rejects] = []
        places: list[int] | None = None
        if bad:
            by_encoding = Rejects(self.slot, "encoding")
            for reject in bad:
                by_encoding.add(reject.index, reject.raw, reject.reason)
            rejects.append(by_encoding)
            places = [i for i in range(head["n"]) if i not in by_encoding.reasons]
        for schema in self.schemas:
            values, unfit = schema.sift(values)
            if unfit:
                places, found = self._sieved(data, places, unfit, head["n"])
                rejects.append(found)
        return Input(values, places, rejects)

    def _sieved(
        self,
        data: bytes | list[bytes],
        places: list[int] | None,
        unfit: Sequence[tuple[int, str]],
        count: int,
    ) -> tuple[list[int], Rejects]:
        records = data.split(self._separator) if isinstance(data, bytes) else data
        before = list(range(count)) if places is None else places
        rejects = Rejects(self.slot, "schema")
        for index, reason in unfit:
            rejects.add(before[index], records[before[index]], reason)
        gone = {index for index, _ in unfit}
        return [place for i, place in enumerate(before) if i not in gone], rejects

    def _use_header(self, header: str | None) -> None:
        if header is not None and header != self._header:
            self._header = header
            read_header = getattr(self.codec, "read_header", None)
            if read_header is not None:
                read_header(header.encode())


@dataclass(slots=True)
class Output:
    """Bytes for one slot.

    Attributes:
        bounds: Lengths of the records, where the service puts them into an envelope;
            ``None`` if they are in one.
    """

    slot: int
    data: bytes
    count: int
    bounds: list[int] | None

    def head(self, number: int | None) -> dict[str, Any]:
        """Return the head of its frame."""
        head: dict[str, Any] = {"k": "out", "slot": self.slot, "n": self.count}
        if number is None:
            head["k"] = "extra"
        else:
            head["id"] = number
        if self.bounds is not None:
            head["bounds"] = self.bounds
        return head


class OutputSlot(_Slot):
    """Writes outputs."""

    def __init__(self, form: dict[str, Any]) -> None:
        super().__init__(form)
        envelope = self.stream.envelope
        self._in_block = not self.stream.transport.keeps_bounds and (
            envelope is None or isinstance(envelope, Delimited | DelimitedCsv)
        )
        self._separator = (
            envelope.separator
            if isinstance(envelope, Delimited | DelimitedCsv)
            else b""
        )
        self._set = controls.produce(self.encoding, _SET)

    def write(self, values: list[Any]) -> tuple[Output, list[Rejects]]:
        """Return checked and encoded records; a record set is followed by ``set``."""
        if not self.recordsets:
            return self._records(values)
        from pilothouse.fastscore.runtime.recordsets import from_recordset, is_recordset

        whole = Output(self.slot, b"", 0, None if self._in_block else [])
        rejects: list[Rejects] = []
        for value in values:
            rows = from_recordset(value, self.schema)
            part, bad = self._records(rows)
            rejects += bad
            self._append(whole, part.data, part.count, part.bounds)
            if is_recordset(value):
                data = self._set + self._separator if self._in_block else self._set
                self._append(whole, data, 0, [len(self._set)])
        return whole, rejects

    def _append(
        self, whole: Output, data: bytes, count: int, bounds: list[int] | None
    ) -> None:
        whole.data += data
        whole.count += count
        if whole.bounds is not None and bounds is not None:
            whole.bounds += bounds

    def encode_each(self, values: list[Any]) -> tuple[list[bytes], list[Rejects]]:
        """Return checked records one by one, without envelope."""
        values, rejects = self._checked(values)
        items, bad = self.codec.encode_batch(values)
        return items, rejects + self._unwritten(bad)

    def _records(self, values: list[Any]) -> tuple[Output, list[Rejects]]:
        values, rejects = self._checked(values)
        if self._in_block:
            data, count, bad = self.codec.encode_block(values, self._separator)
            output = Output(self.slot, data, count, None)
        else:
            items, bad = self.codec.encode_batch(values)
            bounds = [len(item) for item in items]
            output = Output(self.slot, b"".join(items), len(items), bounds)
        return output, rejects + self._unwritten(bad)

    def _checked(self, values: list[Any]) -> tuple[list[Any], list[Rejects]]:
        rejects: list[Rejects] = []
        for schema in reversed(self.schemas):
            offered = values
            values, unfit = schema.sift(offered)
            if unfit:
                by_schema = Rejects(self.slot, "schema")
                for index, reason in unfit:
                    by_schema.add(index, shown(offered[index]), reason)
                rejects.append(by_schema)
        return values, rejects

    def _unwritten(self, bad: Sequence[Reject]) -> list[Rejects]:
        if not bad:
            return []
        by_encoding = Rejects(self.slot, "encoding")
        for reject in bad:
            by_encoding.add(reject.index, reject.raw, reject.reason)
        return [by_encoding]


def slots_of(
    forms: list[dict[str, Any]],
) -> tuple[dict[int, InputSlot], dict[int, OutputSlot]]:
    """Return the slots that a frame describes."""
    inputs = {f["slot"]: InputSlot(f) for f in forms if f["slot"] % 2 == 0}
    outputs = {f["slot"]: OutputSlot(f) for f in forms if f["slot"] % 2 == 1}
    return inputs, outputs


def parted(body: bytes, bounds: Sequence[int]) -> list[bytes]:
    """Return the records of a body, whose lengths are given."""
    items, start = [], 0
    for length in bounds:
        items.append(body[start : start + length])
        start += length
    return items


def shown(value: Value) -> bytes:
    """Return a value as text for a report: JSON where it is JSON."""
    import orjson

    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError):
        return repr(value)[:MAX_TEXT].encode("utf-8", "backslashreplace")
