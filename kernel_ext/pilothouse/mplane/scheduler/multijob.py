"""MultiJob: a service at work again and again, as a repeated scope says.

Source: reference documentation, ``mplane.scheduler.MultiJob``; contract §5. No I/O.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from pilothouse.mplane import model
from pilothouse.mplane.model import clock

from .job import Job
from .runtime import Runtime
from .service import Service
from .work import JobCallback, JobState, Work, scope_of

__all__ = ["MAX_KEPT_RESULTS", "MultiJob"]

log = logging.getLogger(__name__)

MAX_KEPT_RESULTS = 10_000
"""Results kept of one repeated measurement where nobody set a lower bound."""

_END_SECONDS = 1.0
_LAST_LOOKS = 5
"""How often a last turn that has not begun yet is waited for, `_END_SECONDS` each."""
_LATE_SECONDS = 5.0
"""A turn that is later than this (the machine slept, the clock was set) is left out."""


class MultiJob(Work):
    """A service at work on one specification, repeatedly.

    Each turn is a `Job` with a scope and a token of its own; their results come
    together in an envelope with the token and the label of the specification.

    Args:
        service: Who measures.
        specification: What to measure, with a repeated scope.
        session: Whatever the caller wants to find again as ``session``.
        max_results: Keep the last so many results; 0: as many as memory safely holds.
        callback: Called with the receipt whenever a result is there, and at the end, on
            a thread of the job.
        runtime: Threads and timers; those shared by the process by default.
        owner: The identity that asked for it.
    """

    def __init__(
        self,
        service: Service,
        specification: model.Specification,
        session: object = None,
        max_results: int = 0,
        callback: JobCallback | None = None,
        *,
        runtime: Runtime | None = None,
        owner: str | None = None,
    ) -> None:
        super().__init__(
            service, specification, session, callback, runtime=runtime, owner=owner
        )
        self._kept: deque[model.Result | model.Exception] = deque(
            maxlen=max_results or MAX_KEPT_RESULTS
        )
        self._count = 0
        self._results = 0
        self._failure: str | None = None
        self._scope = model.Envelope(when=scope_of(specification)).when()
        self._turns: Iterator[model.Specification] = iter(())
        self._is_exhausted = False
        self._running: set[Job] = set()
        # A scope that begins now keeps its rhythm when somebody sets the clock;
        # points in time and crontabs follow the clock.
        scope = scope_of(specification)
        self._is_steady = scope.is_immediate() and scope.crontab is None
        self._zero = (clock.now(), time.monotonic())

    # -- the documented methods -------------------------------------------------------

    def schedule(self) -> None:
        """Run the service at each of its times, until the end of the scope."""
        scope = scope_of(self.specification)
        with self._lock:
            if self._state is not JobState.CREATED:
                return
            self._state = JobState.SCHEDULED
            now = clock.now()
            start, end = scope.timer_delays(now)
            if start is None:
                self._failure = f"the temporal scope {scope} is over"
                self._is_exhausted = True
            else:
                self._zero = (now, time.monotonic())
                self._turns = self.specification.subspec_iterator()
                self._plan_end(start, end, now)
        self._plan_next()

    def interrupt(self) -> None:
        """Begin no further turn, and interrupt those that run."""
        self.is_interrupted = True
        self._stop("interrupted before the first result")

    def failed(self) -> bool:
        """Tell whether it is over and has no result."""
        return self._over.is_set() and not self._results

    def get_reply(self) -> model.Envelope | model.Exception | model.Receipt:
        """Return the results kept so far in an envelope, or the receipt before any."""
        with self._lock:
            if self._kept:
                return self._envelope(list(self._kept))
            if not self._over.is_set():
                return self.receipt
        return model.Exception(
            token=self.specification.get_token(),
            errmsg=self._failure or "the temporal scope ended without any result",
        )

    # -- beyond the document ----------------------------------------------------------

    @property
    def count_partial(self) -> int:
        """Results so far, also those no longer kept."""
        return self._count

    def partial(self, first: int = 0) -> model.Envelope | None:
        """Return the results from one on, of those that are kept; None: none yet."""
        with self._lock:
            if not self._count:
                return None
            gone = self._count - len(self._kept)
            return self._envelope(list(self._kept)[max(0, first - gone) :])

    # -- inside -----------------------------------------------------------------------

    def _envelope(
        self, messages: list[model.Result | model.Exception]
    ) -> model.Envelope:
        envelope = model.Envelope(
            content_type="result",
            token=self.specification.get_token(),
            label=self.specification.get_label(),
            when=self._scope,
        )
        for message in messages:
            envelope.append_message(message)
        return envelope

    def _plan_end(self, start: float, end: float | None, now: datetime) -> None:
        if end is None:
            return
        timers = self._runtime.timers
        # The end itself is a turn: let it begin before the end is looked at.
        if self._is_steady:
            self._timers.append(timers.after(end + _END_SECONDS, self._end))
        else:
            due = now + timedelta(seconds=end + _END_SECONDS)
            self._timers.append(timers.at(due, self._end))

    def _end(
        self, seen: frozenset[Job] = frozenset(), looks: int = _LAST_LOOKS
    ) -> None:
        """Begin nothing more; a turn with a duration of its own still has that.

        On a busy machine turns are late. They come first, and one without a duration is
        stopped only if it was at work already when this looked before.

        Args:
            seen: The turns that were at work then.
            looks: How often it still waits for one that was not.
        """
        with self._lock:
            is_new = any(job not in seen for job in self._endless())
            if not self._is_exhausted or (is_new and looks):
                left = looks - self._is_exhausted
                seen = frozenset(job for job in self._running if job.began)
                call = partial(self._end, seen, left)
                self._timers.append(self._runtime.timers.after(_END_SECONDS, call))
                return
        self._stop("the temporal scope ended without any result", only_endless=True)

    def _endless(self) -> list[Job]:
        return [job for job in self._running if not _length(job.specification)]

    def _stop(self, why: str, *, only_endless: bool = False) -> None:
        with self._lock:
            self._is_exhausted = True
            self._failure = self._failure or why
            timers, self._timers = self._timers, []
            jobs = self._endless() if only_endless else list(self._running)
        for timer in timers:
            timer.cancel()
        for job in jobs:
            job.interrupt()
        self._conclude_if_done()

    def _plan_next(self) -> None:
        """Plan the next turn that is not too late already."""
        with self._lock:
            if not self._is_exhausted:
                turn = next((t for t in self._turns if not self._is_late(t)), None)
                if turn is None:
                    self._is_exhausted = True
                else:
                    self._plan(turn)
        self._conclude_if_done()

    def _plan(self, turn: model.Specification) -> None:
        timers, start = self._runtime.timers, _start_of(turn)
        call = partial(self._turn, turn)
        self._timers = [t for t in self._timers if not t.is_done]
        if self._is_steady:
            began, steady = self._zero
            due = (start - began).total_seconds() + steady - time.monotonic()
            self._timers.append(timers.after(max(0.0, due), call))
        else:
            self._timers.append(timers.at(start, call))

    def _is_late(self, turn: model.Specification) -> bool:
        began, steady = self._zero
        now = clock.now()
        if self._is_steady:
            now = began + timedelta(seconds=time.monotonic() - steady)
        late = (now - _start_of(turn)).total_seconds()
        return late > max(_LATE_SECONDS, _length(turn))

    def _turn(self, specification: model.Specification) -> None:
        job: Job | None = None
        with self._lock:
            if not self._is_exhausted:
                job = Job(
                    self.service,
                    specification,
                    self.session,
                    runtime=self._runtime,
                    owner=self.owner,
                )
                self._running.add(job)
                self._state = JobState.RUNNING
        if job is None:
            return
        job.on_change(partial(self._collect, job))
        job.begin(_length(specification) or None)
        self._plan_next()

    def _collect(self, job: Job) -> None:
        if not job.finished():
            return
        reply = job.get_reply()
        with self._lock:
            if job not in self._running:
                return
            self._running.discard(job)
            self._kept.append(reply)  # type: ignore[arg-type]  # a receipt no more
            self._count += 1
            self._results += not job.failed()
        self._tell()
        if not self._conclude_if_done():
            self._call_back()

    def _conclude_if_done(self) -> bool:
        with self._lock:
            if not self._is_exhausted or self._running or self._over.is_set():
                return False
            self._scope = _cut(self._scope)
            timers = self._close()
        for timer in timers:
            timer.cancel()
        self._tell()
        self._call_back()
        return True


def _start_of(turn: model.Specification) -> datetime:
    start, _ = scope_of(turn).datetimes(clock.now())
    return clock.now() if start is None else start


def _length(turn: model.Specification) -> float:
    duration = scope_of(turn).duration()
    return 0.0 if duration is None else duration.total_seconds()


def _cut(scope: model.When | None) -> model.When | None:
    """Return a scope that ends now at the latest: nothing will follow."""
    now = clock.now()
    if scope is None:
        return None
    start, end = scope.datetimes(now)
    if start is None or (end is not None and end <= now):
        return scope
    return model.When(a=min(start, now), b=now, period=scope.period())
