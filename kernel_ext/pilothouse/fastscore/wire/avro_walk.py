"""Finding the end of a value in Avro's binary form, piece by piece, making no value.

Source: Apache Avro specification 1.11, "Binary Encoding".
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from .avro_read import Mismatch
from .avro_types import Array, Enum, Fixed, Map, Node, Primitive, Record, Union

_VARINT: Final = -1
_Steps = Generator[int, int, None]


class Walk:
    """Finds the end of one value that comes in pieces; makes no value.

    Attributes:
        size: How long the value is, as far as it has come.
    """

    def __init__(self, root: Node) -> None:
        self.size = 0
        self._steps = _steps(root)
        self._wanted = 0
        self._number = 0
        self._shift = 0
        self._is_done = False
        self._advance(None)

    def feed(self, piece: bytes) -> bool:
        """Take the next bytes, and tell whether the value is complete."""
        at = 0
        while not self._is_done and at < len(piece):
            if self._wanted == _VARINT:
                at = self._read_varint(piece, at)
            else:
                step = min(self._wanted, len(piece) - at)
                at += step
                self._wanted -= step
                if not self._wanted:
                    self._advance(0)
        self.size += at
        return self._is_done

    def _read_varint(self, piece: bytes, at: int) -> int:
        byte = piece[at]
        self._number |= (byte & 0x7F) << self._shift
        self._shift += 7
        if self._shift > 70:
            raise Mismatch("an integer of more than 64 bits")
        if not byte & 0x80:
            number = (self._number >> 1) ^ -(self._number & 1)
            self._number = self._shift = 0
            self._advance(number)
        return at + 1

    def _advance(self, answer: int | None) -> None:
        try:
            while True:
                wanted = (
                    next(self._steps) if answer is None else self._steps.send(answer)
                )
                if wanted == _VARINT or wanted > 0:
                    self._wanted = wanted
                    return
                if wanted < 0:
                    raise Mismatch("a length below zero")
                answer = 0
        except StopIteration:
            self._is_done = True


_MAX_EMPTY: Final = 1_000_000
"""Longest array of values that take no bytes."""

_SIZES: Final = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def _steps(node: Node) -> _Steps:
    """Yield how many bytes to skip; `_VARINT` asks for the integer that follows."""
    if isinstance(node, Primitive) and node.name in _SIZES:
        yield _SIZES[node.name]
    elif isinstance(node, Primitive) and node.name in ("bytes", "string"):
        yield _checked((yield _VARINT))
    elif isinstance(node, Primitive | Enum):
        yield _VARINT
    elif isinstance(node, Fixed):
        yield node.size
    elif isinstance(node, Record):
        for field in node.fields:
            yield from _steps(field.type)
    elif isinstance(node, Union):
        branch = yield _VARINT
        if not 0 <= branch < len(node.branches):
            raise Mismatch(f"a union has no branch {branch}")
        yield from _steps(node.branches[branch])
    elif isinstance(node, Array | Map):
        yield from _block_steps(node)


def has_empty_items(node: Node, seen: set[int] | None = None) -> bool:
    """Tell whether a type holds arrays of values that take no bytes.

    Eight bytes can then claim 2**60 values: their count has to be looked at first.
    """
    seen = set() if seen is None else seen
    if id(node) in seen:
        return False
    seen.add(id(node))
    if isinstance(node, Array) and _is_empty(node.items):
        return True
    return any(has_empty_items(child, seen) for child in node.children())


def _is_empty(node: Node) -> bool:
    if isinstance(node, Record):
        return all(_is_empty(field.type) for field in node.fields)
    return node.tag == "null" or (isinstance(node, Fixed) and not node.size)


def _block_steps(node: Array | Map) -> _Steps:
    is_empty = isinstance(node, Array) and _is_empty(node.items)
    while count := (yield _VARINT):
        if is_empty and abs(count) > _MAX_EMPTY:
            raise Mismatch(f"an array of {abs(count)} values without bytes")
        if count < 0:
            yield _checked((yield _VARINT))
            continue
        for _ in range(count):
            if isinstance(node, Map):
                yield _checked((yield _VARINT))
            yield from _steps(node.values if isinstance(node, Map) else node.items)


def _checked(length: int) -> int:
    if length < 0:
        raise Mismatch("a length below zero")
    return length
