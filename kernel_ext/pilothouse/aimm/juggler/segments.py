"""Segments: how a text of any length travels in websocket text frames.

Source: hat-juggler 0.7.6, `transport.py`. Texts are UTF-8 here, as they travel.

    segment  = kind payload
    kind     = "0" / "1" / "2" / "3"     ; last, more follow, ping, pong
    text     = *( "1" payload ) "0" payload, with pings and pongs anywhere between

The real peers cut at 65,536 characters and take payloads of any length, also none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pilothouse.aimm.json_text import Piece
from pilothouse.errors import ProtocolError

__all__ = [
    "LAST",
    "MAX_PAYLOAD",
    "MAX_TEXT",
    "MORE",
    "PING",
    "PONG",
    "Joiner",
    "ping",
    "pong",
    "split",
]

MAX_PAYLOAD: Final = 65_536
"""Characters of payload in one segment that is sent; all of them are ASCII."""

MAX_TEXT: Final = 1 << 28
"""Bytes of a whole text that is taken, when nothing else is said."""

LAST: Final = b"0"
MORE: Final = b"1"
PING: Final = b"2"
PONG: Final = b"3"


def split(pieces: Sequence[Piece], limit: int = MAX_PAYLOAD) -> Iterator[bytes]:
    """Yield the segments of a text that comes in pieces, at least one."""
    payload: list[Piece] = []
    room = limit
    for piece in pieces:
        view = memoryview(piece)
        while len(view) > room:
            yield b"".join((MORE, *payload, view[:room]))
            view, payload, room = view[room:], [], limit
        payload.append(view)
        room -= len(view)
    yield b"".join((LAST, *payload))


def ping(payload: bytes = b"") -> bytes:
    """Return the segment that asks for a sign of life."""
    return PING + payload


def pong(payload: Piece) -> bytes:
    """Return the answer to a ping, which repeats its payload."""
    return b"".join((PONG, payload))


class Joiner:
    """Puts the segments of texts together again.

    Args:
        limit: Most bytes of one text.
    """

    def __init__(self, limit: int = MAX_TEXT) -> None:
        self.limit = limit
        self._text = bytearray()

    def add(self, kind: bytes, payload: Piece) -> bytes | bytearray | None:
        """Take a segment of a text; return the text when it was the last one.

        What is returned is the caller's; the payload may be used again.

        Raises:
            ProtocolError: If the text grows over the limit; its parts are dropped.
        """
        if len(self._text) + len(payload) > self.limit:
            size = len(self._text) + len(payload)
            self._text = bytearray()
            raise ProtocolError(
                f"a message of more than {size} bytes; at most {self.limit} are taken",
                protocol="AIMM",
            )
        if kind == LAST and not self._text:
            return bytes(payload)
        self._text += payload
        if kind == MORE:
            return None
        text, self._text = self._text, bytearray()
        return text
