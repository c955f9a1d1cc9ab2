"""What a run has counted so far: items, seconds, credits, and each worker's part."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from .progress import Lane, Progress, Span, State

__all__ = ["Tally"]

_SPANS = 200
_WINDOW_SECONDS = 5.0


@dataclass(slots=True)
class _Worker:
    kind: str
    batches: int = 0
    items: int = 0
    seconds: float = 0.0
    current: Span | None = None
    spans: deque[Span] = field(default_factory=lambda: deque(maxlen=_SPANS))


class Tally:
    """Counts; its owner locks.

    Attributes:
        done: Items whose results are there.
        failed: Items that gave an exception.
        total: Items in all; None: not known.
        batches: Batches done.
        retries: How often something had to be tried again.
        credits: Spent so far.
        step: What is being waited for.
    """

    def __init__(self, total: int | None) -> None:
        self.began = time.monotonic()
        self.ended: float | None = None
        self.done = 0
        self.failed = 0
        self.total = total
        self.batches = 0
        self.retries = 0
        self.credits = 0.0
        self.step = ""
        self._workers: dict[str, _Worker] = {}
        self._marks: deque[tuple[float, int]] = deque([(self.began, 0)])

    def begin(self, name: str, items: int) -> None:
        """Note that a process here has taken a batch."""
        worker = self._workers.setdefault(name, _Worker("local"))
        now = time.monotonic() - self.began
        worker.current = Span(start=now, end=None, items=items, state="running")

    def end(self, name: str, state: str) -> None:
        """Note how a batch of a process here has ended."""
        worker = self._workers.get(name)
        if worker is not None and worker.current is not None:
            start, items = worker.current.start, worker.current.items
            now = time.monotonic() - self.began
            worker.spans.append(Span(start=start, end=now, items=items, state=state))
            worker.current = None

    def add(self, name: str, kind: str, items: int, seconds: float) -> None:
        """Count a batch that is done."""
        worker = self._workers.setdefault(name, _Worker(kind))
        worker.batches += 1
        worker.items += items
        worker.seconds += seconds
        now = time.monotonic() - self.began
        if kind == "local":
            self.end(name, "done")
        else:
            start = max(0.0, now - seconds)
            worker.spans.append(Span(start=start, end=now, items=items, state="done"))
        self.batches += 1
        self.count(items)

    def fail(self, items: int) -> None:
        """Count items that gave an exception."""
        self.failed += items
        self.count(items)

    def count(self, items: int) -> None:
        """Count items that are done."""
        self.done += items
        now = time.monotonic()
        self._marks.append((now, self.done))
        while len(self._marks) > 2 and self._marks[1][0] < now - _WINDOW_SECONDS:
            self._marks.popleft()

    def finish(self) -> None:
        """Stop the clock."""
        if self.ended is None:
            self.ended = time.monotonic()

    def progress(self, state: State, error: str = "") -> Progress:
        """Return how far it is."""
        now = self.ended or time.monotonic()
        seconds = {"local": 0.0, "cloud": 0.0}
        for worker in self._workers.values():
            seconds[worker.kind] += worker.seconds
        return Progress(
            state=state,
            done=self.done,
            failed=self.failed,
            total=self.total,
            seconds=now - self.began,
            rate=self._rate(now),
            local_seconds=seconds["local"],
            cloud_seconds=seconds["cloud"],
            credits=self.credits,
            batches=self.batches,
            retries=self.retries,
            step="" if state.is_over else self.step,
            lanes=tuple(
                Lane(
                    name=name,
                    kind=worker.kind,
                    batches=worker.batches,
                    items=worker.items,
                    seconds=worker.seconds,
                    is_busy=worker.current is not None,
                    spans=(
                        *worker.spans,
                        *([worker.current] if worker.current else []),
                    ),
                )
                for name, worker in list(self._workers.items())
            ),
            error=error,
        )

    def _rate(self, now: float) -> float:
        start, count = self._marks[0]
        if self.ended is not None:
            start, count = self.began, 0
        return (self.done - count) / (now - start) if now > start else 0.0
