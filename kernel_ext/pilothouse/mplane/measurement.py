"""Measurement: the handle of a specification on its way, from receipt to result.

m = client.run("ping-4", "now + 10s / 1s", {"destination.ip4": "127.0.0.1"})
m.state, m.partial(), m.wait(2), m.result(), m.cancel(), m.detach()

Opens no socket: what comes from the component is told to it (`take`), and what is to go
there it gives to its courier, the client. May be used by several threads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from pilothouse import waits
from pilothouse.errors import AnswerTimeoutError, NotFoundError, RemoteError
from pilothouse.mplane import model
from pilothouse.mplane.model import clock

from .gathering import Gathered

__all__ = ["Courier", "Measurement", "MeasurementState"]

log = logging.getLogger(__name__)

_CANCEL_SECONDS = 1.4
_LATE_SECONDS = 5.0
_TROUBLES_OF_LOST = 2
UNKNOWN_JOB = "Unknown job"


class MeasurementState(StrEnum):
    """Where a measurement is.

    ``lost``: the component does not answer (it is asked again, and the measurement may
    come back), or, once the measurement is over, does not know it any more.
    """

    SENT = "sent"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"


class Courier(Protocol):
    """What brings a measurement's messages to its component."""

    def interrupt(self, measurement: Measurement, seconds: float) -> str:
        """Ask the component to stop; return what became of that, in a few words.

        Tells the measurement to expect an interrupt, unless it was over before.
        """

    def hurry(self, measurement: Measurement) -> None:
        """Ask for the result soon."""

    def leave(self, measurement: Measurement) -> None:
        """Ask for the result no more."""


class Measurement:
    """A specification on its way; made by ``client.run`` and ``client.attach``.

    It can be awaited, and iterated: each result of a repeated one as it comes.

    Args:
        courier: The client.
        statement: The specification, or the receipt of an earlier one.
        capability: What was asked for, where that is known.
        link: Where its messages go; None: they are fetched.
        asked: When it was asked for (UTC, naive); None: now.

    Attributes:
        token: What component and client call it.
        label: Its name for people.
        capability: What was asked for; None after `attach`.
        specification: What was sent; None after `attach`.
        receipt: What the component gave for it; None before that.
        link: Where it is redeemed; None when the component comes to the client.
        asked: When it was asked for (UTC, naive).
        starts: When it begins (aware); None: it has no beginning.
        ends: When it ends (aware); None: it has no planned end.
        outcome: What became of it, in a sentence; empty while it goes on.
        trouble: Why the component cannot be asked, in a line; empty while it can.
    """

    def __init__(
        self,
        courier: Courier,
        statement: model.Specification | model.Receipt,
        *,
        capability: model.Capability | None = None,
        link: str | None = None,
        asked: datetime | None = None,
    ) -> None:
        self.capability = capability
        self.specification: model.Specification | None = None
        self.receipt: model.Receipt | None = None
        if isinstance(statement, model.Specification):
            self.specification = statement
        else:
            self.receipt = statement
        self.link = link
        self.token = statement.get_token()
        self.label = statement.get_label()
        self.scope = statement.when() or model.when_infinite
        self.asked = clock.now() if asked is None else asked
        self._asked_at = time.monotonic() if asked is None else None
        self._has_begun = self.scope.is_immediate()
        start, end = self.scope.datetimes(self.asked)
        self.starts = _aware(start)
        self.ends = None if self.scope.is_singleton() else _aware(end)
        self.outcome = ""
        self.trouble = ""
        self._courier = courier
        self._changed = waits.Condition()
        self._gathered = Gathered(statement, is_repeated=self.scope.is_repeated())
        self._final: MeasurementState | None = None
        self._error: RemoteError | None = None
        self._troubles = 0
        self._was_asked = self._is_detached = self._is_live = False
        self._shown: tuple[object, ...] = ()
        self._watchers: list[Callable[[Measurement], object]] = []

    def __repr__(self) -> str:
        name = self.label or self.token[:8]
        how = self.outcome or f"{self.state}, {self._gathered}"
        return f"<Measurement {name}: {how}>"

    # -- the four verbs ---------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False if the time (in seconds) is up before that."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_over or self._is_detached, timeout)
            return self.is_over

    def result(self, timeout: float | None = None) -> model.Result | list[model.Result]:
        """Wait, and return the result; of a repeated measurement all of them.

        Raises:
            AnswerTimeoutError: If it is not over in time; it goes on.
            NotFoundError: If the component does not know it any more.
            RemoteError: If it failed, or was interrupted or detached without a result.
        """
        if not self.wait(timeout):
            if self._is_detached:
                raise RemoteError(
                    self.outcome, protocol="mPlane", hint="client.attach(m.saved())"
                )
            raise AnswerTimeoutError(
                f"not over within {timeout:g} s; {self.state}",
                protocol="mPlane",
                hint="it goes on: wait again, or cancel()",
            )
        if self._error is not None:
            raise self._error
        found = self._gathered.results()
        if found is None:
            raise RemoteError(self.outcome, protocol="mPlane")
        return found

    def cancel(self) -> str:
        """Interrupt it, and take in what was measured, within 1.5 seconds.

        Returns:
            What became of it: whether the component has confirmed.
        """
        if self.is_over:
            return self.outcome
        deadline = time.monotonic() + _CANCEL_SECONDS
        told = self._courier.interrupt(self, _CANCEL_SECONDS / 2)
        self._courier.hurry(self)
        is_over = self.wait(max(0.0, deadline - time.monotonic()))
        return self.outcome if is_over else told

    def detach(self) -> str:
        """Leave it to the component, and ask no more.

        Returns:
            What became of it.
        """
        with self._changed:
            if not self.is_over and not self._is_detached:
                self._is_detached = True
                self.outcome = (
                    f"detached: {self.label or self.token} goes on at the component, "
                    f"{self._gathered} until now"
                )
        self._courier.leave(self)
        self.tell()
        return self.outcome

    # -- looking on -------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._final is not None

    @property
    def is_detached(self) -> bool:
        """Whether nobody asks for the result any more."""
        return self._is_detached

    @property
    def is_repeated(self) -> bool:
        """Whether it has several results."""
        return self.scope.is_repeated()

    @property
    def state(self) -> MeasurementState:
        """Where it is."""
        if self._final is not None:
            return self._final
        if self._troubles >= _TROUBLES_OF_LOST:
            return MeasurementState.LOST
        if self.receipt is None:
            return MeasurementState.SENT
        if self.remaining()[0] > 0:
            return MeasurementState.SCHEDULED
        return MeasurementState.RUNNING

    def remaining(self) -> tuple[float, float | None]:
        """Return the seconds until it begins and until it ends.

        What begins now follows the steady clock, as it does at the component; points in
        time follow the wall clock. What has begun has begun, whatever a clock shows.

        Returns:
            0 when it has begun; None when no end is planned. An end that has passed is
            negative.
        """
        now = _aware_now()
        if self.scope.is_immediate() and self._asked_at is not None:
            gone = timedelta(seconds=time.monotonic() - self._asked_at)
            now = self.asked.replace(tzinfo=UTC) + gone
        until_start = 0.0
        if not (self._has_begun or self.starts is None or self._gathered.count):
            until_start = max(0.0, (self.starts - now).total_seconds())
            self._has_begun = until_start == 0.0
        if self.ends is None:
            return until_start, None
        return until_start, (self.ends - now).total_seconds()

    @property
    def rows(self) -> int:
        """Rows that have come, or results of a repeated measurement."""
        return self._gathered.count

    @property
    def failures(self) -> list[str]:
        """Why turns of a repeated measurement have no result."""
        return self._gathered.failures()

    def partial(self) -> model.Result | list[model.Result] | None:
        """Return what has come until now, without waiting; None: nothing."""
        return self._gathered.results()

    def saved(self) -> dict[str, Any]:
        """Return what ``client.attach`` needs after a restart, as JSON can hold it."""
        if self.specification is not None and self.receipt is None:
            known = model.Receipt(specification=self.specification)
        else:
            known = self.receipt or model.Receipt(token=self.token)
        d = known.to_dict()
        d["token"] = self.token
        if self.label is not None:
            d["label"] = self.label
        if self.link is not None:
            d["link"] = self.link
        d["asked"] = model.unparse_time(self.asked)
        return d

    def on_change(self, call: Callable[[Measurement], object]) -> Callable[[], None]:
        """Call with this measurement at each change of state and with all new rows.

        Args:
            call: Must be quick; comes from any thread.

        Returns:
            What takes the wish back.
        """
        with self._changed:
            self._watchers.append(call)

        def forget() -> None:
            with self._changed:
                if call in self._watchers:
                    self._watchers.remove(call)

        return forget

    def __iter__(self) -> Iterator[model.Result]:
        """Yield each result as it comes, from the first one on.

        Raises:
            RemoteError: As `result`, behind the results that came before.
        """
        if not self.is_repeated:
            self.result()
            yield from self._gathered.complete()
            return
        at = 0
        while found := self._wait_for_more(at):
            yield from (one for one in found if isinstance(one, model.Result))
            at += len(found)
        if self._error is not None:
            raise self._error

    def _wait_for_more(self, at: int) -> list[model.Result | model.Exception]:
        """Return the results from one on; wait for one; none when it is over."""

        def is_more() -> bool:
            return self._gathered.count > at or self.is_over or self._is_detached

        with self._changed:
            self._changed.wait_for(is_more)
        return self._gathered.since(at)

    def __await__(self) -> Generator[Any, None, model.Result | list[model.Result]]:
        return self._awaited().__await__()

    async def _awaited(self) -> model.Result | list[model.Result]:
        await waits.until_over(
            self.on_change, lambda: self.is_over or self._is_detached
        )
        return self.result(0.0)

    # -- for the courier --------------------------------------------------------------

    def take(self, message: object) -> None:
        """Take what the component has answered for this measurement."""
        self.note(message)
        self.tell()

    def note(self, message: object) -> None:
        """As `take`, but wake and call nobody: for who holds a lock. Then `tell`."""
        with self._changed:
            if self.is_over:
                return
            self._troubles, self.trouble = 0, ""
            if isinstance(message, model.Receipt):
                self._take_receipt(message)
            elif isinstance(message, model.Result):
                self._gathered.finish(message)
                self._end_in_order()
            elif isinstance(message, model.Exception):
                self._take_exception(message)
            elif isinstance(message, model.Withdrawal):
                why = "the component offers this capability no more"
                self._end(MeasurementState.FAILED, why, RemoteError(why))
            elif isinstance(message, model.Envelope):
                self._gathered.add(message)
                if self._is_live or self._is_last(message):
                    self._end_in_order()

    def take_partial(self, message: model.Envelope, first: int) -> None:
        """Take rows so far, or results so far, from one on, and how it stands.

        An exception among it is to be taken by itself, when it was filed.
        """
        with self._changed:
            if self.is_over:
                return
            self._troubles, self.trouble = 0, ""
            self._is_live = True  # a plain envelope will be the last one
            inner = list(message.messages())
            for part in inner[1:]:
                if isinstance(part, model.Envelope):
                    self._gathered.add(part)
                elif isinstance(part, model.Result):
                    self._gathered.extend(part, first)
            for head in inner[:1]:
                if isinstance(head, model.Receipt):
                    self._take_receipt(head)
        self.tell()

    def latest(self, end: datetime) -> datetime:
        """Return until when results may come, if the scope ends then (UTC, naive)."""
        inner = self.scope.inner()
        duration = None if inner is None else inner.duration()
        return end + (duration or timedelta()) + timedelta(seconds=_LATE_SECONDS)

    def settle(self) -> None:
        """Note that its time is over and no further result will come."""
        with self._changed:
            if not self.is_over and self._gathered.count:
                self._end_in_order()
        self.tell()

    def expect_interrupt(self) -> None:
        """Note that the component was asked to stop."""
        self._was_asked = True

    def troubled(self, why: str) -> None:
        """Note that the component could not be asked."""
        with self._changed:
            if not self.is_over:
                self._troubles += 1
                self.trouble = why
        self.tell()

    def fail(self, error: RemoteError) -> None:
        """Note that the component has refused."""
        with self._changed:
            if not self.is_over:
                self._end(MeasurementState.FAILED, f"failed: {error.message}", error)
        self.tell()

    def tell(self) -> None:
        """Wake who waits, and call who watches, if there is something new."""
        with self._changed:
            self._changed.notify_all()
            shown = (self.state, self._gathered.count, self.trouble, self.outcome)
            if shown == self._shown:
                return
            self._shown = shown
            watchers = list(self._watchers)
        for call in watchers:
            try:
                call(self)
            except Exception:
                log.exception("who watches %r failed", self)

    # -- inside -----------------------------------------------------------------------

    def _take_receipt(self, receipt: model.Receipt) -> None:
        if self.receipt is None:
            self.receipt = receipt

    def _take_exception(self, exception: model.Exception) -> None:
        text = exception.errmsg()
        if text == UNKNOWN_JOB:
            if self.is_repeated and self._gathered.count:
                self._end_in_order()
                return
            why = (
                "the component does not know this measurement any more: it was "
                "restarted, it was never reached, or somebody else has the result"
            )
            error: RemoteError = NotFoundError(why, protocol="mPlane")
            self._end(MeasurementState.LOST, f"lost: {why}", error)
            return
        error = RemoteError(f"{self.label or self.token}: {text}", protocol="mPlane")
        if self._was_asked:
            self._end(MeasurementState.INTERRUPTED, f"interrupted: {text}", error)
        else:
            self._end(MeasurementState.FAILED, f"failed: {text}", error)

    def _is_last(self, envelope: model.Envelope) -> bool:
        """Tell whether no envelope with more results will follow."""
        scope, now = envelope.when(), clock.now()
        start, end = (None, None) if scope is None else scope.datetimes()
        if scope is None or end is None or end > now:
            return False
        if not self.is_repeated or self.ends is None or self.latest(end) <= now:
            return True
        # The envelope says nothing of turns that still run: all must be there.
        period = scope.period()
        if start is None or not period:
            return False
        return self._gathered.count > (end - max(start, self.asked)) // period

    def _end_in_order(self) -> None:
        if self._was_asked:
            text = f"interrupted: the component confirmed, {self._gathered}"
            self._end(MeasurementState.INTERRUPTED, text, None)
        else:
            self._end(MeasurementState.FINISHED, f"finished: {self._gathered}", None)

    def _end(
        self, state: MeasurementState, outcome: str, error: RemoteError | None
    ) -> None:
        self._final, self.outcome, self._error = state, outcome, error


def _aware(when: datetime | None) -> datetime | None:
    return None if when is None else when.replace(tzinfo=UTC)


def _aware_now() -> datetime:
    return clock.now().replace(tzinfo=UTC)
