"""Segments: how a text of any length travels in websocket text frames.

Source: hat-juggler 0.7.6, `transport.py`.

    segment  = kind payload
    kind     = "0" / "1" / "2" / "3"     ; last, more follow, ping, pong
    text     = *( "1" payload ) "0" payload, with pings and pongs anywhere between

The real peers cut at 65,536 characters and take payloads of any length, also none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

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
"""Characters of payload in one segment that is sent."""

MAX_TEXT: Final = 1 << 28
"""Characters of a whole text that is taken, when nothing else is said."""

LAST: Final = "0"
MORE: Final = "1"
PING: Final = "2"
PONG: Final = "3"


def split(text: str, limit: int = MAX_PAYLOAD) -> Iterator[str]:
    """Yield the segments of a text, at least one."""
    end = len(text) - limit
    start = 0
    while start < end:
        yield MORE + text[start : start + limit]
        start += limit
    yield LAST + text[start:]


def ping(payload: str = "") -> str:
    """Return the segment that asks for a sign of life."""
    return PING + payload


def pong(payload: str) -> str:
    """Return the answer to a ping, which repeats its payload."""
    return PONG + payload


class Joiner:
    """Puts the segments of texts together again.

    Args:
        limit: Most characters of one text.
    """

    def __init__(self, limit: int = MAX_TEXT) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._size = 0

    def add(self, kind: str, payload: str) -> str | None:
        """Take a segment of a text; return the text when it was the last one.

        Raises:
            ProtocolError: If the text grows over the limit; its parts are dropped.
        """
        self._size += len(payload)
        if self._size > self._limit:
            self._parts, size, self._size = [], self._size, 0
            raise ProtocolError(
                f"a message of more than {size} characters; at most {self._limit} "
                "are taken",
                protocol="AIMM",
            )
        if kind == MORE:
            self._parts.append(payload)
            return None
        if not self._parts:
            self._size = 0
            return payload
        self._parts.append(payload)
        text = "".join(self._parts)
        self._parts, self._size = [], 0
        return text
