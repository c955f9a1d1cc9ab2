"""Data to score, as chunks of records: DataFrames, lists and iterators.

A DataFrame gives one object for each row, a Series or array one value (or list) for
each item. Missing values (NaN, NA, NaT) of a DataFrame or Series become null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any

from .errors import FastScoreUsageError
from .results import is_frame
from .runtime.recordsets import from_recordset

__all__ = ["CHUNK_RECORDS", "ChunkSize", "Scorable", "chunks", "count_of"]

Scorable = Any
"""A DataFrame, Series, array, list or any iterable of JSON values."""

CHUNK_RECORDS = 4096
_FIRST_RECORDS = 64


class ChunkSize:
    """How many records make a chunk: as many as a number of bytes holds.

    Args:
        wanted_bytes: Of an encoded chunk; None: always `CHUNK_RECORDS`.

    Attributes:
        records: How many.
    """

    def __init__(self, wanted_bytes: int | None = None) -> None:
        self._wanted_bytes = wanted_bytes
        self.records = CHUNK_RECORDS if wanted_bytes is None else _FIRST_RECORDS

    def learn(self, records: int, size: int) -> None:
        """Note how many bytes some records have become."""
        if self._wanted_bytes is not None and records and size:
            fit = self._wanted_bytes * records // size
            self.records = max(1, min(fit, CHUNK_RECORDS))


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


def chunks(data: Scorable, size: ChunkSize | None = None) -> Iterator[list[Any]]:
    """Yield the records in order, some at a time; ``size`` may change meanwhile."""
    size = ChunkSize() if size is None else size
    cut = _cutter(data)
    if cut is None:
        records = iter(data)
        while chunk := list(islice(records, size.records)):
            yield chunk
        return
    start, total = 0, len(data)
    while start < total:
        stop = start + size.records
        yield cut(start, stop)
        start = stop


def _cutter(data: Scorable) -> Callable[[int, int], list[Any]] | None:
    """Return what gives the records between two places; None if there are no places."""
    if is_frame(data):
        return lambda start, stop: _rows(data.iloc[start:stop])
    if isinstance(data, list):
        return lambda start, stop: data[start:stop]
    if hasattr(data, "tolist") and hasattr(data, "isna"):
        return lambda start, stop: _items(data.iloc[start:stop])
    if hasattr(data, "tolist") and hasattr(data, "ndim"):
        return lambda start, stop: _plain(data[start:stop])
    return None


def _rows(part: Any) -> list[Any]:  # noqa: ANN401 - a DataFrame
    # Without its name: in a record set the name of an index means something.
    return from_recordset(part.rename_axis(index=None))


def _plain(part: Any) -> list[Any]:  # noqa: ANN401 - an array
    items: list[Any] = part.tolist()
    return items


def _items(column: Any) -> list[Any]:  # noqa: ANN401 - a Series
    items: list[Any] = column.tolist()
    missing = column.isna()
    if not missing.any():
        return items
    return [
        None if gone else item
        for item, gone in zip(items, missing.tolist(), strict=True)
    ]
