"""Records on their way, still as bytes: blocks, lists of records, batches.

    Block      records that each end with a separator (a last one may lack it)
    Records    records one by one, where the transport keeps them apart

The service never parses a record; it only counts and cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pilothouse.fastscore.wire.controls import ControlRecord

__all__ = [
    "Batch",
    "Block",
    "Chunk",
    "Records",
    "cut",
    "joined",
]


@dataclass(slots=True)
class Block:
    """Records in one piece of bytes, each followed by `separator`.

    Attributes:
        count: How many records; a last one without a separator counts.
    """

    data: bytes
    count: int
    separator: bytes = b"\n"

    def __len__(self) -> int:
        return len(self.data)


@dataclass(slots=True)
class Records:
    """Records one by one."""

    items: list[bytes]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.items))

    @property
    def count(self) -> int:
        """How many records."""
        return len(self.items)

    def __len__(self) -> int:
        return self.size


Chunk: TypeAlias = Block | Records
Entry: TypeAlias = Chunk | ControlRecord


@dataclass(slots=True)
class Batch:
    """What one jet scores in one go.

    Attributes:
        slot: Input slot.
        seqno: Number of its first record on that slot, from 1.
        bounds: Lengths of the records; ``None`` if they end with separators.
        header: The header row of csv, where the stream has one.
        deaths: How many jets were killed from outside while they held it.
    """

    slot: int
    data: bytes
    count: int
    seqno: int
    bounds: list[int] | None
    separator: bytes = b"\n"
    header: bytes | None = None
    deaths: int = 0

    def texts(self, first: int, count: int) -> list[str]:
        """Return some records as text, for a report; bytes that are none escaped."""
        items = self.records()[first : first + count]
        return [item.decode("utf-8", "backslashreplace") for item in items]

    def records(self) -> list[bytes]:
        """Return the records one by one."""
        if self.bounds is None:
            return self.data.split(self.separator)[: self.count]
        items, start = [], 0
        for length in self.bounds:
            items.append(self.data[start : start + length])
            start += length
        return items


def cut(chunk: Chunk, count: int) -> tuple[Chunk, Chunk]:
    """Return a chunk as two, the first with `count` records (fewer than it has)."""
    if isinstance(chunk, Records):
        return Records(chunk.items[:count]), Records(chunk.items[count:])
    at = _end_of(chunk.data, chunk.separator, count, chunk.count)
    return (
        Block(chunk.data[:at], count, chunk.separator),
        Block(chunk.data[at:], chunk.count - count, chunk.separator),
    )


def _end_of(
    data: bytes, separator: bytes, count: int, total: int, start: int = 0
) -> int:
    """Return the offset behind record `count` of `total` that begin at `start`.

    Counting is many times faster than finding one by one: jump to where the record
    should end, count, and walk the rest.
    """
    width = len(separator)
    while count > 8 and width == 1:
        stop = data.rfind(
            separator, start, start + (len(data) - start) * count // total
        )
        passed = data.count(separator, start, stop + 1) if stop >= 0 else 0
        if not passed:
            break
        if passed > count:
            total = max(count + 1, total * passed // count)  # shorter in front
            continue
        start, count, total = stop + 1, count - passed, total - passed
    for _ in range(count):
        start = data.index(separator, start) + width
    return start


def joined(chunks: Sequence[Chunk]) -> tuple[bytes, int, list[int] | None]:
    """Return chunks of one kind as data, count of records and bounds."""
    if chunks and isinstance(chunks[0], Records):
        items = [item for chunk in chunks for item in _items(chunk)]
        return b"".join(items), len(items), [len(item) for item in items]
    blocks = [chunk for chunk in chunks if isinstance(chunk, Block)]
    data = blocks[0].data if len(blocks) == 1 else b"".join(b.data for b in blocks)
    return data, sum(block.count for block in blocks), None


def _items(chunk: Chunk) -> list[bytes]:
    return chunk.items if isinstance(chunk, Records) else []
