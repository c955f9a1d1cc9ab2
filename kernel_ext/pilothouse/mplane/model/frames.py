"""Results as pandas DataFrames: one column for each result column, typed.

| primitive       | dtype                    |
|-----------------|--------------------------|
| natural         | Int64 (object if larger) |
| real            | Float64                  |
| boolean         | boolean                  |
| time            | datetime64[us, UTC]      |
| string, url     | string                   |
| address         | object (`ipaddress`)     |

``attrs`` has ``units`` (by column, where there is one), ``parameters``, ``metadata``
(both as text by name), ``when``, ``label``, ``token`` and ``verb``. Source: contract
§2.1. This module imports pandas; import it where a frame is made.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from .elements import ResultColumn

if TYPE_CHECKING:
    from .envelope import Envelope
    from .statements import Result

__all__ = ["envelope_frame", "result_frame"]

_DTYPES: Final = {
    "natural": "Int64",
    "real": "Float64",
    "boolean": "boolean",
    "string": "string",
    "url": "string",
    "address": "object",
}


def result_frame(result: Result) -> pd.DataFrame:
    """Return the rows of one result; the index counts them from 0."""
    count = result.count_result_rows()
    columns = [result.result_column(name) for name in result.result_column_names()]
    index = pd.RangeIndex(count)
    series = {each.name(): _series(each, index) for each in columns}
    frame = pd.DataFrame(series, index=index)
    frame.attrs.update(_attrs(result, columns))
    return frame


def envelope_frame(envelope: Envelope) -> pd.DataFrame:
    """Return the rows of all results in an envelope; the index is their start.

    Exceptions and other messages in the envelope have no rows. ``attrs`` are those of
    the first result, with label, token and scope of the envelope.
    """
    frames = []
    for message in envelope.messages():
        frame_of = getattr(message, "to_frame", None)
        if frame_of is None:
            continue
        frame = frame_of()
        if message.kind_str() == "result":
            start, _ = _scope(message).datetimes()
            starts = [_aware(start)] * len(frame)
            frame.index = pd.DatetimeIndex(
                starts, dtype="datetime64[us, UTC]", name="start"
            )
        frames.append(frame)
    if not frames:
        index = pd.DatetimeIndex([], dtype="datetime64[us, UTC]", name="start")
        return pd.DataFrame(index=index)
    attrs = dict(frames[0].attrs)
    for frame in frames:
        frame.attrs.clear()
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    whole: pd.DataFrame = pd.concat(filled)
    when = envelope.when()
    attrs |= {"label": envelope.get_label(), "token": envelope.get_token()}
    attrs |= {} if when is None else {"when": str(when)}
    whole.attrs.update(attrs)
    return whole


def _scope(message: Any) -> Any:  # noqa: ANN401 - a result has a scope
    return message.when()


def _aware(moment: datetime | None) -> pd.Timestamp | None:
    return None if moment is None else pd.Timestamp(moment.replace(tzinfo=UTC))


def _series(column: ResultColumn, index: pd.RangeIndex) -> pd.Series[Any]:
    values = [*column, *[None] * (len(index) - len(column))]
    kind = column.primitive_name()
    if kind == "time":
        return _times(values, index)
    try:
        return pd.Series(values, index=index, dtype=_DTYPES[kind])
    except (OverflowError, TypeError, ValueError):  # a natural beyond 64 bits
        return pd.Series(values, index=index, dtype="object")


def _times(values: list[Any], index: pd.RangeIndex) -> pd.Series[Any]:
    if any(value is not None and not isinstance(value, datetime) for value in values):
        return pd.Series(values, index=index, dtype="object")  # now, past or future
    moments = [None if value is None else value.replace(tzinfo=UTC) for value in values]
    return pd.Series(moments, index=index, dtype="datetime64[us, UTC]")


def _attrs(result: Result, columns: list[ResultColumn]) -> dict[str, Any]:
    return {
        "label": result.get_label(),
        "token": result.get_token(),
        "verb": result.verb(),
        "when": str(result.when()),
        "units": {each.name(): each.unit() for each in columns if each.unit()},
        "parameters": {
            name: result.parameter(name).wire() for name in result.parameter_names()
        },
        "metadata": {
            name: str(value) for name, value in result.metadata_values().items()
        },
    }
