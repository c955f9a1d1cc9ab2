"""Blocks of an Avro object container file.

Source: Apache Avro specification 1.11, "Object Container Files".

    stream = [header] *block
    header = "Obj" 0x01, map of bytes (avro.schema, avro.codec), marker
    block  = long count, long size, data of that size, marker   ; marker: 16 bytes
"""

from __future__ import annotations

import json
import secrets
import zlib
from typing import Final

from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.avro_types import canonical
from pilothouse.fastscore.wire.streams import OcfBlock

from .envelopes import MAX_RECORD_BYTES, EnvelopeError

_MAGIC: Final = b"Obj\x01"
_MARKER_SIZE: Final = 16
_MAX_HEADER_BYTES: Final = 1024 * 1024


class _Short(Exception):  # noqa: N818 - not an error: more bytes have to come
    """The bytes end too early.

    Attributes:
        wanted: How many are needed at least, from the first.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class OcfSplitter:
    """Cuts a container file into the data of its blocks.

    What `feed` returns are blocks: each holds any number of values in Avro's binary
    form, one after the other.

    Args:
        envelope: Its options.
        max_record_bytes: Longest block that is waited for.

    Attributes:
        schema_json: The schema that the header holds; ``None`` without a header.
    """

    def __init__(
        self, envelope: OcfBlock, *, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self._marker = envelope.sync_marker
        self._deflated = envelope.compress == "deflate"
        self._expects_header = envelope.skip_header
        self._limit = max_record_bytes
        self._parts: list[bytes] = []
        self._size = self._wanted = 0
        self.schema_json: str | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the blocks that are complete.

        Raises:
            EnvelopeError: If the bytes are no blocks, or one is too long.
        """
        self._parts.append(chunk)
        self._size += len(chunk)
        if self._size < self._wanted:
            return []
        data = b"".join(self._parts)
        at = self._wanted = 0
        blocks: list[bytes] = []
        try:
            if self._expects_header:
                at = self._read_header(data, 0)
                self._expects_header = False
            while at < len(data):
                # No block begins like this: container files follow each other.
                if data.startswith(_MAGIC[:1], at):
                    at = self._read_header(data, at)
                    continue
                block, at = self._read_block(data, at)
                blocks.append(block)
        except _Short as exc:
            self._wanted = exc.wanted - at
        rest = data[at:]
        self._parts, self._size = ([rest] if rest else []), len(rest)
        if self._expects_header and len(rest) > _MAX_HEADER_BYTES:
            raise EnvelopeError(f"the header is longer than {_MAX_HEADER_BYTES} bytes")
        return blocks

    def finish(self) -> list[bytes]:
        """Return nothing.

        Raises:
            EnvelopeError: If the stream ends within a block.
        """
        if self._size:
            raise EnvelopeError("the stream ends within a block")
        return []

    def _read_header(self, data: bytes, at: int) -> int:
        if not _MAGIC.startswith(data[at : at + 4]):
            raise EnvelopeError("not an Avro container file: the magic is missing")
        _, at = _take(data, at, 4)
        meta, at = _read_map(data, at)
        marker, at = _take(data, at, _MARKER_SIZE)
        self._marker = marker
        codec = meta.get("avro.codec", b"null")
        if codec not in (b"null", b"deflate"):
            raise EnvelopeError(f"unknown codec {codec.decode('utf-8', 'replace')!r}")
        self._deflated = codec == b"deflate"
        self.schema_json = meta.get("avro.schema", b"").decode("utf-8", "replace")
        return at

    def _read_block(self, data: bytes, at: int) -> tuple[bytes, int]:
        count, at = _read_long(data, at)
        size, at = _read_long(data, at)
        if count < 0 or not 0 <= size <= self._limit:
            raise EnvelopeError(f"a block of {count} values, {size} bytes")
        block, at = _take(data, at, size)
        marker, at = _take(data, at, _MARKER_SIZE)
        if self._marker is not None and marker != self._marker:
            raise EnvelopeError("the marker behind a block is another one")
        self._marker = marker
        return self._inflated(block) if self._deflated else block, at

    def _inflated(self, block: bytes) -> bytes:
        inflate = zlib.decompressobj(-15)
        try:
            data = inflate.decompress(block, self._limit)
        except zlib.error as exc:
            raise EnvelopeError(f"a block cannot be inflated: {exc}") from exc
        if inflate.unconsumed_tail:
            raise EnvelopeError(f"a block is longer than {self._limit} bytes")
        if not inflate.eof:
            raise EnvelopeError("a block cannot be inflated: it is cut short")
        return data


class OcfJoiner:
    """Writes records as a container file, one block for each batch.

    Args:
        envelope: Its options.
        schema: Of the records.
    """

    def __init__(self, envelope: OcfBlock, schema: Schema) -> None:
        self._marker = envelope.sync_marker or secrets.token_bytes(_MARKER_SIZE)
        self._deflates = envelope.compress == "deflate"
        self._has_header = envelope.skip_header
        self._schema = schema

    def start(self) -> bytes:
        """Return the header, where the envelope has one."""
        if not self._has_header:
            return b""
        codec = b"deflate" if self._deflates else b"null"
        schema = json.dumps(canonical(self._schema.root)).encode()
        meta = b"".join(
            _written_bytes(key) + _written_bytes(value)
            for key, value in ((b"avro.codec", codec), (b"avro.schema", schema))
        )
        return _MAGIC + _written_long(2) + meta + _written_long(0) + self._marker

    def join(self, records: list[bytes]) -> bytes:
        """Return records as one block."""
        if not records:
            return b""
        data = b"".join(records)
        if self._deflates:
            deflate = zlib.compressobj(wbits=-15)
            data = deflate.compress(data) + deflate.flush()
        return _written_long(len(records)) + _written_bytes(data) + self._marker


def _read_map(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    meta: dict[str, bytes] = {}
    while True:
        count, at = _read_long(data, at)
        if not count:
            return meta, at
        if count < 0:
            count, (_, at) = -count, _read_long(data, at)
        for _ in range(count):
            key, at = _read_bytes(data, at)
            value, at = _read_bytes(data, at)
            meta[key.decode("utf-8", "replace")] = value


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _read_long(data, at)
    if size < 0:
        raise EnvelopeError(f"a text of {size} bytes")
    return _take(data, at, size)


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if len(data) < at + size:
        raise _Short(at + size)
    return data[at : at + size], at + size


def _read_long(data: bytes, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _Short(at + 1)
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return (result >> 1) ^ -(result & 1), at
    raise EnvelopeError("an integer of more than 64 bits")


def _written_long(number: int) -> bytes:
    rest, out = number << 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _written_bytes(data: bytes) -> bytes:
    return _written_long(len(data)) + data
