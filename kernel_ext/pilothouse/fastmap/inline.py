"""Mapping in the caller's thread, for as long as moving items costs more than this.

Each stretch is measured. Now and then a sample is pickled, and the time that processes
would take is held against the time that it would take here.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import dill

from pilothouse.errors import PilothouseError

from .batches import Source
from .errors import ItemError
from .local_lane import new_worker
from .packing.packer import name_of
from .shared import sharing
from .worker.process import WorkerProcess

__all__ = ["Inline"]

_STRETCH_SECONDS: Final = 0.01
_LONG_STRETCH_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 0.04
_START_SECONDS: Final = 0.15
_WARM_SECONDS: Final = 0.01
_TURN_SECONDS: Final = 0.0002
_GROWTH: Final = 8
_PIECE: Final = 128
_SAMPLE: Final = 100
_GAIN: Final = 0.9


class Inline:
    """Maps here, until it is worth moving.

    Args:
        function: The user's.
        source: Where items come from; what is left when it ends is still there.
        workers: How many could map instead; below 2 it never moves.
        return_exceptions: Whether an item that fails gives its exception as result.
        local: How many processes to start ahead.

    Attributes:
        seconds_each: Time for one item, lately; None: nothing was measured.
        moves: Whether it ended because moving is worth it.
        warm: Processes that were started meanwhile.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        source: Source,
        *,
        workers: int,
        return_exceptions: bool,
        local: int,
    ) -> None:
        self._function = function
        self._source = source
        self._workers = workers
        self._return_exceptions = return_exceptions
        self._local = local
        self.seconds_each: float | None = None
        self.moves = False
        self.warm: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self._is_over = False
        self._cannot_move = workers < 2
        self._done = 0
        self._items: Any = ()
        self._first = 0

    def stretches(self) -> Iterator[list[Any]]:
        """Yield lists of results.

        Raises:
            ItemError: If the function fails, behind the results before it.
        """
        size, began, checked = 1, time.perf_counter(), 0.0
        timer = self._timer()
        try:
            while self._source.has_more:
                long = time.perf_counter() - began > _LONG_STRETCH_SECONDS
                target = _LONG_STRETCH_SECONDS if long else _STRETCH_SECONDS
                results, failure = self._stretch(size, target)
                yield results
                if failure is not None:
                    raise failure
                if not results:
                    break
                elapsed = time.perf_counter() - began
                if elapsed - checked > _PATIENCE_SECONDS:
                    checked = elapsed
                    if self._is_worth_moving(results):
                        self.moves = True
                        return
                fitting = int(target / max(self.seconds_each or 0.0, 1e-9))
                size = max(1, min(fitting, len(results) * _GROWTH))
        finally:
            if timer is not None:
                timer.cancel()
            with self._lock:
                self._is_over = True
            if not self.moves:
                self.close()
        if self._source.error is not None:
            raise self._source.error

    def close(self) -> None:
        """End the processes that were started ahead."""
        with self._lock:
            workers, self.warm = self.warm, []
        for worker in workers:
            worker.kill()

    def _stretch(self, size: int, target: float) -> tuple[list[Any], ItemError | None]:
        """Map pieces until the time is up."""
        source, function = self._source, self._function
        items = source.take(size)
        length = len(items)
        self._first = source.taken - length
        found: list[Any] = []
        at, extend, clock = 0, found.extend, time.perf_counter
        piece: Any = ()
        before = now = clock()
        end = now + target
        while at < length and now < end:
            piece = items[at : at + _PIECE] if length > _PIECE else items
            at += len(piece)
            failure: ItemError | None = None
            try:
                extend(map(function, piece))
            except (Exception, SystemExit) as exc:  # as a worker tells it
                failure = self._failed(found, items[:at], exc)
            else:
                if len(found) != at:  # a StopIteration of the function's own
                    failure = self._failed(found, items[:at], StopIteration())
            if failure is not None:
                return found, failure
            before, now = now, clock()
        if at < length:
            source.put_back(items[at:])
        if at:
            self._done += at
            self._items = items[:at]
            self.seconds_each = (now - before) / len(piece)
        return found, None

    def _failed(
        self,
        found: list[Any],
        items: Any,  # noqa: ANN401
        exc: BaseException,
    ) -> ItemError | None:
        """Return what to raise; None when it is a result, as all behind it are.

        Args:
            found: The results so far.
            items: What was to be mapped; the first items of the stretch.
            exc: What the next one has raised.
        """
        while True:
            at = len(found)
            error = self._error(self._first + at, items[at], exc)
            if not self._return_exceptions:
                return error
            found.append(error)
            try:
                found.extend(map(self._function, items[at + 1 :]))
            except (Exception, SystemExit) as next_one:
                exc = next_one
                continue
            if len(found) == len(items):
                return None
            exc = StopIteration()

    def _error(self, index: int, item: Any, exc: BaseException) -> ItemError:  # noqa: ANN401
        import reprlib

        try:
            shown = reprlib.repr(item)
        except Exception:  # a repr of the user's own
            shown = f"<{type(item).__name__}>"
        error = ItemError(
            f"{name_of(self._function)} failed in item {index} ({shown}): {exc!r}",
            index=index,
            item=shown,
            status="PROCESS_ERROR",
        )
        error.__cause__ = exc
        return error

    def _is_worth_moving(self, results: list[Any]) -> bool:
        if self._cannot_move or self.seconds_each is None:
            return False
        each = self.seconds_each
        total = self._source.total
        left = self._done if total is None else total - self._source.taken
        if each * left <= _START_SECONDS:
            return False
        try:
            moving = self._moving_seconds(self._items, results)
        except Exception:  # what cannot be pickled stays here
            self._cannot_move = True
            return False
        parallel = max((each + 2 * moving) / self._workers, moving)
        return _START_SECONDS + left * parallel < _GAIN * each * left

    def _moving_seconds(self, items: Any, results: list[Any]) -> float:  # noqa: ANN401
        """Return the time that this process would spend on an item and its result."""
        items, results = items[:_SAMPLE], results[-len(items) :][:_SAMPLE]
        start = time.perf_counter()
        sharing.Writer().dumps(items)
        there = time.perf_counter() - start
        data = sharing.Writer().dumps(results)
        start = time.perf_counter()
        dill.loads(data)
        back = time.perf_counter() - start
        return (there + back) / max(1, len(items))

    def _timer(self) -> threading.Timer | None:
        """Start processes if the first items take long, beside them."""
        if self._cannot_move or not self._local:
            return None
        timer = threading.Timer(_WARM_SECONDS, self._warm_up)
        timer.daemon = True
        timer.start()
        return timer

    def _warm_up(self) -> None:
        total = self._source.total
        left = 2 if total is None else total - self._source.taken
        each = self.seconds_each or _WARM_SECONDS
        if self._cannot_move or each * left < _START_SECONDS * 2:
            return
        with _quick_turns():
            for _ in range(min(self._local, left)):
                worker = new_worker()
                with self._lock:
                    if self._is_over:  # who goes on starts what is missing
                        return
                    try:
                        worker.start()
                    except PilothouseError:
                        return
                    self.warm.append(worker)


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let threads that wait for the interpreter have it soon.

    To start a process takes some system calls, each of which gives the interpreter
    away; a function that computes would keep it for 5 ms each time.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    ours = sys.getswitchinterval()
    try:
        yield
    finally:
        if sys.getswitchinterval() == ours:  # else the user's function has set it
            sys.setswitchinterval(before)
