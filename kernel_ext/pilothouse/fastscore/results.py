"""What scoring gives back: values typed by a schema, and what was rejected.

records   a DataFrame, one row each, dtypes from the schema
scalars   a DataFrame with one column, "value"
others    a list
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .wire.avro import Schema
from .wire.avro_types import Primitive, Record, Union

__all__ = [
    "Rejected",
    "RejectedWarning",
    "is_frame",
    "tell",
    "tell_late",
    "tell_unsent",
    "typed",
]

VALUE = "value"


class RejectedWarning(UserWarning):
    """Some records were not scored, or their outputs not written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One record that did not pass.

    Attributes:
        slot: Even: an input that was not scored; odd: an output that was not written.
        index: Which of the records given, from 0; None where only the engine knows.
        reason: Why, for instance ``Int expected, not "a", at x``.
        record: The record, or its text as the engine reported it.
    """

    slot: int
    index: int | None
    reason: str
    record: Any

    def __str__(self) -> str:
        what = "record" if self.slot % 2 == 0 else "output"
        which = "an" if self.index is None and what == "output" else "a"
        name = f"{which} {what}" if self.index is None else f"{what} {self.index}"
        return f"{name}: {self.reason}"


def is_frame(value: object) -> bool:
    """Tell whether a value is a DataFrame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def typed(values: list[Any], schema: Schema | None, as_frame: bool | None) -> Any:  # noqa: ANN401 - a list or a DataFrame
    """Return outputs in the form that suits their schema.

    Args:
        values: The outputs, in order.
        schema: Of the outputs, if it is known.
        as_frame: True: a DataFrame in any case; False: the list; None: a DataFrame if
            the schema is one of records or scalars.
    """
    if as_frame is None:
        as_frame = schema is not None and _is_flat(schema)
    return _frame(values, schema) if as_frame else values


def tell(result: Any, rejected: Sequence[Rejected], count: int, given: int) -> Any:  # noqa: ANN401
    """Warn of rejected records, and note them on a DataFrame as ``attrs["rejected"]``.

    Args:
        result: What is given back.
        rejected: Those that are known one by one.
        count: How many there are.
        given: How many records were given.
    """
    if not count:
        return result
    if is_frame(result):
        result.attrs["rejected"] = list(rejected)
    first = f"; the first: {rejected[0]}" if rejected else ""
    warnings.warn(
        f"{count} of {given} records rejected{first}", RejectedWarning, stacklevel=4
    )
    return result


def tell_unsent(sent: int, total: int | None) -> None:
    """Warn that the rest of the records never reached the engine."""
    of = "" if total is None else f" of {total:,}"
    warnings.warn(
        f"{sent:,}{of} records were sent before the process that had them ended; these "
        "are their outputs",
        RejectedWarning,
        stacklevel=4,
    )


def tell_late() -> None:
    """Warn that reports on what was rejected are missing."""
    warnings.warn(
        "outputs are missing, and the engine's reports on what it rejected did not "
        "come in time: more may have been rejected than is known",
        RejectedWarning,
        stacklevel=4,
    )


def _is_flat(schema: Schema) -> bool:
    root = schema.root
    if isinstance(root, Union):
        others = [branch for branch in root.branches if branch.tag != "null"]
        root = others[0] if len(others) == 1 else root
    return isinstance(root, Record | Primitive)


def _frame(values: list[Any], schema: Schema | None) -> Any:  # noqa: ANN401
    import pandas as pd

    dtypes = {} if schema is None else schema.dtypes()
    if isinstance(dtypes, str):
        dtypes = {VALUE: dtypes}
    elif schema is not None and not isinstance(schema.root, Record):
        dtypes = {}
    names = list(dtypes)
    if values and all(type(value) is dict for value in values):
        names = names or list(values[0])
        try:
            columns = {name: [value[name] for value in values] for name in names}
        except KeyError:
            return pd.DataFrame(values)
        if schema is None and any(len(value) != len(names) for value in values):
            return pd.DataFrame(values)
    elif (values and names == [VALUE]) or not names:
        columns = {VALUE: values}
    elif not values:
        columns = {name: [] for name in names}
    else:
        return pd.DataFrame({VALUE: values})
    return pd.DataFrame(
        {
            name: _column(column, dtypes.get(name, "object"))
            for name, column in columns.items()
        },
        columns=list(columns),
    )


def _column(values: list[Any], dtype: str) -> Any:  # noqa: ANN401 - a Series
    import pandas as pd

    if dtype == "object":
        return pd.Series(values, dtype=None if values else "object")
    try:
        return pd.Series(values, dtype=dtype)
    except (TypeError, ValueError):
        return pd.Series(values)
