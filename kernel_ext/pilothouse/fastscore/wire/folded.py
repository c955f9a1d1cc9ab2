"""The fields of a descriptor: keys and words without regard to case.

Vendor samples mix ``Kafka`` and ``kafka``, ``json`` and ``JSON``; the developer
interface writes ``'tap'`` where descriptors have ``"Tap"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.errors import ProtocolError

from .values import JSON, brief

_MISSING: Any = object()


class Folded:
    """The fields of one JSON object, found without regard to the case of keys.

    Null counts as missing.

    Args:
        obj: A JSON value.
        shape: What it should be, for error texts.

    Raises:
        ProtocolError: If it is no object, or two keys differ only by case.
    """

    __slots__ = ("_fields", "_shape")

    def __init__(self, obj: JSON, shape: str) -> None:
        if not isinstance(obj, Mapping):
            raise ProtocolError(f"{shape} must be an object, not {brief(obj)}")
        self._shape = shape
        self._fields: dict[str, JSON] = {}
        for key, value in obj.items():
            folded = str(key).lower()
            if folded in self._fields:
                raise ProtocolError(f"{shape} has {key!r} twice")
            self._fields[folded] = value

    def __contains__(self, key: str) -> bool:
        """Whether the key is there, even as null."""
        return key.lower() in self._fields

    def get(self, key: str, default: JSON = None) -> JSON:
        """Return any JSON value; the default for null and for a missing field."""
        value = self._fields.get(key.lower())
        return default if value is None else value

    def _of(self, key: str, default: JSON) -> JSON:
        value = self._fields.get(key.lower())
        if value is not None:
            return value
        if default is _MISSING:
            raise ProtocolError(f"{self._shape} has no {key!r}")
        return default

    def text(self, key: str, default: JSON = _MISSING) -> str:
        """Return a string."""
        value = self._of(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a string", value)
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string, or ``None``."""
        return None if self.get(key) is None else self.text(key)

    def integer(self, key: str, default: JSON = _MISSING) -> int:
        """Return an integer; ``True`` and ``1.0`` are none."""
        value = self._of(key, default)
        if type(value) is not int:
            raise self.wrong(key, "an integer", value)
        return value

    def natural(self, key: str, default: JSON = _MISSING) -> int:
        """Return an integer that is not negative."""
        value = self.integer(key, default)
        if value < 0:
            raise self.wrong(key, "zero or more", value)
        return value

    def number(self, key: str, default: JSON = _MISSING) -> float:
        """Return a number as a float."""
        value = self._of(key, default)
        if type(value) not in (int, float):
            raise self.wrong(key, "a number", value)
        return float(value)

    def boolean(self, key: str, default: JSON = _MISSING) -> bool:
        """Return a boolean."""
        value = self._of(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false", value)
        return value

    def texts(self, key: str, default: JSON = _MISSING) -> tuple[str, ...]:
        """Return an array of strings."""
        value = self._of(key, default)
        if not isinstance(value, list | tuple) or not all(
            isinstance(item, str) for item in value
        ):
            raise self.wrong(key, "an array of strings", value)
        return tuple(value)

    def choice(self, key: str, words: Sequence[str], default: JSON = _MISSING) -> str:
        """Return one of some words, as they are spelled here."""
        value = self.text(key, default)
        for word in words:
            if word.lower() == value.lower():
                return word
        raise self.wrong(key, f"one of {', '.join(words)}", value)

    def wrong(self, key: str, expected: str, value: JSON) -> ProtocolError:
        """Return the error for a field that is not what it should be."""
        return ProtocolError(
            f"{self._shape}: {key} must be {expected}, not {brief(value)}"
        )
