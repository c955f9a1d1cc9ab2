"""The seven primitive types: how a value is written and read.

Source: mPlane protocol specification, "Primitive types"; contract §2.1.

On the wire all values are text, and ``"*"`` is none. A native JSON value is taken as
well, since the protocol draft has them. What the real peer reads, is read; texts that
it would read as something else are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from .times import Point, TimePoint, naive, parse_time, unparse_time

__all__ = [
    "KNOWN_MAX",
    "PRIMITIVES",
    "Primitive",
    "Value",
    "prim_address",
    "prim_boolean",
    "prim_natural",
    "prim_real",
    "prim_string",
    "prim_time",
    "prim_url",
    "remember",
]

Value = (
    str | int | float | bool | datetime | TimePoint | IPv4Address | IPv6Address | None
)
"""One native value; None where there is none."""

KNOWN_MAX: Final = 4096
"""How many texts of each kind are remembered with what they stand for."""


_LONGEST_KNOWN: Final = 1024
_LONGEST_NATURAL: Final = 4000  # Python reads no more than 4300 digits


def remember(
    known: dict[Any, Any],
    key: str | tuple[str, ...],
    value: object,
    most: int = KNOWN_MAX,
) -> None:
    """Keep what a text stands for, unless the text is long; peers choose the texts."""
    if len(key) <= _LONGEST_KNOWN:
        if len(known) >= most:
            known.clear()
        known[key] = value


class Primitive:
    """A primitive type.

    Attributes:
        name: As the registries spell it.
        sorts: Whether a set of values is written in ascending order, as the real
            peer's sets of small numbers come out.
        keeps_blanks: Whether blanks around a value belong to it.
        canonical: Returns a text as `unparse` would write its value, without making
            the value where that can be avoided; ValueError if it is none of this type.
        known: Constraints read before, by their text; kept by `constraints`.
    """

    __slots__ = (
        "_canonical",
        "_from_native",
        "_from_text",
        "_to_text",
        "canonical",
        "keeps_blanks",
        "known",
        "name",
        "sorts",
    )

    def __init__(
        self,
        name: str,
        from_text: Callable[[str], Value],
        from_native: Callable[[object], Value],
        to_text: Callable[[Value], str],
        *,
        canonical: Callable[[str], str] | None = None,
        sorts: bool = False,
        keeps_blanks: bool = False,
    ) -> None:
        self.name = name
        self._from_text = from_text
        self._from_native = from_native
        self._to_text = to_text
        self.sorts = sorts
        self.keeps_blanks = keeps_blanks
        self.known: dict[str, Any] = {}
        self._canonical: dict[str, str] = {}
        self.canonical = canonical or self._remembered

    def __repr__(self) -> str:
        return f"mplane.model.prim_{self.name}"

    def __str__(self) -> str:
        return self.name

    def __copy__(self) -> Primitive:
        return self

    def __deepcopy__(self, memo: object) -> Primitive:
        return self

    def __reduce__(self) -> str:
        return f"prim_{self.name}"

    def parse(self, sval: str | None) -> Value:
        """Return the value that a text stands for; None for ``"*"``.

        Raises:
            ValueError: If the text is no value of this type.
        """
        if sval is None or sval == "*":
            return None
        try:
            return self._from_text(sval)
        except (ValueError, OverflowError):
            raise ValueError(f"{sval!r} is not a value of type {self.name}") from None

    def convert(self, val: object) -> Value:
        """Return `val` as a value of this type; a string is parsed.

        Raises:
            ValueError: If it cannot be one.
        """
        if val is None:
            return None
        if isinstance(val, str):
            return self.parse(val)
        try:
            return self._from_native(val)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{val!r} is not a value of type {self.name}") from None

    def unparse(self, val: Value) -> str:
        """Return the text of a value; ``"*"`` for None."""
        return "*" if val is None else self._to_text(val)

    def _remembered(self, sval: str) -> str:
        if (text := self._canonical.get(sval)) is None:
            text = self.unparse(self.parse(sval))
            remember(self._canonical, sval, text)
        return text

    def parse_all(self, texts: Iterable[str]) -> list[Value]:
        """Return the values of many texts, as `parse` does of one.

        Raises:
            ValueError: If one is no value of this type.
        """
        read = self._from_text
        try:
            return [None if text == "*" else read(text) for text in texts]
        except (ValueError, OverflowError):
            return [self.parse(text) for text in texts]  # says which one

    def unparse_all(self, values: Iterable[Value]) -> list[str]:
        """Return the texts of many values, as `unparse` does of one."""
        write = self._to_text
        return ["*" if val is None else write(val) for val in values]


def _keep(sval: str) -> str:
    return sval


def _read_natural(sval: str) -> int:
    if "_" in sval:  # Python's own spelling, not the protocol's
        raise ValueError(sval)
    try:
        return int(sval)
    except ValueError:
        return int(float(sval))


def _canonical_natural(sval: str) -> str:
    is_written = sval.isdecimal() and sval.isascii() and len(sval) < _LONGEST_NATURAL
    if is_written and (sval[0] != "0" or sval == "0"):
        return sval
    return prim_natural.unparse(prim_natural.parse(sval))


def _canonical_real(sval: str) -> str:
    return prim_real.unparse(prim_real.parse(sval))


def _take_natural(val: object) -> int:
    if isinstance(val, int | float):
        return int(val)
    if hasattr(val, "__index__"):
        return int(val)
    raise TypeError(val)


def _read_real(sval: str) -> float:
    if "_" in sval:
        raise ValueError(sval)
    return float(sval)


def _take_real(val: object) -> float:
    if isinstance(val, bool) or not hasattr(val, "__float__"):
        raise TypeError(val)
    return float(val)


_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def _read_boolean(sval: str) -> bool:
    if (found := _BOOLEANS.get(sval.lower())) is None:
        raise ValueError(sval)
    return found


def _take_boolean(val: object) -> bool:
    if val in (True, False):
        return bool(val)
    raise TypeError(val)


@lru_cache(4096)
def _read_address(sval: str) -> IPv4Address | IPv6Address:
    return ip_address(sval)


def _take_address(val: object) -> IPv4Address | IPv6Address:
    if isinstance(val, IPv4Address | IPv6Address):
        return val
    raise TypeError(val)


def _read_time(sval: str) -> Point | None:
    if sval == "None":  # how release 0.9.0 writes an absent time
        return None
    return parse_time(sval)


def _take_time(val: object) -> Point:
    if isinstance(val, datetime):
        return naive(val)
    if isinstance(val, TimePoint):
        return val
    raise TypeError(val)


def _write_time(val: Value) -> str:
    if isinstance(val, datetime | TimePoint):
        return unparse_time(val)
    return str(val)


def _write_real(val: Value) -> str:
    if isinstance(val, float) and math.isnan(val):
        return "nan"
    return str(val)


prim_string: Final = Primitive(
    "string", _keep, str, str, canonical=_keep, keeps_blanks=True
)
prim_natural: Final = Primitive(
    "natural",
    _read_natural,
    _take_natural,
    str,
    canonical=_canonical_natural,
    sorts=True,
)
prim_real: Final = Primitive(
    "real", _read_real, _take_real, _write_real, canonical=_canonical_real, sorts=True
)
prim_boolean: Final = Primitive("boolean", _read_boolean, _take_boolean, str)
prim_time: Final = Primitive("time", _read_time, _take_time, _write_time)
prim_address: Final = Primitive("address", _read_address, _take_address, str)
prim_url: Final = Primitive("url", _keep, str, str, canonical=_keep, keeps_blanks=True)

PRIMITIVES: Final = {
    prim.name: prim
    for prim in (
        prim_string,
        prim_natural,
        prim_real,
        prim_boolean,
        prim_time,
        prim_address,
        prim_url,
    )
}
"""The types by name; a registry may also say ``bool``, as the protocol draft does."""

PRIMITIVES["bool"] = prim_boolean
