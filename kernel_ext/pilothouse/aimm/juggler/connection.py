"""Both ends of a juggler connection as machines: frames come in, events come out.

Source: hat-juggler 0.7.6, `transport.py`, `client.py`, `server.py`.

    receive(frame, now) -> events      and what has to be sent, in ``outgoing``
    tick(now)                          asks a silent peer for a sign, or gives it up

A silent peer is asked after ``ping_delay`` seconds, and given up ``ping_timeout``
seconds later; any frame is a sign. A machine that raised `ProtocolError` is over: its
connection is to be closed, and making a new one is the resynchronisation.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict, Unpack

from pilothouse.aimm.json_text import Piece
from pilothouse.errors import ConnectionLostError, ProtocolError

from .messages import (
    JSON,
    Notify,
    Request,
    Response,
    State,
    Wire,
    read_request,
    read_server_message,
)
from .segments import (
    LAST,
    MAX_PAYLOAD,
    MAX_TEXT,
    MORE,
    PING,
    PONG,
    Joiner,
    ping,
    pong,
    split,
)
from .state import patched

__all__ = [
    "ClientConnection",
    "Event",
    "JugglerConnection",
    "Options",
    "ServerConnection",
    "StateChanged",
]

PING_DELAY: Final = 30.0
"""Seconds of silence after which a peer is asked for a sign."""

PING_TIMEOUT: Final = 30.0
"""Seconds that a peer then has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """The server's state is another one.

    Attributes:
        state: The whole of it; never changed in place.
        diff: What has changed.
    """

    state: JSON
    diff: Sequence[JSON]


Event = Request | Response | Notify | StateChanged
"""What a machine tells of a frame."""


class Options(TypedDict, total=False):
    """The options that both ends share, as `JugglerConnection` tells them."""

    wire: Wire | None
    ping_delay: float | None
    ping_timeout: float
    max_payload: int
    max_text: int


class JugglerConnection(abc.ABC):
    """What both ends do alike.

    Args:
        now: The time, in seconds of any steady clock.
        wire: Which wire is spoken; None: the peer's first frame decides.
        ping_delay: Seconds of silence before a ping; None: never ping.
        ping_timeout: Seconds that the peer then has.
        max_payload: Characters of payload in one segment.
        max_text: Most bytes of one message that is taken.

    Attributes:
        wire: Which wire is spoken, or None as long as nothing tells.
        max_payload: Characters of payload in one segment that is sent.
        outgoing: Frames to be sent, in this order; the caller takes them out.

    Frames are UTF-8 as they travel; a text is taken for its UTF-8.
    """

    def __init__(
        self,
        *,
        now: float,
        wire: Wire | None = None,
        ping_delay: float | None = PING_DELAY,
        ping_timeout: float = PING_TIMEOUT,
        max_payload: int = MAX_PAYLOAD,
        max_text: int = MAX_TEXT,
    ) -> None:
        self.wire = wire
        self.outgoing: list[bytes] = []
        self._joiner = Joiner(max_text)
        self.max_payload = max_payload
        self._ping_delay = ping_delay
        self._ping_timeout = ping_timeout
        self._heard = now
        self._asked: float | None = None

    @property
    def max_text(self) -> int:
        """Most bytes of one message that is taken; may be set anew."""
        return self._joiner.limit

    @max_text.setter
    def max_text(self, limit: int) -> None:
        self._joiner.limit = limit

    def receive(self, frame: Piece | str, now: float) -> list[Event]:
        """Take a websocket text; return what it says. The frame may be used again.

        Raises:
            ProtocolError: If it breaks the protocol; the connection is over.
        """
        self._heard, self._asked = now, None
        if isinstance(frame, str):
            frame = frame.encode("utf-8", "surrogatepass")
        if self.wire is None:
            self.wire = Wire.of_first_frame(bytes(frame))
        if self.wire is Wire.SYMMETRIC:
            raise ProtocolError(
                "the peer speaks juggler 0.5 (AIMM 1.0), which has no common message "
                "with 0.6 and 0.7",
                protocol="AIMM",
                hint="aimm 1.1 or newer on that side",
            )
        if self.wire is Wire.BARE:
            text = self._joiner.add(LAST, frame)  # one whole text, under its limit
            return [] if text is None else [self._read(text)]
        return self._segment(bytes(frame[:1]), memoryview(frame)[1:])

    def tick(self, now: float) -> float | None:
        """Ask a silent peer for a sign; return when to come again, or None: never.

        Raises:
            ConnectionLostError: If the peer was asked and stayed silent.
        """
        if self._ping_delay is None or self.wire is not Wire.SEGMENTED:
            return None
        if self._asked is not None:
            if now - self._asked >= self._ping_timeout:
                raise ConnectionLostError(
                    f"no sign of the peer for {now - self._heard:.0f} s",
                    protocol="AIMM",
                )
            return self._asked + self._ping_timeout
        if now - self._heard < self._ping_delay:
            return self._heard + self._ping_delay
        self._asked = now
        self.outgoing.append(ping())
        return now + self._ping_timeout

    def take_outgoing(self) -> list[bytes]:
        """Return the frames to be sent, and forget them."""
        frames, self.outgoing = self.outgoing, []
        return frames

    def _segment(self, kind: bytes, payload: memoryview) -> list[Event]:
        if kind in (LAST, MORE):
            text = self._joiner.add(kind, payload)
            return [] if text is None else [self._read(text)]
        if kind == PING:
            self.outgoing.append(pong(payload))
        elif kind != PONG:
            raise ProtocolError(
                f"a segment begins with 0, 1, 2 or 3, not {kind!r}", protocol="AIMM"
            )
        return []

    @abc.abstractmethod
    def _read(self, text: bytes | bytearray) -> Event:
        """Return what a whole text says."""

    def _frames(self, message: Request | Response | State | Notify) -> list[bytes]:
        pieces = message.to_pieces()
        if self.wire is Wire.BARE:
            return [b"".join(pieces)]
        return list(split(pieces, self.max_payload))

    def _send(self, message: Request | Response | State | Notify) -> None:
        self.outgoing.extend(self._frames(message))


class ClientConnection(JugglerConnection):
    """The end that asks; its arguments are those of `JugglerConnection`.

    A client cannot ask before it knows the wire: servers of 0.6 and 0.7 send the first
    state within a quarter of a second, and then `wire` is set. Who has waited a second
    in vain sets it to `Wire.SEGMENTED`.

    Attributes:
        state: The server's state, None before the first one.
    """

    def __init__(self, *, now: float, **options: Unpack[Options]) -> None:
        super().__init__(now=now, **options)
        self.state: JSON = None
        self._numbers = itertools.count(1)

    def request(self, name: str, data: JSON = None) -> int:
        """Put a request into ``outgoing``; return its id.

        Raises:
            ValueError: If ``data`` is no JSON.
            TypeError: Likewise.
        """
        number, frames = self.made(name, data)
        self.outgoing.extend(frames)
        return number

    def made(self, name: str, data: JSON = None) -> tuple[int, list[bytes]]:
        """Return the id of a new request, and its frames; any thread may call it.

        Raises:
            ValueError: If ``data`` is no JSON.
            TypeError: Likewise.
        """
        number = next(self._numbers)
        return number, self._frames(Request(id=number, name=name, data=data))

    def _read(self, text: bytes | bytearray) -> Event:
        message = read_server_message(text)
        if not isinstance(message, State):
            return message
        self.state = patched(self.state, message.diff)
        return StateChanged(state=self.state, diff=message.diff)


class ServerConnection(JugglerConnection):
    """The end that answers; its arguments are those of `JugglerConnection`.

    Until the client's first frame tells the wire, or a fifth of a second has passed,
    nothing should be sent: the caller then sets `wire` to `Wire.SEGMENTED`.
    """

    def respond(self, id: JSON, data: JSON, *, success: bool = True) -> None:
        """Put the answer to a request into ``outgoing``."""
        self._send(Response(id=id, success=success, data=data))

    def change(self, diff: Sequence[JSON]) -> None:
        """Put a change of the state into ``outgoing``; the first one makes the root."""
        self._send(State(diff=diff))

    def notify(self, name: str, data: JSON = None) -> None:
        """Put a word that nobody has asked for into ``outgoing``."""
        self._send(Notify(name=name, data=data))

    def _read(self, text: bytes | bytearray) -> Event:
        return read_request(text)
