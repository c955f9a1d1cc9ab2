"""JSON of values that hold long texts of base64: these are put in as they stand.

A JSON encoder looks at each character of a text for what it has to escape, a decoder
for what was; base64 has nothing of the kind, and most of a large message is base64. So
it is passed by on the way out and on the way in, and never copied for its own sake.
Texts are ASCII, and NaN and the infinities are the bare tokens that both real peers of
AIMM read.

What may be imported here: the standard library alone; values and juggler share it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Base64", "Piece", "from_bytes", "size_of", "to_pieces", "to_text"]

_TOKEN: Final = secrets.token_hex(12)
_PLACE: Final = re.compile(f'"{_TOKEN}([0-9]+)"')
_KEY: Final = "b64"
_BEGIN: Final = b'"b64":"'
_LONG: Final = 4096

Piece = bytes | bytearray | memoryview
"""A part of a text, in UTF-8."""


@dataclass(frozen=True, slots=True)
class Base64:
    """A text of base64 in a value that is going to be JSON, or was.

    Attributes:
        data: The text in ASCII; nothing in it needs an escape.
    """

    data: Piece

    def __repr__(self) -> str:
        return f"Base64({len(self.data)} characters)"

    def __str__(self) -> str:
        return str(self.data, "ascii")


class _Encoder(json.JSONEncoder):
    """Leaves a place for each text of base64, and keeps the text."""

    def __init__(self) -> None:
        super().__init__(separators=(",", ":"))
        self.found: list[Base64] = []

    def default(self, o: Any) -> str:  # noqa: ANN401  as the base class has it
        """Return the place of a text."""
        if not isinstance(o, Base64):
            super().default(o)
        self.found.append(o)
        return f"{_TOKEN}{len(self.found) - 1}"


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def to_pieces(value: Any) -> list[Piece]:  # noqa: ANN401  any JSON, with Base64 in it
    """Return the JSON text of a value in pieces, to be sent one after another.

    Raises:
        TypeError: If a part is neither JSON nor `Base64`.
    """
    try:
        return [_encode(value).encode("ascii")]
    except TypeError:  # mostly a Base64
        encoder = _Encoder()
        parts = _PLACE.split(encoder.encode(value))
    pieces: list[Piece] = [b'"'] * (2 * len(parts) - 1)
    pieces[::4] = [part.encode("ascii") for part in parts[::2]]
    pieces[2::4] = [encoder.found[int(place)].data for place in parts[1::2]]
    return pieces


def to_text(value: Any) -> str:  # noqa: ANN401  any JSON, with Base64 in it
    """Return the JSON text of a value.

    Raises:
        TypeError: If a part is neither JSON nor `Base64`.
    """
    return b"".join(to_pieces(value)).decode("ascii")


def size_of(pieces: Sequence[Piece]) -> int:
    """Return the length of a text in pieces."""
    return sum(map(len, pieces))


def from_bytes(text: bytes | bytearray, *, lift: bool = True) -> Any:  # noqa: ANN401
    """Return the value of a JSON text in UTF-8.

    Args:
        text: The text; who gives it does not change it any more.
        lift: Take long texts under the key ``b64`` for `Base64` of parts of it.

    Raises:
        ValueError: If it is no JSON.
        RecursionError: If it nests too deeply.
    """
    places = _long_texts(text) if lift and len(text) > _LONG else []
    if not places:
        return json.loads(str(text, "utf-8"))
    view = memoryview(text)
    found: list[Base64] = []
    parts: list[str] = []
    done = 0
    for start, end in places:
        parts += [str(view[done:start], "utf-8"), f"{_TOKEN}{len(found)}"]
        found.append(Base64(view[start:end]))
        done = end
    parts.append(str(view[done:], "utf-8"))

    def put_back(obj: dict[str, Any]) -> dict[str, Any]:
        place = obj.get(_KEY)
        if isinstance(place, str) and place.startswith(_TOKEN):
            obj[_KEY] = found[int(place.removeprefix(_TOKEN))]
        return obj

    return json.loads("".join(parts), object_hook=put_back)


def _long_texts(text: bytes | bytearray) -> list[tuple[int, int]]:
    """Return where long texts without an escape lie under the key ``b64``.

    A quote inside a text has a backslash before it, so what looks like the key is one.
    """
    found = []
    at = text.find(_BEGIN)
    while at >= 0:
        start = at + len(_BEGIN)
        end = text.find(b'"', start)
        if end < 0:
            break
        if end - start >= _LONG and text.find(b"\\", start, end) < 0:
            found.append((start, end))
        at = text.find(_BEGIN, end)
    return found
