"""Streams of values that end where they end: msgpack and avro-binary."""

from __future__ import annotations

import io

from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.avro_read import Mismatch
from pilothouse.fastscore.wire.controls import read_avro_prefix

from .envelopes import MAX_RECORD_BYTES, EnvelopeError


class MsgpackSplitter:
    """Cuts behind each msgpack value; values are skipped, not made.

    Args:
        max_record_bytes: Longest value that is waited for.
    """

    def __init__(self, *, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._limit = max_record_bytes
        self._pending = b""
        self._tried = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the values that are complete.

        Raises:
            EnvelopeError: If the bytes are no msgpack, or a value is too long.
        """
        import msgpack

        data = self._pending + chunk
        # A long value that waits is looked at again only when it has doubled.
        if len(data) < self._tried:
            self._pending = data
            return []
        unpacker = msgpack.Unpacker(None, max_buffer_size=max(len(data), 1))
        unpacker.feed(data)
        records: list[bytes] = []
        at = 0
        try:
            while at < len(data):
                unpacker.skip()
                records.append(data[at : unpacker.tell()])
                at = unpacker.tell()
        except msgpack.OutOfData:
            pass
        except (ValueError, msgpack.UnpackException) as exc:
            raise EnvelopeError(f"not msgpack: {exc or type(exc).__name__}") from exc
        self._pending = data[at:]
        self._tried = 2 * len(self._pending) if len(self._pending) > 65_536 else 0
        if len(self._pending) > self._limit:
            raise EnvelopeError(f"a value is longer than {self._limit} bytes")
        return records

    def finish(self) -> list[bytes]:
        """Return what had not been looked at again.

        Raises:
            EnvelopeError: If the stream ends within a value.
        """
        self._tried = 0
        records = self.feed(b"")
        left, self._pending = len(self._pending), b""
        if left:
            raise EnvelopeError("the stream ends within a value")
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
        self._pending = b""
        self._tried = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the values that are complete.

        Raises:
            EnvelopeError: If the bytes are no values of the schema, or one is too long.
        """
        data = self._pending + chunk
        if len(data) < self._tried:
            self._pending = data
            return []
        records: list[bytes] = []
        at = 0
        stream = io.BytesIO(data)
        while at < len(data):
            end = self._end_of(stream, data, at)
            if end is None:
                break
            if end == at:
                raise EnvelopeError("values of this schema have no bytes to cut")
            records.append(data[at:end])
            at = end
        self._pending = data[at:]
        self._tried = 2 * len(self._pending) if len(self._pending) > 65_536 else 0
        if len(self._pending) > self._limit:
            raise EnvelopeError(f"a value is longer than {self._limit} bytes")
        return records

    def finish(self) -> list[bytes]:
        """Return what had not been looked at again.

        Raises:
            EnvelopeError: If the stream ends within a value.
        """
        self._tried = 0
        records = self.feed(b"")
        left, self._pending = len(self._pending), b""
        if left:
            raise EnvelopeError("the stream ends within a value")
        return records

    def _end_of(self, stream: io.BytesIO, data: bytes, at: int) -> int | None:
        if data.startswith(b"\x1c$fastscore.", at):
            found = read_avro_prefix(data[at:])
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
