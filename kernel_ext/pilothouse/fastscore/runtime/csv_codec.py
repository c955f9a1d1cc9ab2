"""Rows of csv: a model sees a dict for each.

Names of the columns come from the schema or from a header. With a schema, texts become
what it says: numbers, booleans, null for an empty text where null is allowed. A text
that is no number stays one, for the schema check to refuse. Without, all are strings.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.avro_types import Node, Primitive, Record, Union
from pilothouse.fastscore.wire.streams import Encoding, EncodingKind
from pilothouse.fastscore.wire.values import Value

from .codec import CodecError, OneByOne, Reject, pieces

_Convert = Callable[[str], Value]


class Rows(Protocol):
    """What `csv.reader` returns; the class itself has no public name."""

    @property
    def line_num(self) -> int:
        """How many lines were read."""

    def __iter__(self) -> Iterator[list[str]]:
        """Return itself."""

    def __next__(self) -> list[str]:
        """Return the cells of the next row."""


class CsvCodec(OneByOne):
    """Reads and writes rows.

    Args:
        encoding: Quote character and delimiter.
        schema: A record schema, or ``None``.
        columns: Names in the order of a header; ``None`` = the schema's order.

    Attributes:
        columns: Names of the columns; ``None`` until the first record is written,
            where neither schema nor header says them.

    Raises:
        CodecError: If the schema describes no record.
    """

    kind = EncodingKind.CSV

    def __init__(
        self,
        encoding: Encoding,
        schema: Schema | None,
        *,
        columns: Sequence[str] | None = None,
    ) -> None:
        types: dict[str, Node] = {}
        if schema is not None:
            if not isinstance(schema.root, Record):
                raise CodecError("encoding csv needs a record schema")
            types = {field.name: field.type for field in schema.root.fields}
        names = tuple(columns) if columns is not None else tuple(types) or None
        self._encoding = encoding
        self._types = types
        self._converts: list[_Convert | None] = []
        self.columns: tuple[str, ...] | None = None
        if names is not None:
            self.set_columns(names)

    def set_columns(self, names: Iterable[str]) -> None:
        """Take the names of a header, in its order.

        Raises:
            CodecError: If a name occurs twice.
        """
        columns = tuple(names)
        if len(set(columns)) != len(columns):
            raise CodecError(f"a column occurs twice: {', '.join(columns)}")
        self.columns = columns
        self._converts = [_converter(self._types.get(name)) for name in columns]

    def read_header(self, row: bytes) -> tuple[str, ...]:
        """Take the names of the columns from a header row, and return them."""
        self.set_columns(self._cells(self._text(row)))
        return self.columns or ()

    def header(self) -> bytes:
        """Return the header row; empty while the columns are unknown."""
        return b"" if self.columns is None else self._row(self.columns)

    def decode(self, record: bytes) -> Value:
        """Return a row as a dict.

        Raises:
            CodecError: If the row is broken or has another number of columns.
        """
        return self._as_dict(self._cells(self._text(record)))

    def decode_batch(
        self, data: bytes | Sequence[bytes], separator: bytes = b"\n"
    ) -> tuple[list[Value], list[Reject]]:
        """Return the rows that can be read, in order, and the others."""
        rows = pieces(data, separator)
        try:
            return self._all(rows), []
        except (CodecError, UnicodeDecodeError, csv.Error):
            return super().decode_batch(rows)

    def encode(self, value: Value) -> bytes:
        """Return a dict, or a list in the order of the columns, as a row.

        Raises:
            CodecError: If it is neither, or its columns are others.
        """
        if isinstance(value, list | tuple):
            cells: Sequence[Value] = value
            if self.columns is not None and len(cells) != len(self.columns):
                raise CodecError(f"{len(cells)} columns, not {len(self.columns)}")
            return self._row(cells)
        if not isinstance(value, dict):
            raise CodecError(f"encoding csv takes objects, not {type(value).__name__}")
        if self.columns is None:
            self.set_columns(map(str, value))
        names = self.columns or ()
        extra = [key for key in value if key not in names]
        if extra:
            raise CodecError(f"there is no column {extra[0]!r}")
        return self._row([value.get(name) for name in names])

    def _all(self, rows: Sequence[bytes]) -> list[Value]:
        reader = self._reader(row.decode() for row in rows)
        out: list[Value] = []
        for cells in reader:
            # A quote left open swallows the next row: then read them one by one.
            if reader.line_num != len(out) + 1:
                raise CodecError("a quote is left open")
            out.append(self._as_dict(cells))
        if len(out) != len(rows):
            raise CodecError("a row is empty")
        return out

    def _as_dict(self, cells: Sequence[str]) -> dict[str, Value]:
        if self.columns is None:
            raise CodecError(
                "the names of the columns are unknown: no schema, no header"
            )
        if len(cells) != len(self.columns):
            raise CodecError(f"{len(cells)} columns, not {len(self.columns)}")
        return {
            name: cell if convert is None else convert(cell)
            for name, convert, cell in zip(
                self.columns, self._converts, cells, strict=True
            )
        }

    def _text(self, record: bytes) -> str:
        try:
            return record.decode()
        except UnicodeDecodeError as exc:
            raise CodecError(f"not UTF-8: {exc}") from exc

    def _cells(self, text: str) -> list[str]:
        try:
            rows = list(self._reader((text,)))
        except csv.Error as exc:
            raise CodecError(f"not a csv row: {exc}") from exc
        if len(rows) != 1:
            raise CodecError("the row is empty")
        return rows[0]

    def _reader(self, texts: Iterable[str]) -> Rows:
        return csv.reader(
            texts,
            delimiter=self._encoding.delimiter,
            quotechar=self._encoding.quote,
            strict=True,
        )

    def _row(self, cells: Iterable[Value]) -> bytes:
        out = io.StringIO()
        writer = csv.writer(
            out,
            delimiter=self._encoding.delimiter,
            quotechar=self._encoding.quote,
            lineterminator="",
        )
        try:
            writer.writerow([_text_of_cell(cell) for cell in cells])
            return out.getvalue().encode()
        except (csv.Error, UnicodeEncodeError) as exc:
            raise CodecError(f"csv cannot hold it: {exc}") from exc


def _text_of_cell(cell: Value) -> Value:
    if cell is None or isinstance(cell, str | int | float):
        return ("false", "true")[cell] if isinstance(cell, bool) else cell
    if isinstance(cell, bytes | bytearray):
        return cell.decode("latin-1")
    if hasattr(cell, "item") and not getattr(cell, "ndim", 1):
        return _text_of_cell(cell.item())
    raise CodecError(f"csv cannot hold {type(cell).__name__}")


def _converter(node: Node | None) -> _Convert | None:
    """Return what turns the text of a cell into a value of a type; None: nothing."""
    if isinstance(node, Union):
        return _union_converter(node)
    if not isinstance(node, Primitive):
        return None
    return _CONVERTERS.get(node.name)


def _union_converter(node: Union) -> _Convert:
    nullable = any(branch.tag == "null" for branch in node.branches)
    converts = [
        found
        for branch in sorted(node.branches, key=_by_strictness)
        if (found := _converter(branch)) is not None and branch.tag != "null"
    ]

    def convert(text: str) -> Value:
        if not text and nullable:
            return None
        for each in converts:
            value = each(text)
            if not isinstance(value, str):
                return value
        return text

    return convert


def _by_strictness(node: Node) -> int:
    order = ("null", "boolean", "int", "long", "float", "double")
    return order.index(node.tag) if node.tag in order else len(order)


def _integer(text: str) -> Value:
    try:
        return int(text) if "_" not in text else text
    except ValueError:
        return text


def _number(text: str) -> Value:
    try:
        return float(text) if "_" not in text else text
    except ValueError:
        return text


def _truth(text: str) -> Value:
    return {"true": True, "false": False}.get(text.strip().lower(), text)


def _null(text: str) -> Value:
    return None if text in ("", "null") else text


_CONVERTERS: dict[str, _Convert] = {
    "null": _null,
    "boolean": _truth,
    "int": _integer,
    "long": _integer,
    "float": _number,
    "double": _number,
}
