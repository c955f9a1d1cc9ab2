"""Whether what one schema writes, another can read.

Source: FastScore Deploy 1.10.4, `AvroType.accepts`; Apache Avro specification 1.11,
"Schema Resolution".

    int <- int; long <- int, long; float <- int, long, float;
    double <- int, long, float, double
    array, map   by their items
    fixed        same size and name
    enum         same name, the writer's symbols among the reader's
    record       same name; each field of the reader is in the writer and compatible,
                 or has a default
    union        a reader's union takes what one of its branches takes; a writer's
                 union has to be taken whole

Names of records, enums and fixed do not matter where either has none.
"""

from __future__ import annotations

from typing import Final

from .avro_types import (
    Array,
    Enum,
    Fixed,
    Map,
    Named,
    Node,
    Primitive,
    Record,
    Union,
)

_WIDENS: Final = {
    "long": ("int",),
    "float": ("int", "long"),
    "double": ("int", "long", "float"),
}


def clash(reader: Node, writer: Node) -> str | None:
    """Return why `reader` cannot take what `writer` writes; ``None`` if it can."""
    return _clash(reader, writer, "", set())


def _clash(
    reader: Node, writer: Node, path: str, assumed: set[tuple[int, int]]
) -> str | None:
    # A pair that is being compared further up holds unless something else fails.
    pair = (id(reader), id(writer))
    if pair in assumed:
        return None
    assumed.add(pair)
    if isinstance(writer, Union):
        for branch in writer.branches:
            if (reason := _clash(reader, branch, path, set(assumed))) is not None:
                return reason
        return None
    if isinstance(reader, Union):
        for branch in reader.branches:
            if _clash(branch, writer, path, set(assumed)) is None:
                return None
        return _refusal(reader, writer, path)
    if isinstance(reader, Array) and isinstance(writer, Array):
        return _clash(reader.items, writer.items, f"{path}[]", assumed)
    if isinstance(reader, Map) and isinstance(writer, Map):
        return _clash(reader.values, writer.values, f"{path}{{}}", assumed)
    if isinstance(reader, Record) and isinstance(writer, Record):
        return _record(reader, writer, path, assumed)
    return None if _takes(reader, writer) else _refusal(reader, writer, path)


def _takes(reader: Node, writer: Node) -> bool:
    if isinstance(reader, Primitive) and isinstance(writer, Primitive):
        narrower = _WIDENS.get(reader.name, ())
        return reader.name == writer.name or writer.name in narrower
    if isinstance(reader, Fixed) and isinstance(writer, Fixed):
        return reader.size == writer.size and _same_name(reader, writer)
    if isinstance(reader, Enum) and isinstance(writer, Enum):
        return set(writer.symbols) <= set(reader.symbols) and _same_name(reader, writer)
    return False


def _same_name(reader: Named, writer: Named) -> bool:
    return not reader.name or not writer.name or reader.name == writer.name


def _record(
    reader: Record, writer: Record, path: str, assumed: set[tuple[int, int]]
) -> str | None:
    if not _same_name(reader, writer):
        return _refusal(reader, writer, path)
    written = {field.name: field.type for field in writer.fields}
    for field in reader.fields:
        inner = f"{path}.{field.name}"
        if field.name in written:
            reason = _clash(field.type, written[field.name], inner, assumed)
            if reason is not None:
                return reason
        elif not field.has_default:
            return f'field "{inner.removeprefix(".")}" is missing'
    return None


def _refusal(reader: Node, writer: Node, path: str) -> str:
    at = f", at {path.removeprefix('.')}" if path else ""
    return f"{reader.label} expected, not {writer.label}{at}"
