"""Data to score, as chunks of records: DataFrames, lists and iterators.

A DataFrame gives one object for each row, a Series or array one value (or list) for
each item. Missing values (NaN, NA, NaT) of a DataFrame or Series become null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import Any

from .errors import FastScoreUsageError
from .results import is_frame

__all__ = ["CHUNK_RECORDS", "Scorable", "chunks", "count_of"]

Scorable = Any
"""A DataFrame, Series, array, list or any iterable of JSON values."""

CHUNK_RECORDS = 4096


def count_of(data: Scorable) -> int | None:
    """Return how many records there are; None if only the end will tell.

    Raises:
        FastScoreUsageError: If the data are no collection of records.
    """
    if isinstance(data, str | bytes | dict) or not isinstance(data, Iterable):
        raise FastScoreUsageError(
            f"a {type(data).__name__} is no collection of records",
            hint="score([record]) scores a single one",
        )
    return len(data) if isinstance(data, Sized) else None


def chunks(data: Scorable, size: int = CHUNK_RECORDS) -> Iterator[list[Any]]:
    """Yield the records in order, some at a time."""
    if is_frame(data):
        names = [str(name) for name in data.columns]
        for start in range(0, len(data), size):
            part = data.iloc[start : start + size]
            columns = [_items(part.iloc[:, at]) for at in range(len(names))]
            if not columns:
                yield [{} for _ in range(len(part))]
                continue
            yield [
                dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)
            ]
    elif isinstance(data, list):
        for start in range(0, len(data), size):
            yield data[start : start + size]
    elif hasattr(data, "tolist") and hasattr(data, "isna"):
        for start in range(0, len(data), size):
            yield _items(data.iloc[start : start + size])
    elif hasattr(data, "tolist") and hasattr(data, "ndim"):
        for start in range(0, len(data), size):
            yield data[start : start + size].tolist()
    else:
        records = iter(data)
        while chunk := list(islice(records, size)):
            yield chunk


def _items(column: Any) -> list[Any]:  # noqa: ANN401 - a Series
    items: list[Any] = column.tolist()
    missing = column.isna()
    if not missing.any():
        return items
    return [
        None if gone else item
        for item, gone in zip(items, missing.tolist(), strict=True)
    ]
