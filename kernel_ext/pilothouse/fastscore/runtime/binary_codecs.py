"""Encodings msgpack and avro-binary: records end where they end, nothing separates."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.avro_read import Mismatch
from pilothouse.fastscore.wire.streams import EncodingKind
from pilothouse.fastscore.wire.values import Value

from .codec import CodecError, OneByOne, Reject


class MsgpackCodec(OneByOne):
    """Reads and writes msgpack values."""

    kind = EncodingKind.MSGPACK

    def decode(self, record: bytes) -> Value:
        """Return the value that some bytes are.

        Raises:
            CodecError: If they are none, or more than one.
        """
        import msgpack

        try:
            return msgpack.unpackb(record, strict_map_key=False)
        except (ValueError, msgpack.UnpackException, TypeError) as exc:
            text = str(exc) or type(exc).__name__
            raise CodecError(f"not msgpack: {text}") from exc

    def decode_batch(
        self, data: bytes | Sequence[bytes], separator: bytes = b"\n"
    ) -> tuple[list[Value], list[Reject]]:
        """Return the values that follow each other, and what cannot be read."""
        if not isinstance(data, bytes):
            return super().decode_batch(data, separator)
        import msgpack

        unpacker = msgpack.Unpacker(
            None, strict_map_key=False, max_buffer_size=max(len(data), 1)
        )
        unpacker.feed(data)
        good: list[Value] = []
        end = 0
        try:
            for value in unpacker:
                good.append(value)
                end = unpacker.tell()
        except (ValueError, msgpack.UnpackException, TypeError) as exc:
            text = str(exc) or type(exc).__name__
            return good, [_rest(good, data, end, f"not msgpack: {text}")]
        if end < len(data):
            return good, [_rest(good, data, end, "the data end within a value")]
        return good, []

    def encode(self, value: Value) -> bytes:
        """Return a value as msgpack.

        Raises:
            CodecError: If msgpack cannot hold it.
        """
        import msgpack

        try:
            packed: bytes = msgpack.packb(value, default=_plain)
        except (TypeError, ValueError, OverflowError) as exc:
            raise CodecError(f"msgpack cannot hold it: {exc}") from exc
        return packed

    def encode_block(
        self, values: Sequence[Value], separator: bytes = b"\n"
    ) -> tuple[bytes, int, list[Reject]]:
        """Return values in one piece; nothing separates them."""
        good, bad = self.encode_batch(values)
        return b"".join(good), len(good), bad


class AvroCodec(OneByOne):
    """Reads and writes values in Avro's binary form.

    Args:
        schema: Of the values.
    """

    kind = EncodingKind.AVRO

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def decode(self, record: bytes) -> Value:
        """Return the value that some bytes are.

        Raises:
            CodecError: If they are none, or more follows.
        """
        try:
            return self._schema.from_binary(record)
        except Mismatch as exc:
            raise CodecError(str(exc)) from exc

    def decode_batch(
        self, data: bytes | Sequence[bytes], separator: bytes = b"\n"
    ) -> tuple[list[Value], list[Reject]]:
        """Return the values that follow each other, and what cannot be read."""
        if not isinstance(data, bytes):
            return super().decode_batch(data, separator)
        stream = io.BytesIO(data)
        good: list[Value] = []
        end = 0
        while end < len(data):
            try:
                good.append(self._schema.read_binary(stream))
            except (EOFError, Mismatch) as exc:
                return good, [_rest(good, data, end, str(exc))]
            if stream.tell() == end:
                return good[:-1], [_rest(good[:-1], data, end, "values of no bytes")]
            end = stream.tell()
        return good, []

    def encode(self, value: Value) -> bytes:
        """Return a value in Avro's binary form.

        Raises:
            CodecError: If it does not fit the schema.
        """
        try:
            return self._schema.to_binary(value)
        except Mismatch as exc:
            raise CodecError(str(exc)) from exc

    def encode_block(
        self, values: Sequence[Value], separator: bytes = b"\n"
    ) -> tuple[bytes, int, list[Reject]]:
        """Return values in one piece; nothing separates them."""
        good, bad = self.encode_batch(values)
        return b"".join(good), len(good), bad


def _rest(good: list[Value], data: bytes, end: int, reason: str) -> Reject:
    """Return the reject of all that follows the last good value.

    Without separators there is no way to find the next one.
    """
    return Reject(index=len(good), reason=reason, raw=data[end:])


def _plain(value: Value) -> Value:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no msgpack value")
