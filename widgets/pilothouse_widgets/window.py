"""The rolling window of a chart, and its two binary forms: append and snapshot.

    append   = {"seq", "blocks": [block...]}, one buffer
    snapshot = {"seq", "blocks": [block...], "data": buffer}     ; the whole window
    block    = [series..], [first..], count, x0, "f" / "d"
    buffer   = for each block: x - x0 as float32, padded to 8 bytes,
               then for each of its series y as float32 ("f") or float64 ("d"),
               each padded to 8 bytes; all little-endian

x is one ascending column for all series of a block, as offsets from ``x0``; y is
float32 only where that loses nothing, so that the browser shows the kernel's own
numbers. ``first`` numbers the points of each series since the beginning: a browser that
holds a snapshot skips what it has, and asks for the window when it has missed
something.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Window"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Block:
    """Points of several series over one x, and the number of each one's first point."""

    series: tuple[int, ...]
    first: tuple[int, ...]
    x: Floats
    columns: tuple[Floats, ...]


class Window:
    """Series over one axis, the newest points of each; safe for any thread.

    Args:
        series: How many series.
        points: Most points kept of each.
        span: Width of the window in units of x; 0 keeps ``points`` points.

    Raises:
        ValueError: If there is no series or no point to keep.
    """

    def __init__(self, series: int, *, points: int, span: float = 0.0) -> None:
        if series < 1 or points < 2:
            raise ValueError(f"{series} series of {points} points make no chart")
        self.points = points
        self.span = span
        self.seq = 0
        self._lock = threading.Lock()
        self._kept = [_Ring(points) for _ in range(series)]
        self._fresh: list[_Block] = []
        self._fresh_points = 0

    def add(self, x: Floats, columns: Mapping[int, Floats]) -> None:
        """Add points: one x, one column for each series told by its index.

        Raises:
            ValueError: If a column is not as long as x.
        """
        for index, column in columns.items():
            if column.shape != x.shape:
                raise ValueError(
                    f"series {index} has {column.size} values for {x.size} x"
                )
        if not columns or not x.size:
            return
        skipped = max(len(x) - self.points, 0)
        x = x[skipped:]
        series = tuple(columns)
        kept = tuple(column[skipped:] for column in columns.values())
        with self._lock:
            first = tuple(self._kept[index].skip(skipped) for index in series)
            for index, column in zip(series, kept, strict=True):
                self._kept[index].add(x, column)
            self._fresh.append(_Block(series, first, x, kept))
            self._fresh_points += len(x)
            self._drop_stale()

    def _drop_stale(self) -> None:
        """Keep no more unsent points than the window shows."""
        limit = self.points * len(self._kept)
        while self._fresh_points - len(self._fresh[0].x) >= limit:
            self._fresh_points -= len(self._fresh.pop(0).x)

    @property
    def waiting(self) -> bool:
        """Whether points were added since the last `take`."""
        return bool(self._fresh)

    def take(self) -> tuple[dict[str, Any], bytes]:
        """Return what was added since the last call as one append."""
        with self._lock:
            fresh, self._fresh, self._fresh_points = self._fresh, [], 0
            self.seq += 1
            seq = self.seq
        blocks, data = _encode(_merged(fresh))
        return {"seq": seq, "blocks": blocks}, data

    def snapshot(self) -> dict[str, Any]:
        """Return the whole window, with what no append has carried yet."""
        with self._lock:
            seq = self.seq
            whole = [
                _Block((index,), (ring.total - len(x),), x, (y,))
                for index, ring in enumerate(self._kept)
                for x, y in [ring.arrays(self.span)]
                if len(x)
            ]
        blocks, data = _encode(whole)
        return {"seq": seq, "blocks": blocks, "data": data}

    def column(self, index: int) -> tuple[Floats, Floats]:
        """Return x and y of one series, copies, as far as the window reaches."""
        with self._lock:
            return self._kept[index].arrays(self.span)


class _Ring:
    """The last points of one series, in arrays twice as long as needed.

    Points are written at the end; when it is reached the newest half moves to the
    front, so that adding is a slice copy and reading a view.
    """

    def __init__(self, points: int) -> None:
        self._points = points
        self._x = np.empty(2 * points)
        self._y = np.empty(2 * points)
        self._end = 0
        self.total = 0

    def skip(self, points: int) -> int:
        """Count points that will not be kept; return the number of the next one."""
        self.total += points
        return self.total

    def add(self, x: Floats, y: Floats) -> None:
        fresh = len(x)
        if self._end + fresh > len(self._x):
            keep = self._points - fresh
            start = max(self._end - keep, 0)
            kept = self._end - start
            self._x[:kept] = self._x[start : self._end]
            self._y[:kept] = self._y[start : self._end]
            self._end = kept
        self._x[self._end : self._end + fresh] = x
        self._y[self._end : self._end + fresh] = y
        self._end += fresh
        self.total += fresh

    def arrays(self, span: float) -> tuple[Floats, Floats]:
        start = max(self._end - self._points, 0)
        x = self._x[start : self._end]
        if span and len(x):
            start += int(np.searchsorted(x, x[-1] - span))
        return self._x[start : self._end].copy(), self._y[start : self._end].copy()


def _merged(blocks: Sequence[_Block]) -> list[_Block]:
    """Join neighbouring blocks of the same series."""
    merged: list[list[_Block]] = []
    for block in blocks:
        if merged and merged[-1][0].series == block.series:
            merged[-1].append(block)
        else:
            merged.append([block])
    return [group[0] if len(group) == 1 else _joined(group) for group in merged]


def _joined(group: Sequence[_Block]) -> _Block:
    columns = zip(*(block.columns for block in group), strict=True)
    return _Block(
        group[0].series,
        group[0].first,
        np.concatenate([block.x for block in group]),
        tuple(np.concatenate(parts) for parts in columns),
    )


def _encode(blocks: Sequence[_Block]) -> tuple[list[list[Any]], bytes]:
    described: list[list[Any]] = []
    parts: list[bytes] = []
    for block in blocks:
        x0 = float(block.x[0])
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = [column.astype("<f4") for column in block.columns]
        exact = all(map(_same, narrow, block.columns))
        kind = "f" if exact else "d"
        described.append(
            [list(block.series), list(block.first), len(block.x), x0, kind]
        )
        wide = narrow if exact else [column.astype("<f8") for column in block.columns]
        parts.append(_padded((block.x - x0).astype("<f4")))
        parts.extend(map(_padded, wide))
    return described, b"".join(parts)


def _same(narrow: npt.NDArray[Any], column: Floats) -> bool:
    return bool(np.array_equal(narrow, column, equal_nan=True))


def _padded(column: npt.NDArray[Any]) -> bytes:
    data = column.tobytes()
    return data + bytes(-len(data) % 8)
