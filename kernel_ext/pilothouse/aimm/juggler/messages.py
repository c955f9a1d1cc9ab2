"""The messages of the user layer, one JSON object each.

Source: hat-juggler 0.7.6, `schemas_json/messages.yaml` and `transport.py`.

    to server    {"type": "request", "id": 1, "name": "login", "data": JSON}
    to client    {"type": "response", "id": 1, "success": true, "data": JSON}
                 {"type": "state", "diff": [JSON Patch operations]}
                 {"type": "notify", "name": "x", "data": JSON}

Keys come in any order, unknown ones are passed over. An ``id`` is chosen by the client
and echoed as it is: the real server takes any JSON for it. Texts are ASCII, as the real
peers write them; both real decoders take the tokens NaN, Infinity and -Infinity, and so
are they read and written here.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pilothouse.aimm.json_text import Piece, from_bytes, to_pieces
from pilothouse.errors import ProtocolError

__all__ = [
    "JSON",
    "Notify",
    "Raw",
    "Request",
    "Response",
    "State",
    "Wire",
    "read_request",
    "read_server_message",
]

_CALLS: Final = (b'{"type":"request",', b'{"type":"response",')
"""How our own end begins what may hold long texts of base64."""

JSON = Any
"""Whatever JSON can say: None, bool, int, float, str, list, dict with str keys."""


class Wire(enum.StrEnum):
    """The three wires that juggler has had; they do not understand each other.

    Attributes:
        SEGMENTED: 0.7: texts cut into segments. AIMM 1.2.
        BARE: 0.6: one bare JSON text each, without pings. AIMM 1.1.
        SYMMETRIC: 0.5 and before: ``DATA``, ``MESSAGE``, ``PING``. AIMM 1.0.
    """

    SEGMENTED = "0.7"
    BARE = "0.6"
    SYMMETRIC = "0.5"

    @classmethod
    def of_first_frame(cls, frame: bytes) -> Wire:
        """Tell from the first frame of a peer which wire it speaks.

        Raises:
            ProtocolError: If no juggler begins so.
        """
        if frame[:1] in {b"0", b"1", b"2", b"3"}:
            return cls.SEGMENTED
        if frame[:1] == b"{":
            word = _object(frame).get("type")
            if word in {"DATA", "MESSAGE", "PING", "PONG"}:
                return cls.SYMMETRIC
            return cls.BARE
        raise _wrong("no juggler message", frame)


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON that is text already, and goes into a message as it stands."""

    text: Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call of the client.

    Attributes:
        id: Chosen by the client, from 1 up; the answer repeats it.
        name: The action; an empty name echoes ``data``.
        data: Its arguments.
        text: The whole text that it was read from; empty when it was made here.
            Long texts of base64 in ``data`` are parts of it.
    """

    id: JSON
    name: str
    data: JSON = None
    text: bytes | bytearray = field(default=b"", compare=False, repr=False)

    def to_pieces(self) -> list[Piece]:
        """Return the JSON text in pieces."""
        return to_pieces(
            {"type": "request", "id": self.id, "name": self.name, "data": self.data}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer to one request.

    Attributes:
        id: Id of the request that it answers.
        success: ``False`` when the server refused; ``data`` then tells why.
        data: The result, any JSON value, or a `Raw` one when it is sent.
    """

    id: JSON
    success: bool
    data: JSON = None

    def to_pieces(self) -> list[Piece]:
        """Return the JSON text in pieces."""
        if isinstance(self.data, Raw):
            (empty,) = Response(id=self.id, success=self.success).to_pieces()
            return [bytes(empty).removesuffix(b"null}"), self.data.text, b"}"]
        return to_pieces(
            {
                "type": "response",
                "id": self.id,
                "success": self.success,
                "data": self.data,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What has changed in the server's state since the message before.

    Attributes:
        diff: Operations of JSON Patch (RFC 6902), to be applied in order.
    """

    diff: Sequence[JSON]

    def to_pieces(self) -> list[Piece]:
        """Return the JSON text in pieces."""
        return to_pieces({"type": "state", "diff": list(self.diff)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """A word of the server that nobody has asked for."""

    name: str
    data: JSON = None

    def to_pieces(self) -> list[Piece]:
        """Return the JSON text in pieces."""
        return to_pieces({"type": "notify", "name": self.name, "data": self.data})


def read_request(text: bytes | bytearray) -> Request:
    """Read what a client sends.

    Raises:
        ProtocolError: If it is no request; servers then close the connection.
    """
    found = _object(text)
    if found.get("type") != "request":
        raise _wrong(f"a client sends requests, no {found.get('type')!r}", text)
    if "id" not in found or not isinstance(found.get("name"), str):
        raise _wrong("a request without id or name", text)
    return Request(
        id=found["id"], name=found["name"], data=found.get("data"), text=text
    )


def read_server_message(text: bytes | bytearray) -> Response | State | Notify:
    """Read what a server sends.

    Raises:
        ProtocolError: If it is none of its three messages; clients then close.
    """
    found = _object(text)
    match found.get("type"):
        case "response":
            if "id" not in found or not isinstance(found.get("success"), bool):
                raise _wrong("a response without id or success", text)
            return Response(
                id=found["id"], success=found["success"], data=found.get("data")
            )
        case "state":
            diff = found.get("diff")
            if not isinstance(diff, list):
                raise _wrong("a state without diff", text)
            return State(diff=diff)
        case "notify":
            if not isinstance(found.get("name"), str):
                raise _wrong("a notification without name", text)
            return Notify(name=found["name"], data=found.get("data"))
        case word:
            raise _wrong(f"a server sends no {word!r}", text)


def _object(text: bytes | bytearray) -> dict[str, JSON]:
    try:
        found = from_bytes(text, lift=text.startswith(_CALLS))
    except (ValueError, RecursionError) as exc:
        raise _wrong(f"no JSON: {exc}", text) from None
    if not isinstance(found, dict):
        raise _wrong("no JSON object", text)
    return found


def _wrong(what: str, text: bytes | bytearray) -> ProtocolError:
    # The text itself stays unsaid: a login request holds a password.
    return ProtocolError(f"{what} (in {len(text)} bytes)", protocol="AIMM")
