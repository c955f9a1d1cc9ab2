"""Records as bytes, and as a model sees them; whole batches at a time.

Source: vendor manual, "Encodings".

    null         bytes                     utf-8      str
    json         parsed JSON               csv        dict, one for each row
    msgpack      decoded value             soap-rpc   dict
    avro-binary  decoded value, needs a schema

A batch is decoded record by record in one sweep; a record that cannot be read or
written is a `Reject` and harms no other. A codec knows no schema rules (except where
the bytes cannot be read without): `Schema.sift` of `pilothouse.fastscore.wire.avro`
comes after decoding and before encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.streams import Encoding, EncodingKind
from pilothouse.fastscore.wire.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A record that could not be read or written.

    Attributes:
        index: Its place in the batch, from 0.
        reason: Why.
        raw: Its bytes; of a record that could not be written, a text of it.
    """

    index: int
    reason: str
    raw: bytes = field(repr=False)


class CodecError(ProtocolError):
    """A record cannot be read or written in its encoding."""


class Codec(Protocol):
    """Reads and writes records of one encoding."""

    kind: EncodingKind

    def decode(self, record: bytes) -> Value:
        """Return one record as a model sees it.

        Raises:
            CodecError: If the bytes are no record.
        """

    def decode_batch(
        self, data: bytes | Sequence[bytes], separator: bytes = b"\n"
    ) -> tuple[list[Value], list[Reject]]:
        """Return the records that can be read, in order, and the others.

        Args:
            data: Records one by one; or in one piece, each followed by a separator
                (the last may lack it), in a self-delimiting encoding without.
            separator: What follows each record in one piece of data.
        """

    def encode(self, value: Value) -> bytes:
        """Return one record as bytes, without separator.

        Raises:
            CodecError: If it cannot be written.
        """

    def encode_batch(self, values: Sequence[Value]) -> tuple[list[bytes], list[Reject]]:
        """Return the records that can be written, as bytes, and the others."""

    def encode_block(
        self, values: Sequence[Value], separator: bytes = b"\n"
    ) -> tuple[bytes, int, list[Reject]]:
        """Return records in one piece, each followed by a separator.

        Returns:
            The bytes, how many records they hold, and what could not be written. In a
            self-delimiting encoding there is no separator.
        """


def codec_of(
    encoding: Encoding | EncodingKind | str,
    schema: Schema | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Codec:
    """Return the codec of an encoding.

    Args:
        encoding: The encoding, with the options of csv.
        schema: Schema of the records; avro-binary needs it, csv takes names and types
            of its columns from it.
        columns: Names of csv columns, where a header says them.

    Raises:
        CodecError: If the encoding needs a schema and there is none.
    """
    if not isinstance(encoding, Encoding):
        encoding = Encoding(kind=EncodingKind(encoding))
    kind = encoding.kind
    if kind is EncodingKind.JSON:
        from .json_codec import JsonCodec

        return JsonCodec()
    if kind is EncodingKind.NULL:
        from .text_codecs import BytesCodec

        return BytesCodec()
    if kind is EncodingKind.UTF8:
        from .text_codecs import TextCodec

        return TextCodec()
    if kind is EncodingKind.CSV:
        from .csv_codec import CsvCodec

        return CsvCodec(encoding, schema, columns=columns)
    if kind is EncodingKind.MSGPACK:
        from .binary_codecs import MsgpackCodec

        return MsgpackCodec()
    if kind is EncodingKind.AVRO:
        from .binary_codecs import AvroCodec

        if schema is None:
            raise CodecError("encoding avro-binary needs a schema")
        return AvroCodec(schema)
    from .soap_codec import SoapCodec

    return SoapCodec()


def pieces(data: bytes | Sequence[bytes], separator: bytes) -> Sequence[bytes]:
    """Return records one by one.

    Args:
        data: As `Codec.decode_batch` takes it.
        separator: What follows each record in one piece of data.
    """
    if not isinstance(data, bytes):
        return data
    records = data.split(separator)
    if not records[-1]:
        records.pop()
    return records


class OneByOne:
    """Batches as loops over `decode` and `encode`; the base of most codecs."""

    def decode(self, record: bytes) -> Value:
        """Return one record as a model sees it."""
        raise CodecError(f"{type(self).__name__} reads no records")

    def encode(self, value: Value) -> bytes:
        """Return one record as bytes."""
        raise CodecError(f"{type(self).__name__} writes no records")

    def decode_batch(
        self, data: bytes | Sequence[bytes], separator: bytes = b"\n"
    ) -> tuple[list[Value], list[Reject]]:
        """Return the records that can be read, in order, and the others."""
        good: list[Value] = []
        bad: list[Reject] = []
        for index, record in enumerate(pieces(data, separator)):
            try:
                good.append(self.decode(record))
            except CodecError as exc:
                bad.append(Reject(index=index, reason=exc.message, raw=bytes(record)))
        return good, bad

    def encode_batch(self, values: Sequence[Value]) -> tuple[list[bytes], list[Reject]]:
        """Return the records that can be written, as bytes, and the others."""
        good: list[bytes] = []
        bad: list[Reject] = []
        for index, value in enumerate(values):
            try:
                good.append(self.encode(value))
            except CodecError as exc:
                bad.append(Reject(index=index, reason=exc.message, raw=text_of(value)))
        return good, bad

    def encode_block(
        self, values: Sequence[Value], separator: bytes = b"\n"
    ) -> tuple[bytes, int, list[Reject]]:
        """Return records in one piece, each followed by a separator."""
        good, bad = self.encode_batch(values)
        return joined(good, separator), len(good), bad


def joined(records: Sequence[bytes], separator: bytes) -> bytes:
    """Return records in one piece, each followed by a separator."""
    return separator.join(records) + separator if records else b""


def text_of(value: Value) -> bytes:
    """Return a value that could not be written as a text, at most 10,000 bytes."""
    try:
        return repr(value).encode("utf-8", "backslashreplace")[:10_000]
    except Exception as exc:  # a model's own class may fail at anything
        return f"<{type(value).__name__}: {type(exc).__name__}>".encode()
