"""One input slot: queued records, and when a batch of them is due.

    normal      at the watermark, after the nagle time, before a control record; a slot
                without record sets also at once when a jet has nothing to do
    explicit    only before a control record and at the end

A slot without record sets hands long batches out in parts, as many records at once as
its taker says: its model sees one record at a time anyway. A record set stays whole.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.fastscore.wire.controls import Control, ControlRecord
from pilothouse.fastscore.wire.streams import Batching

from .records import Batch, Block, Chunk, Entry, Records, cut, joined

__all__ = [
    "END",
    "Due",
    "End",
    "Intake",
]

MAX_PART_BYTES = 4 * 1024 * 1024
MAX_SET_BYTES = 1024 * 1024 * 1024
"""Longest record set; a longer one is handed out in parts."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of an input."""


END = End()
Due = Batch | ControlRecord | End


class Intake:
    """Queue of one input slot.

    Args:
        slot: Its number.
        batching: When batches end.
        recordsets: Whether the model takes record sets here.
        clock: Gives seconds.

    Attributes:
        size: Bytes that wait.
        records: Records that wait.
        read: Records that were put in.
        is_closed: Whether its end was put in: what comes later is refused.
        is_ended: Whether its end was taken out.
        header: The header row of csv, once it has come.
    """

    def __init__(
        self,
        slot: int,
        batching: Batching,
        *,
        recordsets: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slot = slot
        self.batching = batching
        self.recordsets = recordsets
        self.size = 0
        self.records = 0
        self.read = 0
        self.is_closed = False
        self.is_ended = False
        self.header: bytes | None = None
        self._clock = clock
        self._entries: deque[tuple[Entry | End, float]] = deque()
        self._marks = 0
        self._seqno = 1
        self._has_open_set = False

    def put(self, entry: Entry) -> None:
        """Add records or a control record; after the end nothing is taken."""
        if self.is_closed:
            return
        if isinstance(entry, ControlRecord):
            if entry.control is Control.END:
                self.close()
                return
            self._marks += 1
        else:
            if not entry.count:
                return
            self.size += len(entry)
            self.records += entry.count
            self.read += entry.count
        self._entries.append((entry, self._clock()))

    def take_over(self, other: Intake) -> None:
        """Take what waits in another queue, which is given up."""
        self._entries, self._marks = other._entries, other._marks
        self.size, self.records, self.read = other.size, other.records, other.read
        self.header, self._seqno = other.header, other._seqno
        self._has_open_set = other._has_open_set
        if other.is_closed:  # the new stream goes on where the old one ended
            self._entries = deque(e for e in self._entries if not isinstance(e[0], End))
            self._marks -= 1 if not other.is_ended else 0

    def drop(self) -> int:
        """Forget the records that wait, and return how many; a pig stays, and the end.

        What was handed out already is done all the same.
        """
        dropped = self.records
        kept = [e for e in self._entries if e[0] is END or _is_pig(e[0])]
        self._entries = deque(kept)
        self._marks = len(kept)
        self.size = self.records = 0
        self._has_open_set = False
        return dropped

    def close(self) -> None:
        """Add the end."""
        if not self.is_closed:
            self.is_closed = True
            self._marks += 1
            self._entries.append((END, self._clock()))

    def take(self, *, eager: bool, limit: int = sys.maxsize) -> Due | None:
        """Return what is due now.

        Args:
            eager: A jet is idle: hand out also less than a full batch.
            limit: Most records at once; nothing to a slot with record sets.
        """
        if self.recordsets:
            limit = sys.maxsize
        while self._entries:
            first = self._entries[0][0]
            if isinstance(first, End):
                self._pop_mark()
                self.is_ended = True
                return first
            if not isinstance(first, ControlRecord):
                return self._take_batch(limit) if self._is_due(eager, limit) else None
            self._pop_mark()
            was_open, self._has_open_set = self._has_open_set, False
            if first.control is Control.PIG:
                return first
            if self.recordsets and not was_open:
                return self._batch([])  # two "set" in a row: an empty set
        return None

    def deadline(self) -> float | None:
        """Return when the oldest waiting record is due, on the clock."""
        nagle = self.batching.nagle_time
        if not self.records or nagle is None:
            return None
        return self._entries[0][1] + nagle / 1000

    @property
    def can_be_emptied(self) -> bool:
        """Whether waiting helps: something is due, or will be when time passes.

        An explicit record set that goes on for long has to come in whole.
        """
        explicit_set = self.recordsets and self.batching.watermark is None
        return not explicit_set or self._marks > 0 or self.size >= MAX_SET_BYTES

    def _is_due(self, eager: bool, limit: int) -> bool:
        if self._marks:
            return True
        watermark = self.batching.watermark
        if watermark is not None and self.records >= min(watermark, limit):
            return True
        if self.size >= MAX_SET_BYTES:
            return True
        if not self.recordsets:
            if self.batching.is_explicit:
                return self.size >= MAX_PART_BYTES
            if eager:
                return True
        deadline = self.deadline()
        return deadline is not None and self._clock() >= deadline

    def _pop_mark(self) -> None:
        self._entries.popleft()
        self._marks -= 1

    def _take_batch(self, limit: int) -> Batch:
        limit = min(limit, self.batching.watermark or self.records)
        taken: list[Chunk] = []
        while limit and self._entries:
            entry, when = self._entries[0]
            if not isinstance(entry, Block | Records):
                break
            if taken and type(entry) is not type(taken[0]):
                break
            self._entries.popleft()
            if entry.count > limit:
                entry, rest = cut(entry, limit)
                self._entries.appendleft((rest, when))
            limit -= entry.count
            taken.append(entry)
        self._has_open_set = not self._swallow_set()
        return self._batch(taken)

    def _swallow_set(self) -> bool:
        """Take the "set" that ends the batch just taken, if it is there."""
        if not self._entries:
            return False
        first = self._entries[0][0]
        if isinstance(first, ControlRecord) and first.control is Control.SET:
            self._pop_mark()
            return True
        return False

    def _batch(self, chunks: list[Chunk]) -> Batch:
        data, count, bounds = joined(chunks)
        separator = (
            chunks[0].separator if chunks and isinstance(chunks[0], Block) else b""
        )
        batch = Batch(
            slot=self.slot,
            data=data,
            count=count,
            seqno=self._seqno,
            bounds=bounds,
            separator=separator or b"\n",
            header=self.header,
        )
        self._seqno += count
        self.size -= len(data)
        self.records -= count
        return batch


def _is_pig(entry: Entry | End) -> bool:
    return isinstance(entry, ControlRecord) and entry.control is Control.PIG
