"""An iterable, cut into batches that fit.

Sequences that slice to the same thing (range, list, tuple, array) are sliced, and so a
range travels as a range; anything else is iterated, in one thread, never further than
asked. What the iterable raises comes behind the items before it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import dill

from .errors import ItemError, PackingError
from .packing.packer import Packed
from .wire.gz import bounded_gunzip, gzip

__all__ = ["Batch", "Source", "squeeze"]

_SLICED: Final = (range, list, tuple)
_GZIP: Final = b"\x1f\x8b"
_SAMPLE: Final = 1 << 16
_MOST_UNSIZED: Final = 1 << 14
_MOST_RAW: Final = 64 * 2**20


@dataclass(slots=True, eq=False)
class Batch:
    """Some items on their way.

    Attributes:
        index: Number of the first one in the whole.
        count: How many.
        data: Their pickle, gzipped once it has been sent to a service.
        packed: The function that goes with them.
        deaths: Workers that have died of it.
        tries: How often it was damaged on the way back.
    """

    index: int
    count: int
    data: bytes = field(repr=False)
    packed: Packed
    deaths: int = 0
    tries: int = 0

    @property
    def end(self) -> int:
        """Number of the first item behind it."""
        return self.index + self.count

    def items(self) -> Any:  # noqa: ANN401
        """Return the items, as a sequence."""
        data = self.data
        if data.startswith(_GZIP):
            data = bounded_gunzip(data, sys.maxsize - 1)
        return dill.loads(data)

    def squeezed(self) -> bytes:
        """Return the pickle, gzipped, and keep it in this form only."""
        data = self.data  # once: two threads may send it
        if not data.startswith(_GZIP):
            self.data = data = squeeze(data)
        return data

    def part(self, start: int, stop: int) -> Batch:
        """Return a batch of some of the items; numbers are of this batch."""
        from .shared import sharing

        items = self.items()[start:stop]
        data = sharing.Writer().dumps(items)
        return Batch(self.index + start, stop - start, data, self.packed)


def squeeze(data: bytes) -> bytes:
    """Return data as gzip; stored as it is where compressing gains nothing."""
    sample = data[:_SAMPLE]
    if len(data) > _SAMPLE and len(gzip(sample)) > 0.9 * len(sample):
        return gzip(data, 0)
    return gzip(data)


class Source:
    """Gives batches of an iterable, one after another; for one thread.

    Args:
        items: What to map over.
        dumps: Pickles a batch.
        limit: Most bytes of a batch on the way.

    Attributes:
        total: How many items there are; None: not known.
        taken: Items taken so far; also the number of the one that comes next.
        is_over: Whether nothing is left.
        error: What the iterable raised.

    Raises:
        TypeError: If it cannot be iterated.
    """

    def __init__(
        self, items: Iterable[Any], dumps: Callable[[Any], bytes], limit: int
    ) -> None:
        self._dumps = dumps
        self._limit = limit
        self._sequence: Any = None
        self._iterator: Iterator[Any] = iter(())
        if type(items) in _SLICED or _is_array(items):
            self._sequence = items
        else:
            self._iterator = iter(items)
        self.total: int | None = len(items) if isinstance(items, Sized) else None
        self.taken = 0
        self.is_over = self.total == 0
        self.error: BaseException | None = None
        self._left: list[Any] = []
        self._bytes_each = 0.0

    def take(self, count: int) -> Any:  # noqa: ANN401 - a slice of whatever it is
        """Return the next items, at most so many; fewer when the end is near."""
        if self._left:
            items, self._left = self._left[:count], self._left[count:]
            self.taken += len(items)
            return items
        if self._sequence is not None:
            items = self._sequence[self.taken : self.taken + count]
            self.taken += len(items)
            self.is_over = self.taken >= len(self._sequence)
            return items
        kept: list[Any] = []
        try:
            kept.extend(islice(self._iterator, count))
        except Exception as exc:
            self.error = exc
        self.taken += len(kept)
        if len(kept) < count:
            self.is_over = True
        return kept

    @property
    def has_more(self) -> bool:
        """Whether there may be another batch."""
        return bool(self._left) or not self.is_over

    def cut(
        self, count: int, pack: Callable[[], Packed], *, is_limited: bool
    ) -> Batch | None:
        """Return the next batch; None when nothing is left.

        Args:
            count: Items wished for; fewer come when they are large.
            pack: Gives the function.
            is_limited: Whether it has to fit into a request.

        Raises:
            ItemError: If a single item is too large.
            PackingError: If one cannot be pickled.
        """
        count = max(1, min(count, self._room()))
        first = self.taken
        items = self.take(count)
        size = len(items)
        if not size:
            return None
        while True:
            data = self._pickled(items, first)
            if not self._is_too_large(data, size, is_limited):
                break
            if size == 1:
                raise ItemError(
                    f"item {first} is {len(data):,} bytes, pickled and compressed "
                    f"{len(squeeze(data)):,}; at most {self._limit:,} can be sent",
                    index=first,
                    hint="send less in an item, for instance a path to read there; or "
                    "raise max_batch_bytes, if the service takes more",
                )
            half = size // 2
            self.put_back(items[half:])
            items, size = items[:half], half
        self._bytes_each = len(data) / size
        return Batch(first, size, data, pack())

    def _room(self) -> int:
        room = sys.maxsize if self._sequence is not None else _MOST_UNSIZED
        if self.total is not None and self._sequence is None:
            room = max(room, self.total // 50)
        if self._bytes_each > 0:
            room = min(room, int(min(self._limit, _MOST_RAW) / self._bytes_each) or 1)
        return room

    def peek(self) -> bool:
        """Look whether there is an item at all; it comes next."""
        if self._sequence is None and self.has_more:
            self.put_back(self.take(1))
        return self.has_more

    def put_back(self, items: Any) -> None:  # noqa: ANN401
        """Take back the last items that were taken; they come next."""
        self.taken -= len(items)
        if self._sequence is None:
            self._left = [*items, *self._left]
        else:
            self.is_over = False

    def _is_too_large(self, data: bytes, size: int, is_limited: bool) -> bool:
        if len(data) > _MOST_RAW and size > 1:
            return True
        if not is_limited or len(data) <= self._limit - 1024:
            return False
        return size > 1 or len(squeeze(data)) > self._limit

    def _pickled(self, items: Any, first: int) -> bytes:  # noqa: ANN401
        try:
            return self._dumps(items)
        except Exception as exc:
            for number, item in enumerate(items, start=first):
                try:
                    self._dumps(item)
                except Exception as found:
                    raise PackingError(
                        f"item {number} cannot be pickled: "
                        f"{type(found).__name__}: {found}",
                        index=number,
                        item=_short(item),
                    ) from found
            raise PackingError(f"items cannot be pickled: {exc}") from exc


def _is_array(items: Any) -> bool:  # noqa: ANN401
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(items) is numpy.ndarray and items.ndim > 0


def _short(item: object) -> str:
    import reprlib

    try:
        return reprlib.repr(item)
    except Exception:  # a repr of the user's own
        return f"<{type(item).__name__}>"
