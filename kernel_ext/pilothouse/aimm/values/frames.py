"""Series and frames of pandas, in both encodings.

Source: REPL control, "Argument preprocessing"; real client and server, aimm 1.2.

    plain     {"type": "pandas_series", "data": [value]}
              {"type": "pandas_dataframe", "data": {column: {label: value}}}
              and for our own readers: "index", "columns" (an axis), "dtypes", "name"
    lossless  {"type": "pandas_series", "name": label, "index": axis, "values": column}
              {"type": "pandas_dataframe", "columns": axis, "index": axis,
               "values": [column]}
    axis      {"kind": "range", "start": 0, "stop": 3, "step": 1, "name": null}
              {"kind": "values", "values": column, "name": null}
              {"kind": "multi", "levels": [column], "codes": [numpy_array], "names": []}

A time axis keeps its ``freq`` where a text says all of it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from pilothouse.errors import ProtocolError

from .arrays import decode_bytes, encode_bytes
from .columns import decode_column, encode_column, freq_of, with_freq
from .refusal import CannotTravelError, at, at_attribute, at_item
from .scalars import is_scalar, plain_item

__all__ = [
    "FRAME",
    "SERIES",
    "decode_axis",
    "decode_frame",
    "decode_label",
    "decode_series",
    "encode_axis",
    "encode_label",
    "encode_pandas",
]

SERIES: Final = "pandas_series"
FRAME: Final = "pandas_dataframe"
_MISFITS: Final = (
    TypeError, ValueError, KeyError, AttributeError, OverflowError, NotImplementedError,
)  # fmt: skip


def encode_pandas(value: object) -> dict[str, Any]:
    """Return our lossless form of a series or a frame.

    Raises:
        CannotTravelError: If a column or a label has none; it names the place.
    """
    if isinstance(value, pd.Series):
        with at(at_attribute("values")):
            values = encode_column(value)
        return {
            "type": SERIES,
            "name": encode_label(value.name, "name"),
            "index": _axis_at("index", value.index),
            "values": values,
        }
    if isinstance(value, pd.DataFrame):
        return {
            "type": FRAME,
            "columns": _axis_at("columns", value.columns),
            "index": _axis_at("index", value.index),
            "values": [_column_at(value, i) for i in range(value.shape[1])],
        }
    raise CannotTravelError(
        f"a pandas {type(value).__name__}", hint="a Series, a DataFrame or an array"
    )


def decode_series(obj: dict[str, Any]) -> pd.Series[Any]:
    """Return the series of our lossless form.

    Raises:
        ProtocolError: If its parts do not fit.
    """
    index = decode_axis(obj.get("index"))
    values = decode_column(obj.get("values"))
    name = decode_label(obj.get("name"))
    try:
        found: pd.Series[Any] = pd.Series(
            values, index=index, name=name, dtype=values.dtype
        )
    except _MISFITS as exc:
        raise ProtocolError(f"the parts of a series do not fit: {exc}") from None
    return found


def decode_frame(obj: dict[str, Any]) -> pd.DataFrame:
    """Return the frame of our lossless form.

    Raises:
        ProtocolError: If its parts do not fit.
    """
    columns, index = decode_axis(obj.get("columns")), decode_axis(obj.get("index"))
    values = obj.get("values")
    if not isinstance(values, list) or len(values) != len(columns):
        raise ProtocolError(f"a frame of {len(columns)} columns has as many values")
    parts = [decode_column(column) for column in values]
    try:
        # A dtype that is said is kept: texts of an object column would become str.
        series = {
            i: pd.Series(part, index=index, dtype=part.dtype)
            for i, part in enumerate(parts)
        }
        frame = pd.DataFrame(series, index=index)
    except _MISFITS as exc:
        raise ProtocolError(f"the columns of a frame do not fit: {exc}") from None
    frame.columns = columns
    return frame


def encode_axis(index: pd.Index[Any]) -> dict[str, Any]:
    """Return the JSON of the labels of rows or columns."""
    if isinstance(index, pd.MultiIndex):
        return {
            "kind": "multi",
            "levels": [encode_column(level) for level in index.levels],
            "codes": [encode_bytes(np.asarray(codes)) for codes in index.codes],
            "names": [encode_label(name, "names") for name in index.names],
        }
    name = encode_label(index.name, "name")
    if isinstance(index, pd.RangeIndex):
        return {
            "kind": "range",
            "start": index.start,
            "stop": index.stop,
            "step": index.step,
            "name": name,
        }
    found = {"kind": "values", "values": encode_column(index), "name": name}
    return {**found, **freq_of(index)}


def decode_axis(obj: object) -> pd.Index[Any]:
    """Return the labels that an axis stands for.

    Raises:
        ProtocolError: If it stands for none.
    """
    if not isinstance(obj, dict):
        raise ProtocolError("an axis of a frame is none")
    try:
        return _decode_axis(obj)
    except _MISFITS as exc:
        raise ProtocolError(f"an axis of a frame does not fit: {exc}") from None


def encode_label(label: object, place: str) -> Any:  # noqa: ANN401  a JSON scalar
    """Return the JSON of the name of a series or an axis; a tuple becomes a list."""
    if is_scalar(label):
        return label
    if isinstance(label, tuple) and all(is_scalar(part) for part in label):
        return list(label)
    if isinstance(label, np.generic) and is_scalar(found := plain_item(label)):
        return found
    with at(at_attribute(place)):
        raise CannotTravelError(
            f"the name {label!r}", hint="a text, a number or a tuple of those"
        )


def decode_label(obj: object) -> Any:  # noqa: ANN401  a label
    """Return the name that a label stands for."""
    if isinstance(obj, list):
        return tuple(obj)
    if not is_scalar(obj):
        raise ProtocolError("the name of a series is a scalar or a list of those")
    return obj


def _decode_axis(obj: dict[str, Any]) -> pd.Index[Any]:
    kind = obj.get("kind")
    if kind == "range":
        start, stop, step = (obj[key] for key in ("start", "stop", "step"))
        if {type(start), type(stop), type(step)} != {int}:
            raise TypeError("the bounds of a range are integers")
        return pd.RangeIndex(start, stop, step, name=decode_label(obj.get("name")))
    if kind == "multi":
        return pd.MultiIndex(
            levels=[_labels(level) for level in obj["levels"]],  # type: ignore[misc]
            codes=[decode_bytes(codes).tolist() for codes in obj["codes"]],
            names=[decode_label(name) for name in obj["names"]],
        )
    if kind != "values":
        raise ValueError(f"the kind {kind!r} is none of range, values, multi")
    name = decode_label(obj.get("name"))
    return with_freq(_labels(obj["values"]).rename(name), obj.get("freq"))


def _labels(column: object) -> pd.Index[Any]:
    values = decode_column(column)
    labels: pd.Index[Any] = pd.Index(values, dtype=values.dtype)
    return labels


def _axis_at(name: str, index: pd.Index[Any]) -> dict[str, Any]:
    with at(at_attribute(name)):
        return encode_axis(index)


def _column_at(frame: pd.DataFrame, place: int) -> dict[str, Any]:
    with at(at_attribute("columns") + at_item(place)):
        return encode_column(frame.iloc[:, place])
