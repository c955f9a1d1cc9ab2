"""Strict readers for the fields of a JSON object.

No coercion: ``True`` is no integer, ``"1"`` is no number. What does not fit raises
`ProtocolError` with the name of the shape and of the field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from pilothouse.errors import ProtocolError

JSON: TypeAlias = Any
"""A JSON value: null, boolean, number, string, array or object."""

Value: TypeAlias = Any
"""A record as a model sees it: JSON, bytes, times, numpy scalars and arrays."""

_MISSING = object()


class Fields:
    """The fields of one JSON object, read strictly.

    Args:
        obj: A JSON value.
        shape: What it should be, for error texts: ``"SlotInfo"``.

    Raises:
        ProtocolError: If `obj` is not a JSON object.
    """

    __slots__ = ("_obj", "_shape")

    def __init__(self, obj: JSON, shape: str) -> None:
        if not isinstance(obj, Mapping):
            raise ProtocolError(f"{shape} must be an object, not {brief(obj)}")
        self._obj = obj
        self._shape = shape

    def raw(self, key: str, default: JSON = _MISSING) -> JSON:
        """Return any JSON value.

        Raises:
            ProtocolError: If the field is missing and has no default.
        """
        value = self._obj.get(key, default)
        if value is _MISSING:
            raise ProtocolError(f"{self._shape} has no {key!r}")
        return value

    def text(self, key: str, default: JSON = _MISSING) -> str:
        """Return a string."""
        value = self.raw(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a string", value)
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string, or ``None`` for null and for a missing field."""
        return None if self.raw(key, None) is None else self.text(key)

    def integer(self, key: str, default: JSON = _MISSING) -> int:
        """Return an integer; ``True`` and ``1.0`` are none."""
        value = self.raw(key, default)
        if type(value) is not int:
            raise self.wrong(key, "an integer", value)
        return value

    def number(self, key: str, default: JSON = _MISSING) -> float:
        """Return a number as a float."""
        value = self.raw(key, default)
        if type(value) not in (int, float):
            raise self.wrong(key, "a number", value)
        return float(value)

    def boolean(self, key: str, default: JSON = _MISSING) -> bool:
        """Return a boolean."""
        value = self.raw(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false", value)
        return value

    def items(self, key: str, default: JSON = _MISSING) -> list[JSON]:
        """Return an array."""
        value = self.raw(key, default)
        if not isinstance(value, list):
            raise self.wrong(key, "an array", value)
        return value

    def texts(self, key: str, default: JSON = _MISSING) -> tuple[str, ...]:
        """Return an array of strings."""
        values = self.items(key, default)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(key, "an array of strings", values)
        return tuple(values)

    def mapping(self, key: str, default: JSON = _MISSING) -> dict[str, JSON]:
        """Return an object."""
        value = self.raw(key, default)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object", value)
        return value

    def wrong(self, key: str, expected: str, value: JSON) -> ProtocolError:
        """Return the error for a field that is not what it should be."""
        return ProtocolError(
            f"{self._shape}: {key!r} must be {expected}, not {brief(value)}"
        )


def brief(value: JSON) -> str:
    """Return a value as a short text for an error message, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def array(obj: JSON, shape: str) -> list[JSON]:
    """Return a JSON array.

    Raises:
        ProtocolError: If it is none.
    """
    if not isinstance(obj, list):
        raise ProtocolError(f"{shape} must be an array, not {brief(obj)}")
    return obj


def unquoted(value: JSON) -> JSON:
    r"""Return the JSON inside a JSON string, or the value itself.

    The real SDK 1.10.3 sends what it holds as text as a JSON string:
    ``"\"int\""`` for a type name, ``"{\"type\": ...}"`` for an object. A string
    that is no JSON stays: it is a type name.
    """
    if not isinstance(value, str):
        return value
    try:
        inner = json.loads(value)
    except (ValueError, RecursionError):
        return value
    # "null" and "7" stay texts: the one is a type name, the other nothing at all.
    return inner if isinstance(inner, str | dict | list) else value
