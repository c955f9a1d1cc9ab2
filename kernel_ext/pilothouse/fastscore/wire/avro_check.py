"""The fast check: code made for one schema.

`compile_check` writes a Python function that runs straight down the type and says
``True`` where a value fits as it stands: no tag to take off, no default to fill in, no
text to turn into bytes. ``False`` means: ask `avro_read.read`, which decides. So the
common case costs a dictionary access and a type comparison for each field.

Measured on one core: 30 doubles in a record 1.1 µs, two doubles 0.1 µs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from .avro_read import is_integer, is_number, numpy_kind
from .avro_types import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    Array,
    Enum,
    Fixed,
    Map,
    Node,
    Primitive,
    Record,
    Union,
)

Check = Callable[[Any], bool]
CheckAll = Callable[[Sequence[Any]], bool]

_INLINE_FIELDS: Final = 2000
"""Records above this many fields become a function of their own."""

_INLINE_LOOPS: Final = 8
"""Loops nested deeper become functions; Python allows twenty blocks in each other."""


def compile_check(root: Node) -> tuple[Check, CheckAll]:
    """Return the check of one value, and the check that a whole list fits."""
    writer = _Writer(root)
    one = writer.function("check", root)
    every = writer.loop("check_all", root)
    names = writer.names
    exec(compile("\n".join(writer.lines), "<avro check>", "exec"), names)
    return names[one], names[every]


class _Writer:
    def __init__(self, root: Node) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "is_number": is_number,
            "is_int": lambda value: is_integer(value, INT_MIN, INT_MAX),
            "is_long": lambda value: is_integer(value, LONG_MIN, LONG_MAX),
            "is_truth": lambda value: numpy_kind(value) == "b",
            "FLOATS": frozenset((float,)),
            "INTS": frozenset((int,)),
            "TEXTS": frozenset((str,)),
            "TRUTHS": frozenset((bool,)),
            "NONES": frozenset((type(None),)),
            "NoneType": type(None),
        }
        self._functions: dict[int, str] = {}
        self._shared = _shared(root)
        self._count = 0
        self._loops = 0

    def function(self, name: str, node: Node) -> str:
        """Write a function that checks one value."""
        loops, self._loops = self._loops, 0
        body = ["def " + name + "(v):", " try:"]
        body += _indented(self.checks(node, "v", top=True), 2)
        self._loops = loops
        body += ["  return True", " except KeyError:", "  return False"]
        self.lines += body
        return name

    def loop(self, name: str, node: Node) -> str:
        """Write a function that checks a list of values."""
        body = [f"def {name}(vs):", " try:", "  for v in vs:"]
        body += _indented(self.checks(node, "v", top=True), 3)
        body += ["   pass", "  return True", " except KeyError:", "  return False"]
        self.lines += body
        return name

    def checks(self, node: Node, var: str, *, top: bool = False) -> list[str]:
        """Return lines that leave with ``return False`` if a variable does not fit."""
        if isinstance(node, Primitive):
            return _fail_if(self.unfit(node, var))
        if not top and id(node) in self._shared:
            return _fail_if(f"not {self._call(node)}({var})")
        if isinstance(node, Record):
            return self._record(node, var)
        if isinstance(node, Array):
            return self._array(node, var)
        if isinstance(node, Map):
            return self._map(node, var)
        return _fail_if(self.unfit(node, var))

    def unfit(self, node: Node, var: str) -> str:
        """Return an expression that is true if a variable does not fit."""
        if isinstance(node, Primitive):
            return _PRIMITIVE[node.name].format(v=var)
        if isinstance(node, Enum):
            symbols = self._constant(frozenset(node.symbols))
            return f"type({var}) is not str or {var} not in {symbols}"
        if isinstance(node, Fixed):
            return f"type({var}) is not bytes or len({var}) != {node.size}"
        if isinstance(node, Union):
            return self._union(node, var)
        return f"not {self._call(node)}({var})"

    def _record(self, node: Record, var: str) -> list[str]:
        count = len(node.fields)
        lines = _fail_if(f"type({var}) is not dict or len({var}) != {count}")
        for field in node.fields:
            inner = self._fresh()
            lines.append(f"{inner} = {var}[{field.name!r}]")
            lines += self.checks(field.type, inner)
        return lines

    def _array(self, node: Array, var: str) -> list[str]:
        lines = _fail_if(f"type({var}) is not list")
        return lines + self._each(node.items, var)

    def _map(self, node: Map, var: str) -> list[str]:
        lines = _fail_if(
            f"type({var}) is not dict or not TEXTS.issuperset(map(type, {var}))"
        )
        return lines + self._each(node.values, f"{var}.values()")

    def _each(self, node: Node, items: str) -> list[str]:
        """Return lines that check the items of an expression."""
        name = node.name if isinstance(node, Primitive) else ""
        if name in ("float", "double"):
            unfit = f"not FLOATS.issuperset(map(type, {items}))"
            return _fail_if(f"{unfit} and not all(map(is_number, {items}))")
        if name == "string":
            return _fail_if(f"not TEXTS.issuperset(map(type, {items}))")
        if name == "boolean":
            return _fail_if(f"not TRUTHS.issuperset(map(type, {items}))")
        inner = self._fresh()
        self._loops += 1
        deep = self._loops >= _INLINE_LOOPS and not isinstance(node, Primitive)
        checks = _fail_if(self.unfit(node, inner)) if deep else self.checks(node, inner)
        self._loops -= 1
        return [f"for {inner} in {items}:", *_indented(checks, 1), " pass"]

    def _union(self, node: Union, var: str) -> str:
        """Return a test by type, or a call for branches that are objects.

        An object with one key may be a tagged value: only `read` can tell.
        """
        parts, calls = [], []
        for branch in node.branches:
            if isinstance(branch, Primitive) and branch.name in _SIMPLE:
                parts.append(_SIMPLE[branch.name].format(v=var))
            elif isinstance(branch, Record | Map):
                calls.append(f"len({var}) != 1 and {self._call(branch)}({var})")
            else:
                parts.append(f"not ({self.unfit(branch, var)})")
        if calls:
            joined = " or ".join(calls)
            parts.append(f"type({var}) is dict and ({joined})")
        return "not (" + " or ".join(parts) + ")"

    def _call(self, node: Node) -> str:
        """Return the name of the function that checks a type; written once."""
        if id(node) not in self._functions:
            name = self._functions[id(node)] = f"check_{len(self._functions)}"
            self.function(name, node)
        return self._functions[id(node)]

    def _constant(self, value: object) -> str:
        name = f"C{len(self.names)}"
        self.names[name] = value
        return name

    def _fresh(self) -> str:
        self._count += 1
        return f"v{self._count}"


_PRIMITIVE: Final = {
    "null": "{v} is not None",
    "boolean": "type({v}) is not bool and not is_truth({v})",
    "int": (
        f"(type({{v}}) is not int or not {INT_MIN} <= {{v}} <= {INT_MAX})"
        " and not is_int({v})"
    ),
    "long": (
        f"(type({{v}}) is not int or not {LONG_MIN} <= {{v}} <= {LONG_MAX})"
        " and not is_long({v})"
    ),
    "float": "type({v}) is not float and not is_number({v})",
    "double": "type({v}) is not float and not is_number({v})",
    "bytes": "type({v}) is not bytes",
    "string": "type({v}) is not str",
}
_SIMPLE: Final = {
    "null": "{v} is None",
    "boolean": "type({v}) is bool",
    "float": "type({v}) is float or is_number({v})",
    "double": "type({v}) is float or is_number({v})",
    "string": "type({v}) is str",
    "bytes": "type({v}) is bytes",
}


def _shared(root: Node) -> set[int]:
    """Return the types that deserve a function: met twice, or very large."""
    seen: set[int] = set()
    shared: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, Primitive):
            continue
        if id(node) in seen:
            shared.add(id(node))
            continue
        seen.add(id(node))
        if isinstance(node, Record) and len(node.fields) > _INLINE_FIELDS:
            shared.add(id(node))
        pending.extend(node.children())
    return shared


def _fail_if(condition: str) -> list[str]:
    return [f"if {condition}: return False"]


def _indented(lines: list[str], depth: int) -> list[str]:
    return [" " * depth + line for line in lines]
