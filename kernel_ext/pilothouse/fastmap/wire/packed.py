"""MessagePack maps with exact types: the reading half of every body.

A body is one map with text keys; no extension types, no bytes behind it; lengths are
bounded by the body itself, so that a length that lies costs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import Any, Final, NoReturn, TypeVar

import msgpack

from pilothouse.errors import ProtocolError

__all__ = ["Fields", "bin_header", "pack", "unpack_map"]

_DEPTH: Final = 8
_MOST_IN_ONE: Final = 100_000
_MISSING: Final = object()
T = TypeVar("T")


def pack(value: object) -> bytes:
    """Return a value as MessagePack; bytes as bin, text as str."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def bin_header(length: int) -> bytes:
    """Return what stands before so many bytes."""
    if length < 1 << 8:
        return struct.pack(">BB", 0xC4, length)
    if length < 1 << 16:
        return struct.pack(">BH", 0xC5, length)
    return struct.pack(">BI", 0xC6, length)


def unpack_map(body: bytes, what: str, *, containers: int = 1) -> Fields:
    """Return the fields of a body.

    Args:
        body: The whole body.
        what: Its name in an error, for instance ``"init request"``.
        containers: Most maps and arrays in it, itself included.

    Raises:
        ProtocolError: If it is not one map with text keys and plain values.
    """
    count = _Count(containers)
    most = 16 if containers == 1 else _MOST_IN_ONE
    try:
        value = msgpack.unpackb(
            body,
            raw=False,
            ext_hook=_no_extension,
            object_pairs_hook=count.map,
            list_hook=count.array,
            max_map_len=most,
            max_array_len=most,
        )
    except (ValueError, RecursionError, msgpack.UnpackException) as exc:
        raise _broken(what, f"is not MessagePack: {exc}") from None
    if type(value) is not dict:
        raise _broken(what, "is no map")
    _check(value, what, _DEPTH)
    return Fields(value, what)


class _Count:
    """Counts the maps and arrays of one body, and stops at a bound."""

    def __init__(self, most: int) -> None:
        self._left = most

    def map(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self._one_more()
        return dict(pairs)

    def array(self, values: list[Any]) -> list[Any]:
        self._one_more()
        return values

    def _one_more(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many maps and arrays")


class Fields:
    """The fields of one map, read by name and exact type.

    Args:
        values: The map.
        what: Its name in an error.
    """

    __slots__ = ("_values", "_what")

    def __init__(self, values: dict[str, Any], what: str) -> None:
        self._values = values
        self._what = what

    def only(self, names: Collection[str]) -> None:
        """Refuse any other key, so that no body passes at another endpoint.

        Raises:
            ProtocolError: If there is one.
        """
        for key in self._values:
            if key not in names:
                self.refuse(f"has an unknown key {key[:100]!r}")

    def get(self, key: str, kind: type[T], default: Any = _MISSING) -> T:  # noqa: ANN401
        """Return one value of an exact type, or the default when it is absent.

        Raises:
            ProtocolError: If it is required and absent, or of another type.
        """
        value = self._values.get(key, default)
        if value is _MISSING:
            self.refuse(f"lacks {key!r}")
        if key in self._values and type(value) is not kind:
            got = type(value).__name__
            self.refuse(f"has {key!r} as {got} instead of {kind.__name__}")
        found: T = value
        return found

    def number(self, key: str, default: Any = _MISSING) -> float:  # noqa: ANN401
        """Return a number, whole or not.

        Raises:
            ProtocolError: If it is none.
        """
        if type(self._values.get(key)) is int:
            return float(self._values[key])
        return self.get(key, float, default)

    def whole(self, key: str, default: Any = _MISSING, *, least: int = 0) -> int:  # noqa: ANN401
        """Return a whole number that is not smaller than ``least``.

        Raises:
            ProtocolError: If it is none.
        """
        value = self.get(key, int, default)
        if key in self._values and value < least:
            self.refuse(f"has {key!r} = {value}, less than {least}")
        return value

    def texts(self, key: str, default: Any = _MISSING) -> tuple[str, ...]:  # noqa: ANN401
        """Return an array of texts.

        Raises:
            ProtocolError: If it is none.
        """
        values = self.get(key, list, default)
        if any(type(value) is not str for value in values):
            self.refuse(f"has {key!r} with something else than text in it")
        return tuple(values)

    def text_map(self, key: str) -> dict[str, str]:
        """Return a map of texts.

        Raises:
            ProtocolError: If it is none.
        """
        values = self.get(key, dict)
        if any(type(value) is not str for value in values.values()):
            self.refuse(f"has {key!r} with something else than text in it")
        return dict(values)

    def maps(self, key: str, default: Any = _MISSING) -> list[Fields]:  # noqa: ANN401
        """Return an array of maps.

        Raises:
            ProtocolError: If it is none.
        """
        values = self.get(key, list, default)
        if any(type(value) is not dict for value in values):
            self.refuse(f"has {key!r} with something else than maps in it")
        return [Fields(value, f"{self._what}'s {key}") for value in values]

    def is_a(self, key: str, kind: type) -> bool:
        """Tell whether there is a value of exactly that type."""
        return type(self._values.get(key, _MISSING)) is kind

    def refuse(self, why: str) -> NoReturn:
        """Raise the error for this map.

        Raises:
            ProtocolError: Always.
        """
        raise _broken(self._what, why)


def _check(value: object, what: str, depth: int) -> None:
    kind = type(value)
    if kind is dict:
        inner: dict[Any, Any] = value  # type: ignore[assignment] # told by its type
        if any(type(key) is not str for key in inner):
            raise _broken(what, "has a key that is no text")
        held: Any = inner.values()
    elif kind is list:
        held = value
    elif kind in _PLAIN:
        return
    else:
        raise _broken(what, f"holds a {kind.__name__}")
    if not depth:
        raise _broken(what, "is nested too deep")
    for each in held:
        _check(each, what, depth - 1)


_PLAIN: Final = frozenset({str, bytes, int, float, bool, type(None)})


def _no_extension(code: int, data: bytes) -> NoReturn:
    raise ValueError(f"extension type {code}")


def _broken(what: str, why: str) -> ProtocolError:
    return ProtocolError(f"the {what} {why}", protocol="Fastmap")
