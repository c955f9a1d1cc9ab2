"""From what a transport reads to records and control records, as bytes.

Records in a delimited envelope stay together in blocks: whole chunks are counted and
searched, not parsed. Where a chunk may hold a control record (one test for the whole
chunk) its records are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pilothouse.fastscore.runtime.envelopes import DelimitedSplitter
from pilothouse.fastscore.runtime.envelopes import splitter_of as cutter_of
from pilothouse.fastscore.runtime.value_splitters import AvroSplitter
from pilothouse.fastscore.wire import controls
from pilothouse.fastscore.wire.avro import parse_schema
from pilothouse.fastscore.wire.streams import Delimited, OcfBlock, StreamDescriptor
from pilothouse.fastscore.wire.values import JSON

from .records import Block, Entry, Records

__all__ = [
    "MAX_RECORD_BYTES",
    "Cut",
    "Lines",
    "Splitter",
    "WholeRecords",
    "grouped",
    "splitter_of",
]

_END = controls.ControlRecord(control=controls.Control.END)

MAX_RECORD_BYTES = 512 * 1024 * 1024
"""Longest record; without such a bound a stream without separators eats the memory."""


class Splitter(Protocol):
    """Takes pieces in order; keeps what is not complete yet."""

    @property
    def header(self) -> bytes | None:
        """The header row of csv, once it has come."""

    def feed(self, pieces: Sequence[bytes]) -> list[Entry]:
        """Return the records that are complete now."""

    def finish(self) -> list[Entry]:
        """Return what is left at the end."""


def splitter_of(stream: StreamDescriptor, schema: JSON = None) -> Splitter:
    """Return what makes records of the data of a stream.

    Args:
        stream: Its transport, envelope and encoding decide.
        schema: The schema of its records, as JSON; avro-binary needs it to find the
            end of a record.
    """
    encoding = stream.encoding.kind.value
    marker = None if stream.end_marker is None else stream.end_marker.encode()
    if stream.transport.keeps_bounds:
        return WholeRecords(encoding, marker)
    if isinstance(stream.envelope, Delimited) and encoding != "csv":
        return Lines(encoding, stream.envelope.separator, marker)
    return Cut(stream, schema, marker)


class WholeRecords:
    """Each piece is a record."""

    header: bytes | None = None

    def __init__(self, encoding: str, marker: bytes | None = None) -> None:
        self._encoding = encoding
        self._marker = marker

    def feed(self, pieces: Sequence[bytes]) -> list[Entry]:
        """Return the pieces; control records stand alone."""
        return grouped(self._encoding, pieces, self._marker)

    def finish(self) -> list[Entry]:
        """Return nothing: no record is incomplete."""
        return []


class Lines:
    """Records that end with a separator; they stay in blocks."""

    header: bytes | None = None

    def __init__(
        self, encoding: str, separator: bytes, marker: bytes | None = None
    ) -> None:
        self._encoding = encoding
        self._marker = marker
        self._separator = separator
        self._cutter = DelimitedSplitter(separator, max_record_bytes=MAX_RECORD_BYTES)

    def feed(self, pieces: Sequence[bytes]) -> list[Entry]:
        """Return blocks of whole records."""
        entries: list[Entry] = []
        for piece in pieces:
            entries += self._entries(*self._cutter.feed_block(piece))
        return entries

    def finish(self) -> list[Entry]:
        """Return a last record without separator; an empty one is dropped."""
        return self._entries(*self._cutter.finish_block())

    def _entries(self, data: bytes, count: int) -> list[Entry]:
        if not count:
            return []
        is_marked = self._marker is not None and self._marker in data
        if not is_marked and not controls.may_contain(self._encoding, data):
            return [Block(data, count, self._separator)]
        records = data.split(self._separator)[:count]
        entries = grouped(self._encoding, records, self._marker)
        return [self._block(entry) for entry in entries]

    def _block(self, entry: Entry) -> Entry:
        if not isinstance(entry, Records):
            return entry
        data = self._separator.join([*entry.items, b""])
        return Block(data, entry.count, self._separator)


class Cut:
    """Other envelopes and self-delimiting encodings: records one by one."""

    def __init__(
        self, stream: StreamDescriptor, schema: JSON, marker: bytes | None = None
    ) -> None:
        self._encoding = stream.encoding.kind.value
        self._marker = marker
        parsed = None if schema is None else parse_schema(schema)
        self._cutter = cutter_of(stream, parsed, max_record_bytes=MAX_RECORD_BYTES)
        self._values = None  # a block of a container file holds several values
        if isinstance(stream.envelope, OcfBlock) and parsed is not None:
            self._values = AvroSplitter(parsed, max_record_bytes=MAX_RECORD_BYTES)

    @property
    def header(self) -> bytes | None:
        """The header row of csv."""
        found: bytes | None = getattr(self._cutter, "header", None)
        return found

    def feed(self, pieces: Sequence[bytes]) -> list[Entry]:
        """Return the records that are complete now."""
        records = [record for piece in pieces for record in self._cutter.feed(piece)]
        if self._values is not None:
            records = [value for block in records for value in self._values.feed(block)]
        return grouped(self._encoding, records, self._marker)

    def finish(self) -> list[Entry]:
        """Return what is left at the end."""
        records = self._cutter.finish()
        if self._values is not None:
            records = self._values.finish()
        return grouped(self._encoding, records, self._marker)


def grouped(
    encoding: str, records: Sequence[bytes], marker: bytes | None = None
) -> list[Entry]:
    """Return records in runs, the control records between them alone.

    Args:
        encoding: Of the records.
        records: As bytes.
        marker: A record that is the same as an ``end`` (``EndMarker`` of a stream).
    """
    entries: list[Entry] = []
    run: list[bytes] = []
    for record in records:
        control = _END if record == marker else controls.recognise(encoding, record)
        if control is None:
            run.append(record)
            continue
        if run:
            entries.append(Records(run))
            run = []
        entries.append(control)
    if run:
        entries.append(Records(run))
    return entries
