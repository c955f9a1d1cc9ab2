"""Record sets: many records as one object.

Source: FastScore Deploy 1.10.4, `codec`; vendor manual, "Record sets".

    records of           a model sees
    objects              pandas DataFrame, one row each
    arrays               numpy matrix, one row each
    anything else        pandas Series, one item each
    nothing              empty DataFrame

and back: rows of a DataFrame, of a two-dimensional array, items of a Series. A
DataFrame whose index has a name is written as ``{index value: row}`` objects. Missing
values (NaN, NA, NaT) are written as null where the schema allows null or there is none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pilothouse.fastscore.wire.avro import Schema
from pilothouse.fastscore.wire.avro_types import Node, Record, Union
from pilothouse.fastscore.wire.values import Value

if TYPE_CHECKING:
    import pandas as pd


def to_recordset(values: Sequence[Value], schema: Schema | None = None) -> Value:
    """Return records as the one object that a model sees.

    Args:
        values: The records.
        schema: Of the records: names the columns of an empty set.
    """
    import pandas as pd

    if not values:
        root = None if schema is None else schema.root
        names = (
            [field.name for field in root.fields] if isinstance(root, Record) else []
        )
        return pd.DataFrame(columns=names)
    first = values[0]
    if isinstance(first, dict):
        return _frame(values)
    if isinstance(first, list | tuple):
        return _matrix(values)
    return pd.Series(list(values))


def is_recordset(value: Value) -> bool:
    """Tell whether a model's output is many records in one object."""
    kind = type(value)
    if kind.__module__.partition(".")[0] == "pandas":
        return kind.__name__ in ("DataFrame", "Series")
    if kind.__module__.startswith("numpy"):
        return getattr(value, "ndim", 0) >= 1
    return False


def from_recordset(value: Value, schema: Schema | None = None) -> list[Value]:
    """Return the records that a model's output stands for.

    Args:
        value: A DataFrame, array or Series; anything else is one record.
        schema: Of the records; decides where a missing value is null.
    """
    if not is_recordset(value):
        return [value]
    root = None if schema is None else schema.root
    kind = type(value).__name__
    if kind == "DataFrame":
        return _rows(value, root)
    if kind == "Series":
        return _items(value, takes_null=root is None or _takes_null(root))
    rows: list[Value] = value.tolist()
    return rows


def _frame(values: Sequence[Value]) -> pd.DataFrame:
    import pandas as pd

    names = list(values[0])
    try:
        # Column by column: five times faster than from the objects themselves.
        columns = {name: [value[name] for value in values] for name in names}
    except (KeyError, TypeError):
        return pd.DataFrame(list(values))
    if any(len(value) != len(names) for value in values):
        return pd.DataFrame(list(values))
    return pd.DataFrame(columns, columns=names)


def _matrix(values: Sequence[Value]) -> Value:
    import numpy as np

    width = len(values[0])
    if any(not isinstance(row, list | tuple) or len(row) != width for row in values):
        ragged = np.empty(len(values), dtype=object)
        ragged[:] = list(values)
        return ragged
    # A view: calling np.matrix warns that it is not recommended.
    return np.asarray(list(values)).reshape(len(values), width).view(np.matrix)


def _rows(frame: pd.DataFrame, root: Node | None) -> list[Value]:
    names = [str(name) for name in frame.columns]
    types = {}
    if isinstance(root, Record):
        types = {field.name: field.type for field in root.fields}
    columns = [
        _items(
            frame.iloc[:, at],
            takes_null=not types or (name in types and _takes_null(types[name])),
        )
        for at, name in enumerate(names)
    ]
    rows = _dicts(tuple(names))(columns) if columns else [{} for _ in range(len(frame))]
    if frame.index.name is None:
        return rows
    labels = frame.index.tolist()
    return [{str(label): row} for label, row in zip(labels, rows, strict=True)]


@functools.lru_cache(maxsize=64)
def _dicts(names: tuple[str, ...]) -> Callable[[list[list[Value]]], list[Value]]:
    """Return a function from columns to dicts, written for these names.

    A display with constant keys is made ten times faster than ``dict(zip(...))``.
    """
    cells = [f"c{at}" for at in range(len(names))]
    pairs = ", ".join(
        f"{name!r}: {cell}" for name, cell in zip(names, cells, strict=True)
    )
    targets = "".join(f"{cell}, " for cell in cells)
    source = f"lambda columns: [{{{pairs}}} for {targets} in zip(*columns)]"
    made: Callable[[list[list[Value]]], list[Value]] = eval(source)
    return made


def _items(column: pd.Series, *, takes_null: bool) -> list[Value]:
    items: list[Value] = column.tolist()
    missing = column.isna()
    if not missing.any():
        return items
    return [
        None if gone and (takes_null or not isinstance(item, float)) else item
        for item, gone in zip(items, missing.tolist(), strict=True)
    ]


def _takes_null(node: Node) -> bool:
    if isinstance(node, Union):
        return any(branch.tag == "null" for branch in node.branches)
    return node.tag == "null"
