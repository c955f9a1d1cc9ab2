"""What one map shares between who feeds it, its lanes, and who reads results.

    iterable --feed--> pending --take--> a lane --deliver--> parts, in order --> reader

One thread feeds (the caller's, or a run's own); lanes take batches, and bring results
or failures. A failure at an item lets everything before it come first, as `map` would.
All state is behind one condition; nothing of the user's runs inside it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from pilothouse import waits

from .batches import Batch
from .errors import FastmapException, ItemError, RunCancelledError
from .pace import Pace
from .packing.packer import Packed
from .progress import Progress, State
from .tally import Tally

__all__ = ["Cutter", "Flow", "Packs", "join"]

_TELL_SECONDS: Final = 0.05
_AHEAD_BYTES: Final = 48 * 2**20
_log = logging.getLogger(__name__)


class Packs(Protocol):
    """Packs a function; a `Packer`, for instance."""

    @property
    def name(self) -> str:
        """The function's."""

    def pack(self) -> Packed:
        """Return the function, packed."""

    def has_news(self) -> bool:
        """Tell whether it has to be packed anew."""


class Cutter(Protocol):
    """Gives batches; a `Source`, for instance."""

    total: int | None
    taken: int
    error: BaseException | None

    @property
    def has_more(self) -> bool:
        """Whether there may be another batch."""

    def peek(self) -> bool:
        """Look whether there is anything at all."""

    def cut(
        self, count: int, pack: Callable[[], Packed], *, is_limited: bool
    ) -> Batch | None:
        """Return the next batch, None at the end."""


class Flow:
    """The state of one map.

    Args:
        packer: Packs the function, and batches.
        source: Gives the batches.
        pace: Says how large they are.
        is_kept: Whether results are kept, or gone once read.
        is_ordered: Whether results come in the order of items.
        return_exceptions: Whether an item that fails gives its exception as result.
        is_limited: Whether a batch has to fit into a request.

    Attributes:
        lock: Guards everything else.
        tally: What was counted.
        state: Where it is.
        failure: Why it has failed.
        outcome: How it has ended, in words.
        parts: Results that are there, by number of the first item, if kept.
        lanes: How many workers there are.
        stopping: Set when lanes have to end.
        is_handed_over: Set when lanes take no more, as all goes elsewhere.
    """

    def __init__(
        self,
        packer: Packs,
        source: Cutter,
        pace: Pace,
        *,
        is_kept: bool,
        is_ordered: bool,
        return_exceptions: bool,
        is_limited: bool,
    ) -> None:
        self.lock = waits.Condition()
        self.packer = packer
        self.tally = Tally(source.total)
        self.state = State.PREPARING
        self.failure: BaseException | None = None
        self.outcome = ""
        self.parts: dict[int, list[Any]] = {}
        self.ready: deque[tuple[int, list[Any]]] = deque()
        self.order: list[int] = []
        self.lanes = 0
        self.stopping = waits.Event()
        self.return_exceptions = return_exceptions
        self.logs: deque[str] = deque(maxlen=1000)
        self.offset = source.taken
        self._source = source
        self._pace = pace
        self._is_kept = is_kept
        self._is_ordered = is_ordered
        self._is_limited = is_limited
        self._packed: Packed | None = None
        self._pending: deque[Batch] = deque()
        self._open: set[Batch] = set()
        self._waiting: dict[int, list[Any]] = {}
        self._sizes: dict[int, int] = {}
        self._next = source.taken
        self._stop_at: tuple[int, BaseException] | None = None
        self._is_fed = False
        self._idle = 0
        self._feeding = threading.Lock()
        self.is_handed_over = False
        self._watchers: list[Callable[[], object]] = []
        self._told_at = 0.0

    # -- who feeds -------------------------------------------------------------------

    def pack(self) -> Packed:
        """Return the function, packed.

        Raises:
            PackingError: If it cannot be.
        """
        if self._packed is None:
            self._packed = self.packer.pack()
        return self._packed

    @property
    def packed(self) -> Packed | None:
        """The function, if it is packed already."""
        return self._packed

    @property
    def is_fed(self) -> bool:
        """Whether all batches are cut."""
        return self._is_fed

    def has_items(self) -> bool:
        """Look whether there is anything to map; without it, it is over."""
        with self._feeding:
            if self._source.peek():
                return True
            with self.lock:
                self._is_fed = True
                if self._source.error is not None:
                    self._note_stop(self._source.taken, self._source.error)
                self.tally.total = 0
                self._settle()
                self.lock.notify_all()
        self.tell(at_once=True)
        return False

    def feed(self) -> None:
        """Cut as many batches as can be used now."""
        with self._feeding:
            self._feed()

    def _feed(self) -> None:
        while self._wants_more():
            try:
                batch = self._cut()
            except FastmapException as exc:
                self.fail_at(exc.index, exc)
                batch = None
            with self.lock:
                if batch is not None:
                    self._pending.append(batch)
                self._is_fed = not self._source.has_more or self._stop_at is not None
                if self._is_fed and self._source.error is not None:
                    self._note_stop(self._source.taken, self._source.error)
                if self._is_fed and self.tally.total is None:
                    self.tally.total = self._source.taken - self.offset
                self._settle()
                self.lock.notify_all()

    def _wants_more(self) -> bool:
        with self.lock:
            if self._is_fed or self.stopping.is_set() or self.state.is_over:
                return False
            if not self._source.has_more:
                self._is_fed = True
                self._settle()
                return False
            waiting = len(self._pending)
            ahead = waiting + len(self._open) + len(self._waiting)
            if not self._is_kept:
                ahead += len(self.ready)
            if self.is_handed_over:
                return waiting < 2
            size = sum(len(each.data) for each in (*self._pending, *self._open))
            size += 0 if self._is_kept else sum(self._sizes.values())
            return (
                waiting < self._idle + max(1, self.lanes // 2)
                and (self._is_kept or ahead < 4 * self.lanes + 4)
                and (size < _AHEAD_BYTES or not (ahead or waiting))
            )

    def _cut(self) -> Batch | None:
        source = self._source
        left = None if source.total is None else source.total - source.taken
        count = self._pace.size(self.lanes, left)
        batch = source.cut(count, self.pack, is_limited=self._is_limited)
        if batch is not None and self.packer.has_news():
            self._packed = batch.packed = self.packer.pack()
        return batch

    def wait_for_work(self, seconds: float = 0.5) -> None:
        """Wait until there may be something to feed or to read."""
        with self.lock:
            if not self.state.is_over and not self.ready:
                self.lock.wait(seconds)

    # -- lanes -----------------------------------------------------------------------

    def take(self) -> Batch | None:
        """Return a batch to be done; wait for one; None: nothing will come."""
        with self.lock:
            self._idle += 1
            self.lock.notify_all()
            try:
                while not (
                    self.stopping.is_set() or self.state.is_over or self.is_handed_over
                ):
                    while self._pending:
                        batch = self._pending.popleft()
                        if self._stop_at is None or batch.index < self._stop_at[0]:
                            self._open.add(batch)
                            if self.state is State.PREPARING:
                                self.state = State.RUNNING
                            return batch
                    self.lock.wait(0.5)
                return None
            finally:
                self._idle -= 1
                self.lock.notify_all()

    def take_ahead(self, fits: Callable[[Batch], bool]) -> Batch | None:
        """Return a batch for a lane that is busy; None: none fits, or better none.

        Near the end what is left is for who is free first.
        """
        with self.lock:
            if not self._pending or self._idle or self._is_fed or self.is_handed_over:
                return None
            batch, total = self._pending[0], self._source.total
            left = None if total is None else total - self._source.taken
            is_near = left is not None and left < 2 * self.lanes * batch.count
            if is_near or not fits(batch):
                return None
            self._open.add(self._pending.popleft())
            self.lock.notify_all()
            return batch

    def put_back(self, *batches: Batch) -> None:
        """Have batches, or parts of one, done again."""
        with self.lock:
            self.tally.retries += 1
            self.give_back(*batches)

    def give_back(self, *batches: Batch) -> None:
        """Have batches done that were taken, but not begun."""
        with self.lock:
            self._pending.extendleft(reversed(batches))
            self._open.difference_update(batches)
            self.lock.notify_all()

    def split(self, batch: Batch, at: int) -> None:
        """Have the two parts of a batch done again, each by itself."""
        parts = batch.part(0, at), batch.part(at, batch.count)
        with self.lock:
            self._open.discard(batch)
            self.put_back(*parts)

    def deliver(
        self,
        batch: Batch,
        values: list[Any],
        size: int,
        count: Callable[[], object],
    ) -> None:
        """Take the results of a batch.

        Args:
            batch: Which one.
            values: The results.
            size: Bytes of their pickle.
            count: Counts them; called unless it is over, when they come too late.
        """
        with self.lock:
            self._open.discard(batch)
            if not self.state.is_over:
                count()
            if not self._is_kept:
                self._sizes[batch.index] = size
            self._take_in(batch.index, values)
            self._settle()
            self.lock.notify_all()
        self.tell()

    def learn(self, count: int, seconds: float, overhead: float) -> None:
        """Take what a batch has cost."""
        with self.lock:
            self._pace.learn(count, seconds, overhead)

    def item_failed(self, batch: Batch, number: int | None, exc: ItemError) -> None:
        """Take the failure of an item; what comes before it is done again.

        Args:
            batch: Where it is.
            number: Of the item, in the batch; None: not known.
            exc: What is to be told.
        """
        if number is None and batch.count > 1:
            self.split(batch, batch.count // 2)
            return
        number = number or 0
        again = [batch.part(0, number)] if number else []
        if self.return_exceptions and number + 1 < batch.count:
            again.append(batch.part(number + 1, batch.count))
        with self.lock:
            self._open.discard(batch)
            self._pending.extendleft(reversed(again))
            if self.return_exceptions and not self.state.is_over:
                self.tally.fail(1)
                self._take_in(batch.index + number, [exc])
            elif not self.return_exceptions:
                self._note_stop(batch.index + number, exc)
            self._settle()
            self.lock.notify_all()
        self.tell()

    def fail_at(
        self, index: int | None, exc: BaseException, batch: Batch | None = None
    ) -> None:
        """Note that it cannot go on.

        Args:
            index: What is before this item still comes; None: nothing more does.
            exc: Why.
            batch: What a lane gives up with it.
        """
        with self.lock:
            if batch is not None:
                self._open.discard(batch)
            if index is None:
                self._end(State.FAILED, f"failed: {_line(exc)}", exc)
            else:
                self._note_stop(index, exc)
                self._settle()
            self.lock.notify_all()
        self.tell(at_once=True)

    def note_step(self, step: str) -> None:
        """Note what is being waited for; empty: nothing."""
        with self.lock:
            changed, self.tally.step = self.tally.step != step, step
        if changed:
            self.tell(at_once=True)

    def note_logs(self, text: str) -> None:
        """Keep what the user's code has printed."""
        if text:
            self.logs.extend(text.splitlines())

    def open_batches(self) -> list[Batch]:
        """Return the batches that lanes have."""
        with self.lock:
            return sorted(self._open, key=lambda batch: batch.index)

    def take_all(self) -> list[Batch]:
        """Return all batches that no lane has; they are out of the flow then."""
        with self.lock:
            taken = list(self._pending)
            self._pending.clear()
            self.lock.notify_all()
            return taken

    # -- the end ---------------------------------------------------------------------

    def end(self, state: State, outcome: str) -> bool:
        """End it in some other way; false when it was over already."""
        with self.lock:
            if self.state.is_over:
                return False
            failure = None
            if state is State.CANCELLED:
                failure = RunCancelledError(
                    outcome, hint="run.partial() has what came back"
                )
            self._end(state, outcome, failure)
            self.lock.notify_all()
        self.tell(at_once=True)
        return True

    def _settle(self) -> None:
        """See whether it is over; the lock is held."""
        if self.state.is_over:
            return
        if self._stop_at is not None:
            if self._next >= self._stop_at[0] and not self._is_behind():
                exc = self._stop_at[1]
                self._end(State.FAILED, f"failed: {_line(exc)}", exc)
        elif (
            self._is_fed
            and not self._pending
            and not self._open
            and self._next >= self._source.taken
        ):
            self._end(State.DONE, f"done: {self.tally.done:,} items", None)

    def _is_behind(self) -> bool:
        """Tell whether something before the failure is still to come."""
        assert self._stop_at is not None
        stop = self._stop_at[0]
        return any(each.index < stop for each in (*self._pending, *self._open))

    def _note_stop(self, index: int, exc: BaseException) -> None:
        if self._stop_at is None or index < self._stop_at[0]:
            self._stop_at = (index, exc)
            self._is_fed = True

    def _take_in(self, index: int, values: list[Any]) -> None:
        if self.state.is_over:
            return
        if self._is_kept:
            self.parts[index] = values
        if not self._is_ordered:
            self._hand_over(index, values)
        self._waiting[index] = values
        while self._next in self._waiting:
            start = self._next
            found = self._waiting.pop(start)
            self._next = start + len(found)
            if self._is_ordered:
                self._hand_over(start, found)

    def _hand_over(self, index: int, values: list[Any]) -> None:
        if self._is_kept:
            self.order.append(index)
        else:
            self.ready.append((index, values))

    def _end(self, state: State, outcome: str, failure: BaseException | None) -> None:
        if self.state.is_over:
            return
        self.state, self.outcome, self.failure = state, outcome, failure
        self.tally.finish()
        if isinstance(failure, FastmapException) and self._is_kept:
            failure.partial = self.values(failure.index)
        self._waiting.clear()

    # -- who reads -------------------------------------------------------------------

    def values(self, before: int | None = None) -> list[Any]:
        """Return the results that are kept, in order of items.

        Args:
            before: Only those of items before this one; None: all.
        """
        with self.lock:
            parts = [
                self.parts[index]
                for index in sorted(self.parts)
                if before is None or index < before
            ]
        return [value for part in parts for value in part]

    @property
    def progress(self) -> Progress:
        """How far it is."""
        with self.lock:
            error = "" if self.failure is None else _line(self.failure)
            return self.tally.progress(self.state, error)

    def pop(self) -> list[Any] | None:
        """Return the results that come next, and forget them; None: there are none."""
        with self.lock:
            if not self.ready:
                return None
            index, values = self.ready.popleft()
            self._sizes.pop(index, None)
            return values

    def watch(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have a function called when something has changed, on any thread."""
        self._watchers.append(callback)

        def stop() -> None:
            if callback in self._watchers:
                self._watchers.remove(callback)

        return stop

    def tell(self, *, at_once: bool = False) -> None:
        """Call who watches; not too often, but at the end for sure."""
        now = time.monotonic()
        is_due = now >= self._told_at + _TELL_SECONDS
        if not (at_once or is_due or self.state.is_over):
            return
        self._told_at = now
        for callback in list(self._watchers):
            try:
                callback()
            except Exception:
                _log.exception("a callback of a Fastmap run failed")


def join(thread: threading.Thread, seconds: float) -> bool:
    """Wait for the end of a thread that a map has; false when it has not come.

    One that is being started finds that the map is over; one that ends the map itself,
    in a callback of the user's, cannot wait for itself.
    """
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(seconds)
    return not thread.is_alive()


def _line(exc: BaseException) -> str:
    text = exc.message if isinstance(exc, FastmapException) else repr(exc)
    return text.partition("\n")[0]
