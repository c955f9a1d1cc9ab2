"""Series and frames of pandas, in the encoding of the reference document.

Source: REPL control, "Argument preprocessing"; real client and server, aimm 1.2.

    {"type": "pandas_series", "data": [value], "name", "index", "dtype"}
    {"type": "pandas_dataframe", "data": {column: {label: value}}, "columns", "index",
     "dtypes"}

Everything after ``data`` is ours and passed over by the real peers, which turn labels
into texts and infer types. ``columns`` and ``index`` are axes as in `frames`, ``dtype``
and ``dtypes`` the names of types. A missing value of a type without NaN is null.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import pandas as pd

from pilothouse.errors import ProtocolError

from .frames import (
    FRAME,
    SERIES,
    decode_axis,
    decode_label,
    encode_axis,
    encode_label,
)
from .refusal import CannotTravelError, at, at_attribute, at_item
from .scalars import is_scalar, kind_of, plain_item

__all__ = ["decode_frame", "decode_series", "encode_pandas"]

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_KINDS: Final = "biufUO"


def encode_pandas(value: object) -> dict[str, Any]:
    """Return the document's form of a series or a frame, with our additions.

    Raises:
        CannotTravelError: If real peers would lose or misread a part of it.
    """
    if isinstance(value, pd.Series):
        return {
            "type": SERIES,
            "data": _values(value),
            "name": encode_label(value.name, "name"),
            "index": _axis(value.index, "index", unique=False),
            "dtype": str(value.dtype),
        }
    if isinstance(value, pd.DataFrame):
        index = _axis(value.index, "index", unique=True)
        columns = _axis(value.columns, "columns", unique=True)
        rows = [str(label) for label in value.index]
        return {
            "type": FRAME,
            "data": {
                str(label): dict(zip(rows, _column(value, i), strict=True))
                for i, label in enumerate(value.columns)
            },
            "columns": columns,
            "index": index,
            "dtypes": [str(dtype) for dtype in value.dtypes],
        }
    raise CannotTravelError(
        f"a pandas {type(value).__name__}", hint="a Series, a DataFrame or an array"
    )


def decode_series(obj: dict[str, Any]) -> pd.Series[Any]:
    """Return the series of the document's form.

    Raises:
        ProtocolError: If its parts do not fit.
    """
    data = obj.get("data")
    if not isinstance(data, list):
        raise ProtocolError("the data of a pandas_series is a list")
    index = decode_axis(obj["index"]) if "index" in obj else None
    try:
        found = pd.Series(data, index=index, name=decode_label(obj.get("name")))
        return _typed(found, obj.get("dtype"))
    except (TypeError, ValueError) as exc:
        raise ProtocolError(f"a pandas_series does not fit: {exc}") from None


def decode_frame(obj: dict[str, Any], *, integer_index: bool) -> pd.DataFrame:
    """Return the frame of the document's form.

    Args:
        obj: The tagged object.
        integer_index: Take the labels of rows as integers when all are written so and
            nothing tells their type.

    Raises:
        ProtocolError: If its parts do not fit.
    """
    data = obj.get("data")
    if not isinstance(data, dict) or any(
        not isinstance(c, dict) for c in data.values()
    ):
        raise ProtocolError("the data of a pandas_dataframe is an object of objects")
    try:
        if "index" in obj and "columns" in obj and "dtypes" in obj:
            return _as_sent(data, obj)
        frame = pd.DataFrame.from_dict(data)
    except (TypeError, ValueError, KeyError) as exc:
        raise ProtocolError(f"a pandas_dataframe does not fit: {exc}") from None
    if integer_index and len(frame) and all(map(_is_integer, frame.index)):
        frame.index = pd.Index([int(label) for label in frame.index])
    return frame


def _as_sent(data: dict[str, dict[str, Any]], obj: dict[str, Any]) -> pd.DataFrame:
    index, columns = decode_axis(obj["index"]), decode_axis(obj["columns"])
    dtypes = obj["dtypes"]
    if not len(data) == len(columns) == len(dtypes):
        raise ValueError(f"{len(data)} columns have {len(columns)} labels")
    parts = {
        i: _typed(pd.Series(list(column.values()), index=index), dtype)
        for i, (column, dtype) in enumerate(zip(data.values(), dtypes, strict=True))
    }
    frame = pd.DataFrame(parts, index=index)
    frame.columns = columns
    return frame


def _typed(series: pd.Series[Any], dtype: object) -> pd.Series[Any]:
    if dtype is None or str(series.dtype) == dtype:
        return series
    if not isinstance(dtype, str):
        raise TypeError(f"the dtype {dtype!r} is no text")
    return series.astype(pd.api.types.pandas_dtype(dtype))


def _axis(index: pd.Index[Any], name: str, *, unique: bool) -> dict[str, Any]:
    with at(at_attribute(name)):
        if isinstance(index, pd.MultiIndex):
            raise CannotTravelError(
                "real AIMM peers have no labels of several levels",
                hint=".reset_index(), or a peer that speaks nd1",
            )
        if unique and len(set(map(str, index))) < len(index):
            raise CannotTravelError(
                "two labels are written alike, and real AIMM peers would drop one",
                hint=".reset_index(drop=True), or other names",
            )
        if unique and any(
            not isinstance(label, str | int | float)
            and not isinstance(label, np.generic)
            for label in index
        ):
            raise CannotTravelError(
                "labels of real AIMM peers are texts and numbers",
                hint=".astype(str)",
            )
        return encode_axis(index)


def _column(frame: pd.DataFrame, place: int) -> list[Any]:
    with at(at_attribute("columns") + at_item(place)):
        return _values(frame.iloc[:, place])


def _values(series: pd.Series[Any]) -> list[Any]:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind not in _KINDS or dtype.char in "gG":
            raise CannotTravelError(
                f"real AIMM peers have no values of dtype {dtype}",
                hint="text or numbers: .astype(str), .astype('int64')",
            )
        if dtype.kind != "O":
            return list(series.to_numpy().tolist())
    missing = series.isna().tolist()
    items = series.astype(object).tolist()
    return [
        _scalar(item, i, is_missing=gone)
        for i, (item, gone) in enumerate(zip(items, missing, strict=True))
    ]


def _scalar(item: object, place: int, *, is_missing: bool) -> Any:  # noqa: ANN401
    if is_scalar(item):
        return item
    if is_missing:
        return None
    found = plain_item(item) if isinstance(item, np.generic) else item
    if is_scalar(found):
        return found
    with at(at_item(place)):
        raise CannotTravelError(
            f"real AIMM peers have no {kind_of(item)}", hint=".astype(str)"
        )


def _is_integer(label: object) -> bool:
    return isinstance(label, str) and _INTEGER.fullmatch(label) is not None
