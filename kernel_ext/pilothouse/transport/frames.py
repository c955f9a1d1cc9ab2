"""Websocket frames of a client, on a socket that is connected already.

Source: RFC 6455, section 5.2.

    frame = flags-opcode, mask-length, [length], [mask], payload

Several short frames leave with one call of the system, and come in with one; a long one
goes through a buffer that is used again, and is copied nowhere else.
"""

from __future__ import annotations

import os
import struct
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol

__all__ = [
    "BINARY",
    "CLOSE",
    "MORE",
    "PING",
    "TEXT",
    "Frame",
    "FrameReader",
    "Readable",
    "masked",
]

MORE: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_OPCODES: Final = frozenset({MORE, TEXT, BINARY, CLOSE, PING, PONG})
_READ_BYTES: Final = 1 << 16
_KEPT_BYTES: Final = 1 << 21
_WRITE_BYTES: Final = 1 << 18
_LONGEST_HEADER: Final = 14
_SHORT_BYTES: Final = 4096


class Frame(NamedTuple):
    """What came in.

    Attributes:
        opcode: As the constants above.
        is_last: Whether its message ends with it.
        payload: Its bytes; another frame overwrites them.
    """

    opcode: int
    is_last: bool
    payload: memoryview


class Readable(Protocol):
    """As of `socket.socket`."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Read what there is into a buffer, waiting for some; 0 at the end."""


class FrameReader:
    """Reads frames, ahead where there are many, none longer than a limit.

    Args:
        source: What to read from.
        limit: Most bytes of a payload.
    """

    def __init__(self, source: Readable, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._buffer = bytearray(_READ_BYTES)
        self._at = self._end = 0

    @property
    def has_ahead(self) -> bool:
        """Whether bytes were read that belong to no frame yet."""
        return self._at < self._end

    def read(self) -> Frame:
        """Return the next frame, waiting for all of it.

        Raises:
            ValueError: If it is none that a server may send, or too long.
            OSError: If the connection breaks or ends.
        """
        self._have(2)
        flags, length = self._buffer[self._at], self._buffer[self._at + 1]
        if length > 127:
            raise ValueError("a server masks nothing")
        header = 2
        if length >= 126:
            form, header = ("!H", 4) if length == 126 else ("!Q", 10)
            self._have(header)
            (length,) = struct.unpack_from(form, self._buffer, self._at + 2)
        opcode = flags & 15
        self._check(flags, opcode, length)
        self._have(header + length)
        start = self._at + header
        self._at = start + length
        payload = memoryview(self._buffer)[start : self._at]
        return Frame(opcode, flags > 127, payload)

    def _check(self, flags: int, opcode: int, length: int) -> None:
        if flags & 0x70 or opcode not in _OPCODES:
            raise ValueError(f"a frame with the flags {flags:#x}")
        if length > self._limit:
            raise ValueError(
                f"a message of {length} bytes; at most {self._limit} are taken"
            )
        if opcode >= CLOSE and (length > 125 or flags < 128):
            raise ValueError("a control frame that is long, or in parts")

    def _have(self, wanted: int) -> None:
        """Have at least so many bytes from here on, in one piece."""
        there = self._end - self._at
        if there >= wanted:
            return
        if self._at + wanted > len(self._buffer) or not there:
            self._make_room(wanted, there)
        view = memoryview(self._buffer)
        while self._end - self._at < wanted:
            count = self._source.recv_into(view[self._end :])
            if not count:
                raise ConnectionResetError("the peer ended it without a word")
            self._end += count

    def _make_room(self, wanted: int, there: int) -> None:
        rest = bytes(memoryview(self._buffer)[self._at : self._end])
        size = len(self._buffer)
        if wanted > size or (size > _KEPT_BYTES and not there):
            self._buffer = bytearray(max(_READ_BYTES, wanted + _READ_BYTES))
        self._buffer[:there] = rest
        self._at, self._end = 0, there


def masked(messages: Iterable[bytes], opcode: int) -> Iterator[memoryview]:
    """Yield the frames of messages as they are to be sent; what is yielded is reused.

    Args:
        messages: The payload of a frame each.
        opcode: Of all of them.
    """
    buffer = bytearray(_WRITE_BYTES)
    view, begin, at = memoryview(buffer), 0, 0
    for message in messages:
        size, key = len(message), _key()
        if size <= _SHORT_BYTES:
            if at + _LONGEST_HEADER + size > _WRITE_BYTES:
                yield view[begin:at]
                begin = at = 0
            at = _put_header(buffer, at, opcode, size, key)
            buffer[at : at + size] = _short(message, key)
            at += size
            continue
        if at > begin:
            yield view[begin:at]
        begin = 2 if size >= 1 << 16 else 8  # so that its payload begins at 16
        at = _put_header(buffer, begin, opcode, size, key)
        for start in range(0, size, _WRITE_BYTES - 16):
            part = memoryview(message)[start : start + _WRITE_BYTES - 16]
            if start:
                yield view[begin:at]
                begin = at = 0
            view[at : at + len(part)] = part
            _mask(buffer, at, len(part), key)
            at += len(part)
    if at > begin:
        yield view[begin:at]


def _put_header(buffer: bytearray, at: int, opcode: int, size: int, key: bytes) -> int:
    buffer[at] = 128 | opcode
    if size < 126:
        buffer[at + 1] = 128 | size
        at += 2
    elif size < 1 << 16:
        struct.pack_into("!BH", buffer, at + 1, 254, size)
        at += 4
    else:
        struct.pack_into("!BQ", buffer, at + 1, 255, size)
        at += 10
    buffer[at : at + 4] = key
    return at + 4


def _short(data: bytes, key: bytes) -> bytes:
    size = len(data)
    keys = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(keys, "little")).to_bytes(
        size, "little"
    )


def _mask(buffer: bytearray, at: int, size: int, key: bytes) -> None:
    """Mask a part of a buffer in place; the key begins with it."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        buffer[at : at + size] = _short(bytes(buffer[at : at + size]), key)
        return
    whole = size & ~3
    words = numpy.frombuffer(buffer, "u4", whole // 4, at)
    numpy.bitwise_xor(words, numpy.frombuffer(key, "u4"), out=words)
    rest = at + whole
    buffer[rest : at + size] = _short(bytes(buffer[rest : at + size]), key)


_KEYS: Final = deque[bytes]()


def _key() -> bytes:
    """Return an unpredictable key; the system is asked for many at a time."""
    try:
        return _KEYS.popleft()
    except IndexError:
        drawn = os.urandom(1024)
        _KEYS.extend(drawn[i : i + 4] for i in range(4, len(drawn), 4))
        return drawn[:4]
