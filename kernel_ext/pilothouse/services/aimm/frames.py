"""What a server and its child processes say to each other, over two pipes.

    frame   = length header { blob }      ; length: 4 bytes, big-endian, of the header
    header  = JSON object with "sizes": [bytes of each blob]

    to the child     {"load": {"names", "files", "sources", "paths"}}
                     {"job", "call", "model_type", "codec", "key", "cached"}
                       blobs: the request's text, [the instance]
    to the server    {"ready": {"data_access", "model_types"}} / {"failed": failure}
                     {"job", "report", "place"}         ; place: of a data access
                     {"job", "progress": word}
                     {"job", "done", "changed", "digest"}
                       blobs: the result as JSON, the instance when it changed
                     {"job", "failed": failure}
    failure          {"type", "message", "traceback", "hint"}

This module is run by both ends, and imports nothing of either.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

from pilothouse.aimm.json_text import Piece, size_of

__all__ = [
    "KEPT_INSTANCES",
    "MAX_BLOB_BYTES",
    "Blob",
    "Frame",
    "read_frame",
    "receive_frame",
    "to_bytes",
]

KEPT_INSTANCES: Final = 8
"""How many instances a child keeps, the newest; the server counts along."""

MAX_HEADER_BYTES: Final = 1 << 24
MAX_BLOB_BYTES: Final = 1 << 31
"""Longest blob that is taken."""

_WRITE_BYTES: Final = 1 << 20

Blob = Piece | list[Piece]


@dataclass(frozen=True, slots=True)
class Frame:
    """One message.

    Attributes:
        header: What it says.
        blobs: Bytes that go with it.
    """

    header: dict[str, Any]
    blobs: Sequence[bytes] = ()


def to_bytes(header: dict[str, Any], *blobs: Blob) -> Iterator[Piece]:
    """Yield the pieces of a frame, to be written one after another, none of them long.

    Args:
        header: What it says.
        blobs: Bytes that go with it, whole or in pieces.
    """
    whole = [blob if isinstance(blob, list) else [blob] for blob in blobs]
    text = json.dumps({**header, "sizes": [size_of(blob) for blob in whole]}).encode()
    yield len(text).to_bytes(4, "big") + text
    for blob in whole:
        for piece in blob:
            view = memoryview(piece)
            for start in range(0, len(view), _WRITE_BYTES):
                yield view[start : start + _WRITE_BYTES]


def read_frame(stream: IO[bytes]) -> Frame | None:
    """Read a frame from a pipe; None at its end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    header = json.loads(stream.read(int.from_bytes(head, "big")))
    return Frame(header, [stream.read(size) for size in header.pop("sizes")])


async def receive_frame(stream: asyncio.StreamReader) -> Frame | None:
    """Read a frame of a child, which may say anything; None at the end of its pipe.

    Raises:
        ValueError: If it is no frame.
    """
    try:
        size = int.from_bytes(await stream.readexactly(4), "big")
        if size > MAX_HEADER_BYTES:
            raise ValueError(f"a header of {size} bytes")
        header = json.loads(await stream.readexactly(size))
        sizes = header.pop("sizes")
        if any(type(n) is not int or not 0 <= n <= MAX_BLOB_BYTES for n in sizes):
            raise ValueError("a blob of no length")
        return Frame(header, [await stream.readexactly(n) for n in sizes])
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError(f"no frame: {exc}") from None
