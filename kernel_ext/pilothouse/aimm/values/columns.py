"""Columns of pandas, in our lossless encoding.

column = numpy_array
       | {"dtype": "datetime64[ns, UTC]", "i8": numpy_array}      also period[M]
       | {"dtype": "category", "codes": numpy_array, "categories": column,
          "ordered": false, ["freq": "D"]}
       | {"dtype": "Int64", "values": numpy_array, "mask": numpy_array}
       | {"dtype": "str" / "string", "list": [text / null]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from pilothouse.errors import ProtocolError

from .arrays import TAG, decode_bytes, encode_bytes
from .refusal import CannotTravelError

__all__ = ["decode_column", "encode_column", "freq_of", "with_freq"]

_MASKED: Final = {
    "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64",
    "Float32", "Float64", "boolean",
}  # fmt: skip
_ZONED: Final = re.compile(r"datetime64\[(?:s|ms|us|ns), [A-Za-z0-9_+:/-]{1,64}\]")
_PERIOD: Final = re.compile(r"period\[[A-Za-z0-9-]{1,16}\]")
_MAX_DEPTH: Final = 3


def encode_column(column: Any) -> dict[str, Any]:  # noqa: ANN401  Series or Index
    """Return the JSON of a column's values, of its dtype exactly.

    Raises:
        CannotTravelError: If its dtype has no form here.
    """
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return encode_bytes(column.to_numpy())
    name = str(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        return {
            "dtype": "category",
            "codes": encode_bytes(np.asarray(column.array.codes)),
            "categories": encode_column(dtype.categories),
            "ordered": bool(dtype.ordered),
            **freq_of(dtype.categories),
        }
    if isinstance(dtype, pd.DatetimeTZDtype | pd.PeriodDtype):
        _check_named(name, dtype)
        return {"dtype": name, "i8": encode_bytes(np.asarray(column.array.asi8))}
    if name in _MASKED:
        mask = np.asarray(column.isna())
        values = column.array.to_numpy(dtype.numpy_dtype, na_value=dtype.type(0))
        return {
            "dtype": name,
            "values": encode_bytes(values),
            "mask": encode_bytes(mask),
        }
    if isinstance(dtype, pd.StringDtype):
        missing = column.isna()
        texts = column.to_numpy(dtype=object).tolist()
        return {
            "dtype": "str" if dtype.na_value is not pd.NA else "string",
            "list": [
                None if gone else text
                for text, gone in zip(texts, missing, strict=True)
            ],
        }
    raise CannotTravelError(
        f"a column of dtype {name}", hint="a dtype of numpy: .astype(...)"
    )


def decode_column(obj: object, depth: int = 0) -> Any:  # noqa: ANN401  an array
    """Return the values of a column: an array of numpy or of pandas.

    Raises:
        ProtocolError: If its parts do not fit.
    """
    if not isinstance(obj, Mapping) or depth > _MAX_DEPTH:
        raise ProtocolError("a column of a frame is none")
    if obj.get("type") == TAG:
        return decode_bytes(dict(obj))
    name = obj.get("dtype")
    try:
        return _decode(str(name), obj, depth)
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise ProtocolError(f"a column of dtype {name!r} does not fit: {exc}") from None


def _decode(name: str, obj: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401
    if name == "category":
        found = decode_column(obj["categories"], depth + 1)
        categories = with_freq(pd.Index(found, dtype=found.dtype), obj.get("freq"))
        return pd.Categorical.from_codes(
            decode_bytes(obj["codes"]),
            categories=categories,
            ordered=obj.get("ordered") is True,
        )
    if name in _MASKED:
        values = decode_bytes(obj["values"])
        mask = decode_bytes(obj["mask"])
        dtype = pd.api.types.pandas_dtype(name)
        return dtype.construct_array_type()(values, mask)  # type: ignore[call-arg, union-attr]
    if name in {"str", "string"}:
        dtype = pd.StringDtype(na_value=np.nan) if name == "str" else pd.StringDtype()
        texts = obj["list"]
        if not isinstance(texts, list) or not all(
            text is None or isinstance(text, str) for text in texts
        ):
            raise TypeError("its list holds more than texts")
        return pd.array(texts, dtype=dtype)
    if _ZONED.fullmatch(name):
        unit = name.removeprefix("datetime64[").split(",")[0]
        stamps = decode_bytes(obj["i8"]).view(f"M8[{unit}]")
        zone = name.split(", ")[1].rstrip("]")
        return pd.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(zone).array
    if _PERIOD.fullmatch(name):
        ordinals = decode_bytes(obj["i8"])
        return pd.arrays.PeriodArray(ordinals, dtype=pd.PeriodDtype(name[7:-1]))
    raise ProtocolError(f"a column of dtype {name!r} is not known here")


def freq_of(index: pd.Index[Any]) -> dict[str, str]:
    """Return the ``freq`` of a time axis; empty where a text does not say all of it."""
    freq = getattr(index, "freq", None)
    if freq is None or not isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        return {}
    try:
        is_said = pd.tseries.frequencies.to_offset(freq.freqstr) == freq
    except ValueError:
        return {}
    return {"freq": freq.freqstr} if is_said else {}


def with_freq(index: pd.Index[Any], freq: object) -> pd.Index[Any]:
    """Return a time axis with its ``freq``; another axis, or none told, as it is."""
    if freq is None or not isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        return index
    return type(index)(index, freq=str(freq)).rename(index.name)


def _check_named(name: str, dtype: pd.DatetimeTZDtype | pd.PeriodDtype) -> None:
    """Refuse a dtype whose name stands for another one, or for none."""
    try:
        is_said = _named(name) == dtype
    except (TypeError, ValueError, KeyError):
        is_said = False
    if not is_said:
        raise CannotTravelError(
            f"a column of dtype {name}, whose name does not tell all of it",
            hint='a named zone: .dt.tz_convert("UTC")',
        )


def _named(name: str) -> object:
    if _PERIOD.fullmatch(name):
        return pd.PeriodDtype(name[7:-1])
    if not _ZONED.fullmatch(name):
        return None
    unit, zone = name.removeprefix("datetime64[").removesuffix("]").split(", ")
    moments = pd.DatetimeIndex([], dtype=f"datetime64[{unit}]")
    return moments.tz_localize("UTC").tz_convert(zone).dtype
