"""Avro types as a graph of nodes; recursion is a reference to the same node.

Source: Apache Avro specification 1.11, "Schema Declaration".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .values import JSON

PRIMITIVES: Final = (
    "null",
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "bytes",
    "string",
)

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


@dataclass(eq=False, slots=True)
class Node:
    """One type.

    Attributes:
        logical: Its ``logicalType``, if it has a known one.
    """

    logical: str | None = field(default=None, kw_only=True)

    @property
    def tag(self) -> str:
        """The key that marks it in a tagged union."""
        raise TypeError(type(self).__name__)

    @property
    def label(self) -> str:
        """How error texts name it: ``Int``, ``Record Point``."""
        return self.tag.capitalize()

    def children(self) -> Iterator[Node]:
        """Yield the types that it is made of."""
        return iter(())


@dataclass(eq=False, slots=True)
class Primitive(Node):
    """One of `PRIMITIVES`.

    Attributes:
        precision: Digits of a decimal.
        scale: Digits of a decimal after the point.
    """

    name: str
    precision: int = 0
    scale: int = 0

    @property
    def tag(self) -> str:
        """Its name."""
        return self.name


@dataclass(eq=False, slots=True)
class Array(Node):
    """A list of items of one type."""

    items: Node

    @property
    def tag(self) -> str:
        """The word ``array``."""
        return "array"

    def children(self) -> Iterator[Node]:
        """Yield the type of the items."""
        yield self.items


@dataclass(eq=False, slots=True)
class Map(Node):
    """Strings to values of one type."""

    values: Node

    @property
    def tag(self) -> str:
        """The word ``map``."""
        return "map"

    def children(self) -> Iterator[Node]:
        """Yield the type of the values."""
        yield self.values


@dataclass(eq=False, slots=True)
class Union(Node):
    """One of several types; nullable when one of them is null."""

    branches: tuple[Node, ...]

    @property
    def tag(self) -> str:
        """The word ``union``; unions do not occur in unions."""
        return "union"

    @property
    def label(self) -> str:
        """``Null or Double``."""
        return " or ".join(branch.label for branch in self.branches)

    def children(self) -> Iterator[Node]:
        """Yield the branches."""
        yield from self.branches


@dataclass(eq=False, slots=True)
class Named(Node):
    """A type with a name; empty where the schema leaves it out.

    Attributes:
        name: Full name, with the namespace.
    """

    name: str

    @property
    def tag(self) -> str:
        """Its full name."""
        return self.name or type(self).__name__.lower()

    @property
    def short_name(self) -> str:
        """Its name without the namespace."""
        return self.name.rpartition(".")[2]

    @property
    def label(self) -> str:
        """``Record Point``."""
        return f"{type(self).__name__} {self.short_name}".strip()


@dataclass(eq=False, slots=True)
class Field:
    """A field of a record.

    Attributes:
        has_default: Whether it may be left out.
        default: What it then holds, as JSON.
    """

    name: str
    type: Node
    has_default: bool = False
    default: JSON = None


@dataclass(eq=False, slots=True)
class Record(Named):
    """Named fields; filled in after it is made, since it may contain itself."""

    fields: tuple[Field, ...] = ()

    def children(self) -> Iterator[Node]:
        """Yield the types of the fields."""
        for item in self.fields:
            yield item.type


@dataclass(eq=False, slots=True)
class Enum(Named):
    """One of some words."""

    symbols: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Fixed(Named):
    """Bytes of one length.

    Attributes:
        precision: Digits of a decimal.
        scale: Digits of a decimal after the point.
    """

    size: int = 0
    precision: int = 0
    scale: int = 0


def canonical(node: Node) -> JSON:
    """Return the schema of a type as JSON that every Avro library takes.

    Logical types and documentation are left out; anonymous types get names.
    """
    return _canonical(node, {}, {"": 0})


def _canonical(node: Node, names: dict[int, str], count: dict[str, int]) -> JSON:
    if isinstance(node, Primitive):
        return node.name
    if isinstance(node, Array):
        return {"type": "array", "items": _canonical(node.items, names, count)}
    if isinstance(node, Map):
        return {"type": "map", "values": _canonical(node.values, names, count)}
    if isinstance(node, Union):
        return [_canonical(branch, names, count) for branch in node.branches]
    if id(node) in names:
        return names[id(node)]
    assert isinstance(node, Named)
    if not node.name:
        count[""] += 1
    name = names[id(node)] = node.name or f"anonymous_{count['']}"
    if isinstance(node, Enum):
        return {"type": "enum", "name": name, "symbols": list(node.symbols)}
    if isinstance(node, Fixed):
        return {"type": "fixed", "name": name, "size": node.size}
    assert isinstance(node, Record)
    fields = []
    for item in node.fields:
        shown = {"name": item.name, "type": _canonical(item.type, names, count)}
        if item.has_default:
            shown["default"] = item.default
        fields.append(shown)
    return {"type": "record", "name": name, "fields": fields}
