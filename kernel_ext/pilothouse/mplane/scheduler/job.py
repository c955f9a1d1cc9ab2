"""Job: one run of a service, from its receipt to its reply.

    created -> scheduled -> running -> over        (with a result, or an exception)

Source: reference documentation, ``mplane.scheduler.Job``; contract §5. No I/O.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from pilothouse.mplane import model
from pilothouse.mplane.model import clock

from .rows import completed, rows_of
from .runtime import Runtime
from .service import CheckInterrupt, Service
from .work import JobCallback, JobState, Reply, Work, scope_of

__all__ = ["Job"]

log = logging.getLogger(__name__)

_ASKED_SECONDS = 2.0
"""How long a service may go on after an interrupt; then its reported rows are taken."""
_ENDED_SECONDS = 10.0
"""The same, after the end of its scope."""


class Job(Work):
    """A service at work on one specification, now or later.

    Args:
        service: Who measures.
        specification: What to measure.
        session: Whatever the caller wants to find again as ``session``.
        callback: Called with the receipt when the reply is there, on a thread of the
            job.
        runtime: Threads and timers; those shared by the process by default.
        owner: The identity that asked for it.

    Attributes:
        receipt: What identifies the job.
        began: When the service began (UTC, naive); None before that.
    """

    def __init__(
        self,
        service: Service,
        specification: model.Specification,
        session: object = None,
        callback: JobCallback | None = None,
        *,
        runtime: Runtime | None = None,
        owner: str | None = None,
    ) -> None:
        super().__init__(
            service, specification, session, callback, runtime=runtime, owner=owner
        )
        self.began: datetime | None = None
        self._check = CheckInterrupt(self._report)
        self._reply: model.Result | model.Envelope | None = None
        self._exception: model.Exception | None = None
        self._reported: tuple[model.Result, int] | None = None

    # -- the documented methods -------------------------------------------------------

    def schedule(self) -> None:
        """Run the service at its time, and interrupt it at the end of its scope."""
        start, end = self._delays()
        if start is None:
            self._fail(f"the temporal scope {scope_of(self.specification)} is over")
            return
        with self._lock:
            if self._state is not JobState.CREATED:
                return
            self._state = JobState.SCHEDULED
            if start > 0:
                log.info("Scheduling %r after %g sec", self, start)
                due = clock.now() + timedelta(seconds=start)
                self._timers.append(self._runtime.timers.at(due, self._wake))
                return
        log.info("Scheduling %r immediately", self)
        self._begin(end)

    def interrupt(self) -> None:
        """Ask the service to stop; one that has not begun will not begin."""
        self.is_interrupted = True
        self._check.ask()
        if not self._fail("interrupted before the measurement began", if_idle=True):
            self._stop(_ASKED_SECONDS)

    def failed(self) -> bool:
        """Tell whether it is over and has no result."""
        return self._over.is_set() and self._reply is None

    def get_reply(self) -> Reply:
        """Return the result, or why there is none, or the receipt while it runs."""
        if not self._over.is_set():
            return self.receipt
        return self._reply or self._exception or self.receipt

    # -- beyond the document ----------------------------------------------------------

    @property
    def count_partial(self) -> int:
        """Rows reported so far."""
        reported = self._reported
        return 0 if reported is None else reported[1]

    def partial(self, first: int = 0) -> model.Result | None:
        """Return the rows reported so far, from one on; None before any report."""
        reported = self._reported
        if reported is None or self.began is None:
            return None
        result, count = reported
        return rows_of(
            result,
            self.specification,
            first=first,
            end=count,
            began=self.began,
            now=clock.now(),
        )

    def begin(self, seconds: float | None) -> None:
        """Run the service now, whatever the scope says of its beginning.

        Args:
            seconds: After so long it is interrupted; None: never.
        """
        with self._lock:
            if self._state is not JobState.CREATED:
                return
            self._state = JobState.SCHEDULED
        self._begin(seconds)

    # -- inside -----------------------------------------------------------------------

    def _delays(self) -> tuple[float | None, float | None]:
        if not self.specification.is_schedulable():
            return 0.0, None
        return scope_of(self.specification).timer_delays(clock.now())

    def _wake(self) -> None:
        """Begin at the time that was waited for; by now it may be over."""
        start, end = self._delays()
        if start is None:
            self._fail(
                f"the temporal scope {scope_of(self.specification)} was over when the "
                "clock was looked at again"
            )
            return
        if start > 0:  # somebody set the clock back
            due = clock.now() + timedelta(seconds=start)
            with self._lock:
                if self._state is JobState.SCHEDULED:
                    self._timers.append(self._runtime.timers.at(due, self._wake))
            return
        self._begin(end)

    def _begin(self, end: float | None) -> None:
        with self._lock:
            if self._state is not JobState.SCHEDULED:
                return
            if end is not None:
                self._timers.append(self._runtime.timers.after(end, self._end))
        if end is not None:
            log.info("Will interrupt %r after %g sec", self, end)
        try:
            self._runtime.workers.submit(self._run)
        except RuntimeError as exc:
            self._fail(f"no thread for the measurement: {exc}")

    def _end(self) -> None:
        why = "no thread was free before the end of the temporal scope"
        if not self._fail(why, if_idle=True):
            self._stop(_ENDED_SECONDS)

    def _stop(self, grace: float) -> None:
        self._check.ask()
        with self._lock:
            if self._state is not JobState.OVER:
                self._timers.append(
                    self._runtime.timers.after(grace, self._take_reported)
                )

    def _take_reported(self) -> None:
        """Go on without a service that does not stop, if it has reported rows."""
        if (rows := self.partial()) is not None:
            self._conclude(rows, None)

    def _report(self, result: model.Result) -> None:
        if not self._over.is_set():
            self._reported = (result, result.count_result_rows())
            self._tell()

    def _run(self) -> None:
        with self._lock:
            if self._state is not JobState.SCHEDULED:
                return
            self._state = JobState.RUNNING
            self.began = began = clock.now()
        try:
            reply = self.service.run(self.specification, self._check)
            if isinstance(reply, model.Exception):
                self._conclude(None, reply)
                return
            if isinstance(reply, model.Envelope):
                self._conclude(reply, None)
                return
            if not isinstance(reply, model.Result):
                raise TypeError(  # noqa: TRY301 - told to the client like any other
                    f"the service returned {type(reply).__name__}, not a Result"
                )
            self._conclude(
                completed(reply, self.specification, began=began, now=clock.now()), None
            )
        except BaseException as exc:
            log.info("%r failed", self, exc_info=exc)
            rows = self.partial() if self._check() else None
            if rows is not None:
                self._conclude(rows, None)
            else:
                self._fail(str(exc) or type(exc).__name__)

    def _fail(self, why: str, *, if_idle: bool = False) -> bool:
        token = self.specification.get_token()
        exception = model.Exception(token=token, errmsg=why)
        return self._conclude(None, exception, if_idle=if_idle)

    def _conclude(
        self,
        reply: model.Result | model.Envelope | None,
        exception: model.Exception | None,
        *,
        if_idle: bool = False,
    ) -> bool:
        """End with a reply, once; False if it does not end here.

        Args:
            reply: What was measured.
            exception: Or why nothing was.
            if_idle: Only if the service does not run.
        """
        with self._lock:
            if self._state is JobState.OVER:
                return True
            if if_idle and self._state is JobState.RUNNING:
                return False
            self._reply = reply
            self._exception = exception
            timers = self._close()
        for timer in timers:
            timer.cancel()
        self._tell()
        self._call_back()
        return True
