"""Constraints: which values a parameter can take.

Source: mPlane protocol specification, "Constraints"; contract §2.2, §2.4.

    constraint = "*" / range / set / "[" ( "*" / range / set ) "]"
    range      = value " ... " value           ; both ends inside, swapped if reversed
    set        = value *( "," value )          ; a comma cannot be escaped

The bracketed form allows a list of values, each of which meets what is inside.
Constraints do not change, and equal ones are equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from .primitives import Primitive, Value, remember

__all__ = [
    "Constraint",
    "ListConstraint",
    "RangeConstraint",
    "SetConstraint",
    "as_constraint",
    "constraint_all",
    "parse_constraint",
]

_TO: Final = " ... "


class Constraint:
    """The constraint that every value meets; parent of the others.

    Args:
        prim: Type of the values; None for `constraint_all`, which fits every type.
    """

    __slots__ = ("_prim", "_text")

    def __init__(self, prim: Primitive | None = None) -> None:
        self._prim = prim
        self._text = "*"

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._text}>"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._text == str(other)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._text))

    def met_by(self, val: object) -> bool:
        """Whether the (native) value, or list of values, is allowed."""
        return not isinstance(val, list | tuple)

    def single_value(self) -> bool:
        """Whether exactly one value is allowed."""
        return False

    def get_single_value(self) -> Value:
        """Return the only value allowed, None if there are several."""
        return None

    def contains(self, other: Constraint) -> bool:
        """Whether all that `other` allows is allowed by this constraint too."""
        return not isinstance(other, ListConstraint)


class RangeConstraint(Constraint):
    """All values from one end to the other, both inside."""

    __slots__ = ("a", "b")

    def __init__(self, prim: Primitive, a: Value, b: Value) -> None:
        super().__init__(prim)
        low: Any = a
        high: Any = b
        if a is None or b is None:
            raise ValueError("a range has two ends")
        try:
            self.a, self.b = (high, low) if low > high else (low, high)
        except TypeError:
            raise ValueError(f"{a} and {b} cannot be the ends of a range") from None
        self._text = prim.unparse(self.a) + _TO + prim.unparse(self.b)

    def met_by(self, val: object) -> bool:
        """Whether the value lies in the range; never for another type, or None."""
        try:
            return bool(self.a <= val <= self.b)
        except TypeError:
            return False

    def single_value(self) -> bool:
        """Whether both ends are equal."""
        return bool(self.a == self.b)

    def get_single_value(self) -> Value:
        """Return the value of both ends, None if they differ."""
        value: Value = self.a if self.single_value() else None
        return value

    def contains(self, other: Constraint) -> bool:
        """Whether all that `other` allows lies in the range."""
        if isinstance(other, RangeConstraint):
            return self.met_by(other.a) and self.met_by(other.b)
        return isinstance(other, SetConstraint) and all(map(self.met_by, other.values))


class SetConstraint(Constraint):
    """Only the values named; written in their order, numbers ascending."""

    __slots__ = ("values",)

    def __init__(self, prim: Primitive, values: Iterable[Value]) -> None:
        super().__init__(prim)
        unique = list(dict.fromkeys(values))
        if not unique or None in unique:
            raise ValueError('a set of values names them; "*" stands alone')
        if prim.sorts:
            unique.sort(key=lambda value: (value != value, value))
        self.values = tuple(unique)
        self._text = ",".join(map(prim.unparse, self.values))

    def met_by(self, val: object) -> bool:
        """Whether the value is one of the set."""
        return not isinstance(val, list | tuple) and val in self.values

    def single_value(self) -> bool:
        """Whether the set has one member."""
        return len(self.values) == 1

    def get_single_value(self) -> Value:
        """Return the only member, None if there are several."""
        return self.values[0] if len(self.values) == 1 else None

    def contains(self, other: Constraint) -> bool:
        """Whether all that `other` allows is in the set."""
        if isinstance(other, SetConstraint):
            return all(map(self.met_by, other.values))
        single = isinstance(other, RangeConstraint) and other.single_value()
        return single and self.met_by(other.get_single_value())


class ListConstraint(Constraint):
    """A list of values is allowed as well, each of which meets the inner constraint."""

    __slots__ = ("inner",)

    def __init__(self, prim: Primitive | None, inner: Constraint) -> None:
        super().__init__(prim)
        if isinstance(inner, ListConstraint):
            raise ValueError("a list of lists is no constraint")  # noqa: TRY004
        self.inner = inner
        self._text = f"[{inner}]"

    def met_by(self, val: object) -> bool:
        """Whether each value of the list, or the one value, is allowed."""
        if isinstance(val, list | tuple):
            return bool(val) and all(map(self.inner.met_by, val))
        return self.inner.met_by(val)

    def contains(self, other: Constraint) -> bool:
        """Whether all that `other` allows is allowed in this list."""
        inner = other.inner if isinstance(other, ListConstraint) else other
        return self.inner.contains(inner)


constraint_all: Final = Constraint()


def parse_constraint(prim: Primitive, sval: str) -> Constraint:
    """Return the constraint that a text describes.

    Raises:
        ValueError: If a value in it is not of the type, or brackets are nested.
    """
    if sval == "*":
        return constraint_all
    found: Constraint | None = prim.known.get(sval)
    if found is None:
        found = _parse(prim, sval)
        remember(prim.known, sval, found)
    return found


def _parse(prim: Primitive, sval: str) -> Constraint:
    if sval.startswith("[") and sval.endswith("]"):
        return ListConstraint(prim, parse_constraint(prim, sval[1:-1].strip(" ")))
    if sval.find(_TO) > 0:
        low, _, high = sval.partition(_TO)
        return RangeConstraint(prim, prim.parse(low), prim.parse(high))
    members = sval.split(",")
    if not prim.keeps_blanks:
        members = [member.strip() for member in members]
    return SetConstraint(prim, map(prim.parse, members))


def as_constraint(prim: Primitive, val: object) -> Constraint:
    """Return `val` as a constraint: text is parsed, a plain value is a set of one."""
    if isinstance(val, Constraint):
        return val
    if isinstance(val, str):
        return parse_constraint(prim, val)
    return SetConstraint(prim, [prim.convert(val)])
