"""Streams of values that end where they end: msgpack and avro-binary.

A value that has not come whole is taken up where it was left, however large it is and
in however small pieces it comes.
"""

from __future__ import annotations

import io
from typing import Any, Final

from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.avro_read import Mismatch
from pilothouse.fastscore.wire.avro_walk import Walk
from pilothouse.fastscore.wire.controls import read_avro_prefix

from .envelopes import MAX_RECORD_BYTES, EnvelopeError

_SMALL: Final = 65_536
"""So many waiting bytes are simply read again with the next piece."""


class MsgpackSplitter:
    """Cuts behind each msgpack value; values are skipped, not made.

    Args:
        max_record_bytes: Longest value that is waited for.
    """

    def __init__(self, *, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        import msgpack

        self._limit = max_record_bytes
        self._unpacker: Any = msgpack.Unpacker(
            None, max_buffer_size=max_record_bytes + 2**24
        )
        self._errors = (ValueError, msgpack.UnpackException)
        self._end: type[Exception] = msgpack.OutOfData
        self._parts: list[bytes] = []
        self._size = 0
        self._start = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the values that are complete.

        Raises:
            EnvelopeError: If the bytes are no msgpack, or a value is too long.
        """
        self._parts.append(chunk)
        self._size += len(chunk)
        ends: list[int] = []
        view = memoryview(chunk)
        for at in range(0, len(chunk), 2**24):
            ends += self._ends_in(view[at : at + 2**24])
        records = self._cut(ends) if ends else []
        if self._size > self._limit:
            raise EnvelopeError(f"a value is longer than {self._limit} bytes")
        return records

    def finish(self) -> list[bytes]:
        """Return nothing.

        Raises:
            EnvelopeError: If the stream ends within a value.
        """
        if self._size:
            raise EnvelopeError("the stream ends within a value")
        return []

    def _ends_in(self, piece: memoryview) -> list[int]:
        ends: list[int] = []
        try:
            self._unpacker.feed(piece)
            while True:
                self._unpacker.skip()
                ends.append(self._unpacker.tell() - self._start)
        except self._end:
            return ends
        except self._errors as exc:
            raise EnvelopeError(f"not msgpack: {exc or type(exc).__name__}") from exc

    def _cut(self, ends: list[int]) -> list[bytes]:
        data = b"".join(self._parts)
        records, at = [], 0
        for end in ends:
            records.append(data[at:end])
            at = end
        rest = data[at:]
        self._parts, self._size = ([rest] if rest else []), len(rest)
        self._start += at
        return records


class AvroSplitter:
    """Cuts behind each value in Avro's binary form, and behind control records.

    Args:
        schema: Of the values: without it, nobody knows where one ends.
        max_record_bytes: Longest value that is waited for.
    """

    def __init__(
        self, schema: Schema, *, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self._schema = schema
        self._limit = max_record_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._walk: Walk | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the values that are complete.

        Raises:
            EnvelopeError: If the bytes are no values of the schema, or one is too long.
        """
        self._parts.append(chunk)
        self._size += len(chunk)
        if self._walk is not None and not self._walked(chunk):
            return self._wait()
        data = b"".join(self._parts)
        records: list[bytes] = []
        at = 0
        if self._walk is not None:
            at = self._walk.size
            records.append(data[:at])
            self._walk = None
        stream = io.BytesIO(data)
        while at < len(data):
            end = self._end_of(stream, data, at)
            if end is None:
                break
            if end == at:
                raise EnvelopeError("values of this schema have no bytes to cut")
            records.append(data[at:end])
            at = end
        rest = data[at:]
        self._parts, self._size = ([rest] if rest else []), len(rest)
        if len(rest) > _SMALL:
            self._walk = Walk(self._schema.root)
            self._walked(rest)
        self._wait()
        return records

    def finish(self) -> list[bytes]:
        """Return nothing.

        Raises:
            EnvelopeError: If the stream ends within a value.
        """
        if self._size:
            raise EnvelopeError("the stream ends within a value")
        return []

    def _walked(self, piece: bytes) -> bool:
        assert self._walk is not None
        try:
            return self._walk.feed(piece)
        except Mismatch as exc:
            raise EnvelopeError(str(exc)) from exc

    def _wait(self) -> list[bytes]:
        if self._size > self._limit:
            raise EnvelopeError(f"a value is longer than {self._limit} bytes")
        return []

    def _end_of(self, stream: io.BytesIO, data: bytes, at: int) -> int | None:
        if data.startswith(b"\x1c$fastscore.", at):
            try:
                found = read_avro_prefix(data[at : at + _SMALL])
            except EOFError:
                return None
            if found is not None:
                return at + found[1]
        stream.seek(at)
        try:
            self._schema.read_binary(stream)
        except EOFError:
            return None
        except Mismatch as exc:
            raise EnvelopeError(str(exc)) from exc
        return stream.tell()
