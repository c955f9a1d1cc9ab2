"""Reading an Avro schema from JSON.

Source: Apache Avro specification 1.11, "Schema Declaration"; vendor samples.

    schema = primitive / name / [schema, ...] / {"type": ..., ...} / {"$ref": name}

Beyond the specification, because vendor samples hold them: wrappers with further keys
(``{"name": "Output", "type": "double"}``), records, enums and fixed without a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pilothouse.errors import ProtocolError

from .avro_types import (
    PRIMITIVES,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Node,
    Primitive,
    Record,
    Union,
)
from .values import JSON, brief

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_DEPTH: Final = 100
_LOGICAL: Final[Mapping[str, tuple[str, ...]]] = {
    "decimal": ("bytes", "fixed"),
    "uuid": ("string",),
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "duration": ("fixed",),
}


class SchemaError(ProtocolError):
    """A schema breaks the rules of Avro: ``Type "foobar" is undefined``."""


def parse(json: JSON, named: Mapping[str, JSON]) -> Node:
    """Return the type that a schema describes.

    Args:
        json: The schema.
        named: Schemas that ``{"$ref": name}`` and type names may refer to.

    Raises:
        SchemaError: If it breaks the rules.
    """
    return _Parser(named).read(json, "", 0)


class _Parser:
    def __init__(self, named: Mapping[str, JSON]) -> None:
        self._named = named
        self._known: dict[str, Node] = {}
        self._open: set[str] = set()

    def read(self, json: JSON, namespace: str, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise SchemaError("the schema is nested too deep")
        if isinstance(json, str):
            return self._by_name(json, namespace, depth)
        if isinstance(json, list):
            return self._union(json, namespace, depth)
        if isinstance(json, dict):
            return self._object(json, namespace, depth)
        raise SchemaError(f"not a schema: {brief(json)}")

    def _by_name(self, name: str, namespace: str, depth: int) -> Node:
        if name in PRIMITIVES:
            return Primitive(name)
        for full in dict.fromkeys((_full_name(name, namespace), name)):
            if full in self._known:
                return self._known[full]
        if name in self._named:
            return self._reference(name, depth)
        raise SchemaError(f'Type "{name}" is undefined')

    def _reference(self, name: str, depth: int) -> Node:
        if name not in self._named:
            raise SchemaError(f"schema '{name}' not found")
        if name in self._open:
            raise SchemaError(f"schema '{name}' refers to itself")
        self._open.add(name)
        node = self.read(self._named[name], "", depth + 1)
        self._open.discard(name)
        return node

    def _union(self, json: list[JSON], namespace: str, depth: int) -> Node:
        if not json:
            raise SchemaError("a union needs at least one type")
        branches = tuple(self.read(item, namespace, depth + 1) for item in json)
        tags: set[str] = set()
        for branch in branches:
            if isinstance(branch, Union):
                raise SchemaError("a union must not hold a union")
            if branch.tag in tags:
                raise SchemaError(f"a union holds {branch.tag} twice")
            tags.add(branch.tag)
        return Union(branches)

    def _object(self, json: dict[str, JSON], namespace: str, depth: int) -> Node:
        if "$ref" in json:
            name = json["$ref"]
            if not isinstance(name, str):
                raise SchemaError(f"$ref names a schema, not {brief(name)}")
            return self._reference(name, depth)
        if "type" not in json:
            raise SchemaError(f"the schema has no 'type': {brief(json)}")
        kind = json["type"]
        if kind == "array":
            return Array(self._inner(json, "items", namespace, depth))
        if kind == "map":
            return Map(self._inner(json, "values", namespace, depth))
        if kind in ("record", "error"):
            return self._record(json, namespace, depth)
        if kind == "enum":
            return self._enum(json, namespace)
        if kind == "fixed":
            return self._fixed(json, namespace)
        node = self.read(kind, namespace, depth + 1)
        return _with_logical(node, json)

    def _inner(
        self, json: dict[str, JSON], key: str, namespace: str, depth: int
    ) -> Node:
        if key not in json:
            raise SchemaError(f"the {json['type']} has no {key!r}")
        return self.read(json[key], namespace, depth + 1)

    def _record(self, json: dict[str, JSON], namespace: str, depth: int) -> Node:
        name, inner = _names(json, namespace)
        record = Record(name)
        self._declare(record)
        fields = json.get("fields")
        if not isinstance(fields, list):
            raise SchemaError(f"{record.label}: 'fields' must be an array")
        record.fields = tuple(
            self._field(item, record, inner, depth) for item in fields
        )
        names = [item.name for item in record.fields]
        for field_name in names:
            if names.count(field_name) > 1:
                raise SchemaError(f'{record.label} has field "{field_name}" twice')
        return record

    def _field(self, json: JSON, record: Record, namespace: str, depth: int) -> Field:
        if not isinstance(json, dict):
            raise SchemaError(f"{record.label}: not a field: {brief(json)}")
        name = json.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SchemaError(f"{record.label}: {_bad_name('field', name)}")
        if "type" not in json:
            raise SchemaError(f'{record.label}: field "{name}" has no type')
        node = self.read(json["type"], namespace, depth + 1)
        node = _with_logical(node, json) if "logicalType" in json else node
        return Field(name, node, "default" in json, json.get("default"))

    def _enum(self, json: dict[str, JSON], namespace: str) -> Node:
        enum = Enum(_names(json, namespace)[0])
        symbols = json.get("symbols")
        if not isinstance(symbols, list) or not symbols:
            raise SchemaError(f"{enum.label}: 'symbols' must be an array of words")
        for symbol in symbols:
            if not isinstance(symbol, str) or not _NAME.fullmatch(symbol):
                raise SchemaError(f"{enum.label}: {_bad_name('symbol', symbol)}")
            if symbols.count(symbol) > 1:
                raise SchemaError(f'{enum.label} has symbol "{symbol}" twice')
        enum.symbols = tuple(symbols)
        self._declare(enum)
        return enum

    def _fixed(self, json: dict[str, JSON], namespace: str) -> Node:
        fixed = Fixed(_names(json, namespace)[0])
        size = json.get("size")
        if type(size) is not int or size < 0:
            raise SchemaError(f"{fixed.label}: 'size' is {brief(size)}")
        fixed.size = size
        self._declare(fixed)
        return _with_logical(fixed, json)

    def _declare(self, node: Named) -> None:
        if not node.name:
            return
        if node.name in self._known:
            raise SchemaError(f'Type "{node.name}" is defined twice')
        self._known[node.name] = node


def _names(json: dict[str, JSON], namespace: str) -> tuple[str, str]:
    """Return the full name of a declaration, and the namespace inside of it."""
    name, given = json.get("name"), json.get("namespace", namespace)
    if not isinstance(given, str):
        raise SchemaError(f"not a namespace: {brief(given)}")
    if name is None or name == "":
        return "", given
    parts = name.split(".") if isinstance(name, str) else [""]
    if not all(_NAME.fullmatch(part) for part in parts):
        raise SchemaError(_bad_name("type", name))
    full = _full_name(name, given)
    return full, full.rpartition(".")[0]


def _full_name(name: str, namespace: str) -> str:
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _bad_name(what: str, name: object) -> str:
    return (
        f"{brief(name)} cannot be the name of a {what}: letters, digits and _ only, "
        "no digit first"
    )


def _with_logical(node: Node, json: dict[str, JSON]) -> Node:
    """Return a type with its logical type; one that does not fit is ignored."""
    logical = json.get("logicalType")
    fitting = _LOGICAL.get(logical, ()) if isinstance(logical, str) else ()
    kind = "fixed" if isinstance(node, Fixed) else node.tag
    if kind not in fitting:
        return node
    if isinstance(node, Primitive | Fixed) and logical == "decimal":
        precision, scale = json.get("precision"), json.get("scale", 0)
        if type(precision) is not int or precision < 1:
            return node
        if type(scale) is not int or not 0 <= scale <= precision:
            return node
        node.precision, node.scale = precision, scale
    node.logical = logical
    return node
