"""Frames between an engine and a jet, over a socket pair.

frame  = head-length(4) body-length(4) head body     ; lengths big-endian
head   = JSON object; "k" tells the kind
body   = bytes

to the jet                                  from the jet
start   model, slots, files                 ready   begin() is done
slots   streams have changed                out     output of a batch
batch   records of one slot                 done    a batch is done
singles records with an answer each         singles their answers
end     run end()                           ended   end() is done
reply   answer to `ask`                     ask     a cell or a pool
error   the model has failed
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import orjson

__all__ = ["MAX_HEAD_BYTES", "Frame", "FrameError", "Frames", "pack"]

Frame: TypeAlias = tuple[dict[str, Any], bytes]

MAX_HEAD_BYTES: Final = 64 * 1024 * 1024
MAX_BODY_BYTES: Final = 1024 * 1024 * 1024
_LENGTHS: Final = struct.Struct(">II")


class FrameError(Exception):
    """What came is no frame."""


def pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Return one frame as bytes."""
    text = orjson.dumps(head)
    return b"".join((_LENGTHS.pack(len(text), len(body)), text, body))


class Frames:
    """Takes bytes as they come, gives whole frames."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._needed = _LENGTHS.size

    def feed(self, data: bytes | memoryview) -> Iterator[Frame]:
        """Take bytes and yield the frames that are complete now.

        Raises:
            FrameError: If the bytes are no frame.
        """
        self._data += data
        while len(self._data) >= self._needed:
            head_length, body_length = _LENGTHS.unpack_from(self._data)
            if head_length > MAX_HEAD_BYTES or body_length > MAX_BODY_BYTES:
                raise FrameError("a frame is too long")
            start = _LENGTHS.size + head_length
            self._needed = start + body_length
            if len(self._data) < self._needed:
                return
            yield self._take(start)

    def _take(self, start: int) -> Frame:
        with memoryview(self._data) as view:
            text = bytes(view[_LENGTHS.size : start])
            body = bytes(view[start : self._needed])
        del self._data[: self._needed]
        self._needed = _LENGTHS.size
        try:
            head = orjson.loads(text)
        except ValueError as exc:
            raise FrameError(f"the head of a frame is not JSON: {exc}") from exc
        if not isinstance(head, dict):
            raise FrameError("the head of a frame is no object")
        return head, body
