"""Avro schemas: parsed once, then fast checks, reasons, binary form, compatibility.

Source: Apache Avro specification 1.11; vendor manual, "Schemas" (the texts
``Type "foobar" is undefined`` and ``Int expected, not "fastscore"``).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from . import avro_match
from .avro_check import compile_check
from .avro_infer import infer
from .avro_parse import SchemaError, parse
from .avro_read import Mismatch, read
from .avro_types import Node, Primitive, Record, Union, canonical
from .avro_walk import Walk, has_empty_items
from .values import JSON, Value, unquoted

__all__ = ["Schema", "SchemaError", "accepts", "infer", "parse_schema"]

_TOO_DEEP: Final = "the value is nested too deep"


class Schema:
    """An Avro schema, ready to check values.

    Args:
        json: The schema as JSON.
        root: Its parsed type.

    Attributes:
        json: The schema as it was given.
        root: Its parsed type.
        fits: ``True`` where a value fits as it stands; ``False`` says nothing yet.
            Generated code; the fastest check there is.
        all_fit: The same for a list of values.
    """

    __slots__ = ("_binary", "_is_suspect", "all_fit", "fits", "json", "root")

    def __init__(self, json: JSON, root: Node) -> None:
        self.json = json
        self.root = root
        self.fits, self.all_fit = compile_check(root)
        self._binary: Any = None
        self._is_suspect = has_empty_items(root)

    def __repr__(self) -> str:
        return f"Schema({self.json!r})"

    def valid(self, value: Value) -> bool:
        """Tell whether a value fits."""
        return self.reason(value) is None

    def reason(self, value: Value) -> str | None:
        """Return why a value does not fit, with the path of the field; else ``None``.

        For instance ``Int expected, not "fastscore"`` or
        ``Double expected, not "a", at point.x``.
        """
        try:
            if self.fits(value):
                return None
            read(self.root, value)
        except Mismatch as exc:
            return str(exc)
        except RecursionError:
            return _TOO_DEEP
        return None

    def decode(self, value: Value) -> Value:
        """Return a value as a model sees it.

        Tags of unions are taken off, defaults filled in, text for bytes becomes
        `bytes`, numpy scalars become numbers. A value that needs none of that comes
        back as it is.

        Raises:
            Mismatch: If it does not fit; the text says why.
        """
        try:
            return value if self.fits(value) else read(self.root, value)
        except RecursionError as exc:
            raise Mismatch(_TOO_DEEP) from exc

    def sift(self, values: Sequence[Any]) -> tuple[list[Any], list[tuple[int, str]]]:
        """Return the values that fit, as a model sees them, and the others.

        Args:
            values: Any number of them.

        Returns:
            The good ones in order; for each other one its index and the reason.
        """
        try:
            if self.all_fit(values):
                return list(values), []
        except RecursionError:
            pass
        good: list[Any] = []
        bad: list[tuple[int, str]] = []
        for index, value in enumerate(values):
            try:
                good.append(self.decode(value))
            except Mismatch as exc:
                bad.append((index, str(exc)))
        return good, bad

    def to_binary(self, value: Value) -> bytes:
        """Return a value in Avro's binary form, without header.

        Raises:
            Mismatch: If it does not fit.
        """
        plain = self.decode(value)
        out = io.BytesIO()
        try:
            self._fastavro().schemaless_writer(out, self._parsed(), plain)
        except (ValueError, TypeError, OverflowError) as exc:
            raise Mismatch(f"cannot be written as Avro: {exc}") from exc
        return out.getvalue()

    def read_binary(self, stream: io.BytesIO) -> Value:
        """Read one value in Avro's binary form.

        Raises:
            EOFError: If the data end within the value.
            Mismatch: If the data are no value of this schema.
        """
        start = stream.tell()
        if self._is_suspect:
            if not Walk(self.root).feed(stream.read()):
                raise EOFError("the data end within a value")
            stream.seek(start)
        try:
            return self._fastavro().schemaless_reader(stream, self._parsed(), None)
        except Exception as exc:  # fastavro raises what its parts raise
            # Broken data end in EOFError and IndexError as well as short data do.
            stream.seek(start)
            if isinstance(exc, EOFError | IndexError) and self._is_short(stream.read()):
                raise EOFError("the data end within a value") from exc
            raise Mismatch(f"not Avro data of this schema: {exc}") from exc

    def _is_short(self, data: bytes) -> bool:
        try:
            return not Walk(self.root).feed(data)
        except Mismatch:
            return False

    def from_binary(self, data: bytes) -> Value:
        """Return the one value that some bytes are.

        Raises:
            Mismatch: If they are none, or more follows.
        """
        stream = io.BytesIO(data)
        try:
            value = self.read_binary(stream)
        except EOFError as exc:
            raise Mismatch(str(exc)) from exc
        if stream.tell() != len(data):
            raise Mismatch(f"{len(data) - stream.tell()} bytes follow the value")
        return value

    def dtypes(self) -> dict[str, str] | str:
        """Return the pandas dtypes of records of this schema, by their names.

        A record gives field -> dtype, anything else one dtype. Nullable types give
        pandas' nullable dtypes (``"Int64"``), what is no scalar ``"object"``.
        """
        if isinstance(self.root, Record):
            return {field.name: _dtype(field.type) for field in self.root.fields}
        return _dtype(self.root)

    def _fastavro(self) -> JSON:
        import fastavro

        return fastavro

    def _parsed(self) -> JSON:
        if self._binary is None:
            self._binary = self._fastavro().parse_schema(canonical(self.root))
        return self._binary


def parse_schema(json: JSON, named: Mapping[str, JSON] | None = None) -> Schema:
    """Return a schema ready to use.

    Args:
        json: The schema; JSON text in a string is unpacked.
        named: Schemas that ``{"$ref": name}`` may refer to.

    Raises:
        SchemaError: If it breaks the rules of Avro.
    """
    given = unquoted(json)
    try:
        return Schema(given, _with_good_defaults(parse(given, named or {})))
    except RecursionError as exc:
        raise SchemaError("the schema is nested too deep") from exc


def accepts(reader: Schema, writer: Schema) -> str | None:
    """Return why `reader` cannot take what `writer` writes; ``None`` if it can."""
    return avro_match.clash(reader.root, writer.root)


def _with_good_defaults(root: Node) -> Node:
    """Check every default against its type."""
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        pending.extend(node.children())
        for field in node.fields if isinstance(node, Record) else ():
            if not field.has_default:
                continue
            try:
                read(field.type, field.default)
            except Mismatch as exc:
                raise SchemaError(
                    f'{node.label}: default of field "{field.name}": {exc}'
                ) from exc
    return root


_DTYPES: Final = {
    "boolean": ("bool", "boolean"),
    "int": ("int32", "Int32"),
    "long": ("int64", "Int64"),
    "float": ("float32", "Float32"),
    "double": ("float64", "Float64"),
    "string": ("object", "object"),
}


def _dtype(node: Node) -> str:
    nullable = False
    if isinstance(node, Union):
        others = [branch for branch in node.branches if branch.tag != "null"]
        nullable = len(others) < len(node.branches)
        if len(others) != 1:
            return "object"
        node = others[0]
    if isinstance(node, Primitive) and node.name in _DTYPES:
        return _DTYPES[node.name][nullable]
    return "object"
