"""JSON of values that hold long texts of base64: these are put in as they stand.

A JSON encoder looks at each character of a text for what it has to escape; base64 has
nothing of the kind, and most of a large message is base64. Texts are ASCII, and NaN and
the infinities are the bare tokens that both real peers of AIMM read.

What may be imported here: the standard library alone; values and juggler share it.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Base64", "to_text"]

_TOKEN: Final = secrets.token_hex(12)
_PLACE: Final = re.compile(f'"{_TOKEN}([0-9]+)"')


@dataclass(frozen=True, slots=True)
class Base64:
    """A text of base64 in a value that is going to be JSON.

    Attributes:
        text: The text; nothing in it needs an escape.
    """

    text: str


class _Encoder(json.JSONEncoder):
    """Leaves a place for each text of base64, and keeps the text."""

    def __init__(self) -> None:
        super().__init__(separators=(",", ":"))
        self.texts: list[str] = []

    def default(self, o: Any) -> str:  # noqa: ANN401  as the base class has it
        """Return the place of a text."""
        if not isinstance(o, Base64):
            super().default(o)
        self.texts.append(o.text)
        return f"{_TOKEN}{len(self.texts) - 1}"


def to_text(value: Any) -> str:  # noqa: ANN401  any JSON, with Base64 in it
    """Return the JSON text of a value.

    Raises:
        TypeError: If a part is neither JSON nor `Base64`.
    """
    encoder = _Encoder()
    text = encoder.encode(value)
    if not encoder.texts:
        return text
    pieces = _PLACE.split(text)
    for i in range(1, len(pieces), 2):
        pieces[i] = f'"{encoder.texts[int(pieces[i])]}"'
    return "".join(pieces)
