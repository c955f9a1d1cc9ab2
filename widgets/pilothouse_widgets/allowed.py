"""Which values a parameter allows, as far as they can be told; imports no widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pilothouse.mplane.model import Parameter

__all__ = ["suggestions"]

_LOOPBACK: Final = {"ip4": "127.0.0.1", "ip6": "::1"}


def suggestions(parameter: Parameter) -> tuple[str, ...]:
    """Return the members of a set, the ends of a range, the loopback address."""
    from pilothouse.mplane.model import ListConstraint, SetConstraint

    constraint = parameter.constraint()
    if isinstance(constraint, ListConstraint):
        constraint = constraint.inner
    if isinstance(constraint, SetConstraint):
        return tuple(parameter.unparse(value) for value in constraint.values)
    if parameter.primitive_name() == "boolean":
        return ("True", "False")
    if parameter.primitive_name() == "address":
        text = _LOOPBACK.get(parameter.name().rpartition(".")[2], "127.0.0.1")
        return (text,) if constraint.met_by(parameter.parse(text)) else ()
    ends = (getattr(constraint, "a", None), getattr(constraint, "b", None))
    told = [parameter.unparse(end) for end in ends if end is not None]
    return tuple(dict.fromkeys(told))
