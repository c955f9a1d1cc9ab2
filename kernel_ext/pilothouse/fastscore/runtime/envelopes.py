r"""Envelopes: cutting a stream of bytes into records, and putting it together.

Source: vendor manual, "Envelopes".

    delimited      record *(separator record) [separator]
    delimited-csv  the same; a separator between quotes does not count
    fixed          records of one size; output is padded with zeros, or cut
    ocf-block      [header] *(count size data marker), as in Avro container files
    none           self-delimiting values follow each other; or the transport keeps
                   records apart, and what comes in one piece is one record

An empty record just before the end is dropped (it is the end of the last separator);
elsewhere empty records count. A last record without a separator counts.
"""

from __future__ import annotations

from typing import Final, Protocol

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.streams import (
    Delimited,
    DelimitedCsv,
    EncodingKind,
    Fixed,
    OcfBlock,
    StreamDescriptor,
)

MAX_RECORD_BYTES: Final = 64 * 1024 * 1024
"""Longest record that is waited for."""


class EnvelopeError(ProtocolError):
    """Bytes break the envelope of their stream; what follows cannot be read."""


class Splitter(Protocol):
    """Cuts a stream of bytes into records."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a piece of the stream, and return the records that are complete.

        Raises:
            EnvelopeError: If the bytes break the envelope, or a record is too long.
        """

    def finish(self) -> list[bytes]:
        """Return what the end of the stream completes.

        Raises:
            EnvelopeError: If the stream ends within a record.
        """


class Joiner(Protocol):
    """Puts records together to a stream of bytes."""

    def join(self, records: list[bytes]) -> bytes:
        """Return records in their envelope."""

    def start(self) -> bytes:
        """Return what the stream begins with."""


def splitter_of(
    descriptor: StreamDescriptor,
    schema: Schema | None = None,
    *,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Splitter:
    """Return what cuts the input of a stream.

    Args:
        descriptor: Of the stream.
        schema: Of its records; avro-binary without an envelope needs it.
        max_record_bytes: Longest record that is waited for.

    Raises:
        EnvelopeError: If avro-binary has neither an envelope nor a schema.
    """
    envelope, limit = descriptor.envelope, max_record_bytes
    if isinstance(envelope, Delimited):
        return DelimitedSplitter(envelope.separator, max_record_bytes=limit)
    if isinstance(envelope, DelimitedCsv):
        from .csv_envelope import CsvSplitter

        quote = descriptor.encoding.quote.encode()
        return CsvSplitter(envelope, quote, max_record_bytes=limit)
    if isinstance(envelope, Fixed):
        return FixedSplitter(envelope.size)
    if isinstance(envelope, OcfBlock):
        from .ocf_envelope import OcfSplitter

        return OcfSplitter(envelope, max_record_bytes=limit)
    if descriptor.transport.keeps_bounds:
        return WholeSplitter()
    if descriptor.encoding.kind is EncodingKind.MSGPACK:
        from .value_splitters import MsgpackSplitter

        return MsgpackSplitter(max_record_bytes=limit)
    if descriptor.encoding.kind is EncodingKind.AVRO:
        from .value_splitters import AvroSplitter

        if schema is None:
            raise EnvelopeError("encoding avro-binary needs a schema")
        return AvroSplitter(schema, max_record_bytes=limit)
    return WholeSplitter()


def joiner_of(descriptor: StreamDescriptor, schema: Schema | None = None) -> Joiner:
    """Return what puts the output of a stream together.

    Args:
        descriptor: Of the stream.
        schema: Of its records; the header of an ocf-block stream needs it, that of csv
            comes from it.

    Raises:
        EnvelopeError: If an ocf-block stream has no schema.
    """
    envelope = descriptor.envelope
    if isinstance(envelope, Delimited):
        return DelimitedJoiner(envelope.separator)
    if isinstance(envelope, DelimitedCsv):
        from .csv_codec import CsvCodec
        from .csv_envelope import CsvJoiner

        header = CsvCodec(descriptor.encoding, schema).header()
        return CsvJoiner(envelope, header)
    if isinstance(envelope, Fixed):
        return FixedJoiner(envelope.size)
    if isinstance(envelope, OcfBlock):
        from .ocf_envelope import OcfJoiner

        if schema is None:
            raise EnvelopeError("an ocf-block stream needs a schema")
        return OcfJoiner(envelope, schema)
    return DelimitedJoiner(b"")


class DelimitedSplitter:
    """Cuts where a separator stands.

    Args:
        separator: What follows each record.
        max_record_bytes: Longest record that is waited for.
    """

    def __init__(
        self, separator: bytes = b"\n", *, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self.separator = separator
        self._limit = max_record_bytes
        self._pending: list[bytes] = []
        self._size = 0

    def feed_block(self, chunk: bytes) -> tuple[bytes, int]:
        """Return the complete records in one piece, and how many they are.

        Each record ends with its separator. No object is made for a record.

        Raises:
            EnvelopeError: If a record is too long.
        """
        at = self._last_separator(chunk)
        if at < 0:
            self._keep(chunk)
            return b"", 0
        block = b"".join((*self._pending, chunk[:at])) if self._pending else chunk[:at]
        self._pending, self._size = [], 0
        self._keep(chunk[at:])
        return block, block.count(self.separator)

    def finish_block(self) -> tuple[bytes, int]:
        """Return the last record, with a separator, and 1; or nothing, and 0."""
        rest = b"".join(self._pending)
        self._pending, self._size = [], 0
        return (rest + self.separator, 1) if rest else (b"", 0)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the records that are complete, without separators."""
        block, count = self.feed_block(chunk)
        return block.split(self.separator)[:count]

    def finish(self) -> list[bytes]:
        """Return the last record, if it has no separator."""
        block, count = self.finish_block()
        return [block[: -len(self.separator)]] if count else []

    def _last_separator(self, chunk: bytes) -> int:
        """Return where the complete records of a chunk end; -1 if it completes none."""
        width = len(self.separator)
        if width == 1:
            return chunk.rfind(self.separator) + 1 or -1
        # A longer separator may begin in the bytes that wait, and may overlap itself:
        # only a walk from the left says where the records end.
        waiting = b"".join(self._pending)
        tail = waiting[-(width - 1) :]
        if self.separator not in tail + chunk:
            return -1
        self._pending = [waiting] if waiting else []
        last = (waiting + chunk).split(self.separator)[-1]
        return len(chunk) - len(last) if len(last) <= len(chunk) else -1

    def _keep(self, rest: bytes) -> None:
        if not rest:
            return
        self._pending.append(rest)
        self._size += len(rest)
        if self._size > self._limit:
            raise EnvelopeError(f"a record is longer than {self._limit} bytes")


class FixedSplitter:
    """Cuts after every `size` bytes; the stream must end behind a record."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pending = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the records that are complete."""
        data, size = self._pending + chunk, self._size
        end = len(data) - len(data) % size
        self._pending = data[end:]
        return [data[at : at + size] for at in range(0, end, size)]

    def finish(self) -> list[bytes]:
        """Return nothing.

        Raises:
            EnvelopeError: If a part of a record is left.
        """
        left, self._pending = len(self._pending), b""
        if left:
            raise EnvelopeError(f"{left} bytes are left, a record has {self._size}")
        return []


class WholeSplitter:
    """Takes each piece as one record: the transport keeps records apart."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the piece."""
        return [chunk]

    def finish(self) -> list[bytes]:
        """Return nothing."""
        return []


class DelimitedJoiner:
    """Writes a separator behind each record; an empty one for values that need none."""

    def __init__(self, separator: bytes) -> None:
        self.separator = separator

    def start(self) -> bytes:
        """Return nothing."""
        return b""

    def join(self, records: list[bytes]) -> bytes:
        """Return records, each followed by the separator."""
        return self.separator.join(records) + self.separator if records else b""


class FixedJoiner:
    """Pads records with zeros to one size, or cuts them."""

    def __init__(self, size: int) -> None:
        self._size = size

    def start(self) -> bytes:
        """Return nothing."""
        return b""

    def join(self, records: list[bytes]) -> bytes:
        """Return records of one size."""
        size = self._size
        return b"".join(record[:size].ljust(size, b"\0") for record in records)
