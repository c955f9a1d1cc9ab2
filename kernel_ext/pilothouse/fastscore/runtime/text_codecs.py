"""Encodings null and utf-8: records that a model sees as bytes or as a string."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.fastscore.wire.streams import EncodingKind
from pilothouse.fastscore.wire.values import Value

from .codec import CodecError, OneByOne, Reject, pieces


class BytesCodec(OneByOne):
    """Encoding null: the bytes as they are."""

    kind = EncodingKind.NULL

    def decode(self, record: bytes) -> bytes:
        """Return the bytes."""
        return bytes(record)

    def decode_batch(
        self, data: bytes | Sequence[bytes], separator: bytes = b"\n"
    ) -> tuple[list[Value], list[Reject]]:
        """Return the records; none can be bad."""
        return list(pieces(data, separator)), []

    def encode(self, value: Value) -> bytes:
        """Return the bytes of a record.

        Raises:
            CodecError: If the value is not bytes.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        raise CodecError(f"encoding null takes bytes, not {type(value).__name__}")


class TextCodec(OneByOne):
    """Encoding utf-8: a record is a string."""

    kind = EncodingKind.UTF8

    def decode(self, record: bytes) -> str:
        """Return the text.

        Raises:
            CodecError: If the bytes are no UTF-8.
        """
        try:
            return record.decode()
        except UnicodeDecodeError as exc:
            raise CodecError(f"not UTF-8: {exc}") from exc

    def encode(self, value: Value) -> bytes:
        """Return the bytes of a text.

        Raises:
            CodecError: If the value is no string, or cannot be written.
        """
        if not isinstance(value, str):
            raise CodecError(f"encoding utf-8 takes text, not {type(value).__name__}")
        try:
            return value.encode()
        except UnicodeEncodeError as exc:
            raise CodecError(f"not UTF-8: {exc}") from exc
