"""A scoring job: the handle of records on their way through an engine."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Protocol

from pilothouse import waits
from pilothouse.errors import PilothouseError, TransportError

from .errors import FastScoreRefusedError, FastScoreTimeoutError, of_branch
from .records import Scorable, count_of
from .results import Rejected, is_frame, tell, tell_late, tell_unsent, typed
from .score_plan import Plan
from .score_progress import Progress
from .score_watch import MAX_KEPT, Watch

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Flow", "ScoreInterrupt", "ScoreJob"]

CANCEL_SECONDS = 1.8
_TELL_SECONDS = 0.1
_MAX_PARTS = 64
_DRAWN = 20
"""Numbers to choose two marks from; in some encodings one of 50 cannot be used."""


class ScoreInterrupt(KeyboardInterrupt):
    """A score was interrupted; the message says what became of it.

    Attributes:
        job: The job; ``job.partial()`` has what came back.
    """

    def __init__(self, message: str, job: ScoreJob) -> None:
        super().__init__(message)
        self.job = job


class Flow(Protocol):
    """What moves the records of a job."""

    def start(self) -> None:
        """Begin, on threads of its own."""

    def drain(self, seconds: float) -> bool:
        """Send no more; True if all outputs of what was sent have come in time."""

    def leave(self, seconds: float) -> None:
        """Send no more, and take what is on its way here; wait for that no longer."""

    @property
    def is_whole(self) -> bool:
        """Whether all records were sent and scored, whatever was asked meanwhile."""

    def cut(self) -> None:
        """End at once."""

    def join(self, seconds: float) -> None:
        """Wait for its threads."""


class ScoreJob:
    """Records on their way through an engine; made by `Engine.submit`.

    It can be awaited, and iterated while it runs: each output as it comes.

    Args:
        engine: Who scores.
        data: The records.
        plan: Streams, encodings and schemas.
        flow: Makes what moves the records.
        as_frame: As `pilothouse.fastscore.results.typed`.
        keep: Keep the outputs; False: iteration takes them, and the engine waits for
            it, so that memory stays bounded.
        watch: What tells about rejected records, if anything does.
        progress: Called with the `Progress`, at most ten times a second.
        job_id: As the attribute ``id``; a new one by default.
        marks: As the attribute ``marks``; two new ones by default.

    Attributes:
        id: Tells it apart from all others: 32 characters; one that goes on for another
            process has eight more behind a dot.
        marks: Numbers of the marks before and behind its records.
        state: ``"running"``, ``"done"``, ``"failed"``, ``"cancelled"``, ``"detached"``.
        outcome: What became of it, in a sentence; empty while it runs.
        rejected: The first 10,000 records and outputs that did not pass.
        leftover: Outputs of somebody else that came first, and were dropped.
        total: Records in all; None if only the end will tell.
        sent: Records that the engine has accepted.
        in_doubt: Records of calls on their way; after a cut, of those cut off.
        received: Outputs that came back.
        dropped: Records that the engine has dropped unscored when it was cancelled.
        unsent: Records that were never sent, since the process that had them ended;
            None if nobody can tell how many.
        is_elsewhere: Whether it failed since another process takes its outputs.
        is_confirmed: Whether the engine has confirmed a cancel: nothing is left there.
    """

    def __init__(
        self,
        engine: Engine,
        data: Scorable,
        plan: Plan,
        flow: Callable[[ScoreJob], Flow],
        *,
        as_frame: bool | None = None,
        keep: bool = True,
        watch: Watch | None = None,
        progress: Callable[[Progress], object] | None = None,
        job_id: str = "",
        marks: tuple[int, int] | None = None,
    ) -> None:
        self.id = job_id or uuid.uuid4().hex
        self.marks = marks or _two_marks(plan)
        self.engine = engine
        self.plan = plan
        self.data: Scorable = data
        self.total = count_of(data)
        self.state = "running"
        self.outcome = ""
        self.rejected: list[Rejected] = []
        self.leftover = 0
        self.sent = self.in_doubt = self.received = self.refused = self.dropped = 0
        self.unsent: int | None = 0
        self.is_elsewhere = False
        self.is_confirmed = False
        self.watch = watch
        self.failure: BaseException | None = None
        self._as_frame = True if as_frame is None and is_frame(data) else as_frame
        self._keep = keep
        self._on_progress = progress
        self._told_at = 0.0
        self._telling = threading.RLock()  # what is told last is the newest
        self._warned = False
        self._changed = waits.Condition()
        self._awaiting: set[Callable[[], None]] = set()
        self._outputs: list[list[Any]] = []
        self._started = time.monotonic()
        self._ended: float | None = None
        self._flow = flow(self)

    def start(self) -> ScoreJob:
        """Begin."""
        self._flow.start()
        return self

    def __repr__(self) -> str:
        return f"<ScoreJob on {self.engine.name}, {self.progress}>"

    def _repr_html_(self) -> str:
        return self.progress._repr_html_()

    @property
    def gives_frame(self) -> bool:
        """Whether its outputs come as a DataFrame, whatever their schema."""
        return self._as_frame is True

    @property
    def base(self) -> str:
        """What its id has in common with that of the process that began."""
        return self.id.partition(".")[0]

    @property
    def can_be_taken_up(self) -> bool:
        """Whether there may be more of it at the engine than this handle has got."""
        if self.state == "failed":
            return self.is_elsewhere or isinstance(self.failure, TransportError)
        if self.state == "cancelled":
            return not self.is_confirmed and not self.plan.is_roundtrip
        return self.state in ("running", "detached")

    # -- the four verbs ---------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False if the time is up before that."""
        with self._changed:
            return self._changed.wait_for(lambda: self.state != "running", timeout)

    def result(self, timeout: float | None = None) -> Any:  # noqa: ANN401
        """Wait, and return the outputs in order, typed by the output schema.

        Raises:
            ModelError: If the model failed.
            FastScoreTimeoutError: If it is not over in time; it goes on.
            FastScoreError: If it failed otherwise, or was cancelled.
        """
        if not self.wait(timeout):
            raise FastScoreTimeoutError(
                f"not done within {timeout:g} s; {self.progress}",
                hint="it goes on: wait again, or cancel()",
            )
        if self.failure is not None:
            raise self.failure
        if self.state != "done":
            raise FastScoreRefusedError(
                self.outcome, hint="job.partial() has what came back"
            )
        result = self.partial()
        if self._warned:
            return result
        self._warned = True
        given = self.total if self.total is not None else self.sent
        if self.unsent != 0:
            tell_unsent(self.sent, self.total)
        if self.watch is not None and self.watch.is_late:
            tell_late()
        return tell(result, self.rejected, self.progress.rejected, given)

    def cancel(self) -> str:
        """Send no more, and take in what the engine still gives, within 1.8 seconds.

        Returns:
            What became of it: whether the engine has confirmed that nothing is left.
            A score that had all its outputs by then is done.
        """
        if self.state == "running":
            confirmed = self._flow.drain(CANCEL_SECONDS)
            if confirmed and self._flow.is_whole:
                self.done()
            self.is_confirmed = confirmed
            self._end("cancelled", lambda: self._cancelled(confirmed))
            self._flow.cut()
        return self.outcome

    def detach(self) -> str:
        """Leave it to the engine: send no more, and read no more than is on its way.

        What is on its way for long still comes, behind what this tells.

        Returns:
            What became of it: where the outputs that are still to come can be read.
            A score that had all its outputs by then is done.
        """
        if self.state == "running":
            self._flow.leave(CANCEL_SECONDS)
            if self._flow.is_whole:
                self.done()
            self._end("detached", self._detached)
        return self.outcome

    # -- looking on -------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        """How far it is."""
        ended = time.monotonic() if self._ended is None else self._ended
        counts = {} if self.watch is None else self.watch.counts
        inputs = max(self.refused, counts.get(self.plan.inlet.slot, 0))
        return Progress(
            state=self.state,
            sent=self.sent,
            in_doubt=self.in_doubt,
            received=self.received,
            rejected=inputs + counts.get(self.plan.outlet.slot, 0),
            total=self.total,
            seconds=ended - self._started,
        )

    def partial(self) -> Any:  # noqa: ANN401 - a list or a DataFrame
        """Return the outputs that have come so far, typed by the output schema."""
        with self._changed:
            parts = list(self._outputs)
        values = [value for part in parts for value in part]
        return typed(values, self.plan.output_schema, self._as_frame)

    def join(self, seconds: float) -> None:
        """Wait until it has tidied up behind itself."""
        self._flow.join(seconds)

    def __iter__(self) -> Iterator[Any]:
        """Yield each output as it comes, from the first one on.

        Raises:
            FastScoreError: As `result`, behind the outputs that came before.
        """
        at = 0
        while True:
            with self._changed:
                while len(self._outputs) <= at and self.state == "running":
                    self._changed.wait()
                if len(self._outputs) <= at:
                    break
                part = self._outputs[at]
                if self._keep:
                    at += 1
                else:
                    del self._outputs[0]
                    self._changed.notify_all()
            yield from part
        if self.failure is not None:
            raise self.failure

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:  # noqa: ANN401
        await waits.until_over(self._watch_end, lambda: self.state != "running")
        return self.result()

    def _watch_end(self, tell: Callable[[], None]) -> Callable[[], None]:
        with self._changed:
            self._awaiting.add(tell)

        def forget() -> None:
            with self._changed:
                self._awaiting.discard(tell)

        return forget

    # -- for the flow -----------------------------------------------------------------

    def accepted(self, count: int) -> None:
        """Note that the engine has taken records."""
        with self._changed:
            if self.state == "cancelled":  # what was sent has been told
                return
            self.sent += count
        self._tell()

    def take(self, values: list[Any]) -> None:
        """Take outputs; wait if nobody fetches them and they are not to be kept."""
        if not values:
            return
        with self._changed:
            if not self._keep:
                self._changed.wait_for(
                    lambda: len(self._outputs) < _MAX_PARTS or self.state != "running"
                )
            if self.state == "cancelled":  # what came back has been told
                return
            self._outputs.append(values)
            self.received += len(values)
            self._changed.notify_all()
        self._tell()

    def reject(self, index: int, reason: str, record: Any) -> None:  # noqa: ANN401
        """Note a record that does not pass."""
        with self._changed:
            self.refused += 1
            if len(self.rejected) < MAX_KEPT:
                slot = self.plan.inlet.slot
                self.rejected.append(
                    Rejected(slot=slot, index=index, reason=reason, record=record)
                )

    def drop(self, count: int) -> None:
        """Note how many records the engine has dropped until now."""
        with self._changed:
            if self.state != "cancelled":  # what was dropped has been told
                self.dropped = max(self.dropped, count)

    def done(self) -> None:
        """Note that the last output has come."""
        self._end("done", f"done: {self.sent:,} sent, {self.received:,} received")

    def fail(self, exc: BaseException) -> None:
        """Note that it cannot go on."""
        if isinstance(exc, PilothouseError):
            exc = of_branch(f"Scoring on {self.engine.name} stopped", exc)
        if self.state == "running":
            exc.add_note(
                f"{self.sent:,} records were sent, {self.received:,} outputs came "
                "back: engine.last_job.partial()"
            )
            self.failure = exc
        self._end("failed", f"failed: {exc}")

    def _end(self, state: str, outcome: str | Callable[[], str]) -> None:
        with self._changed:
            if self.state != "running":
                return
            self._ended = time.monotonic()
            if self.watch is not None:
                known = self.refused
                slot = self.plan.inlet.slot
                self.rejected += [
                    one for one in self.watch.rejected if one.slot != slot or not known
                ]
            self.rejected.sort(key=lambda one: (one.index is None, one.index or 0))
            self.outcome = outcome if isinstance(outcome, str) else outcome()
            self.state = state
            self._changed.notify_all()
            awaiting = list(self._awaiting)
        for tell_it in awaiting:
            tell_it()
        self._tell(at_once=True)

    def _detached(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        text = (
            f"detached: {self.sent:,}{of} records were sent and {self.received:,} "
            "outputs came back"
        )
        if self.plan.is_roundtrip:
            return text + f"; nothing waits at {self.engine.name}"
        slot = self.plan.outlet.slot
        return text + f"; the others wait at slot {slot} of {self.engine.name}"

    def _cancelled(self, confirmed: bool) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        text = f"cancelled: {self.sent:,}{of} records were sent"
        if self.in_doubt:
            text += f" ({self.in_doubt:,} more may have been)"
        text += f", {self.received:,} outputs came back"
        text += f", {self.dropped:,} were dropped unscored; " if self.dropped else "; "
        if confirmed:
            return text + f"{self.engine.name} has confirmed that nothing is left"
        return text + (
            f"{self.engine.name} has not confirmed the end, outputs may still come at "
            f"slot {self.plan.outlet.slot}"
        )

    def _tell(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is None or (
            now < self._told_at + _TELL_SECONDS and not at_once
        ):
            return
        self._told_at = now
        with self._telling:
            self._on_progress(self.progress)


def _two_marks(plan: Plan) -> tuple[int, int]:
    drawn = SystemRandom().sample(range(1, 1 << 30), _DRAWN)
    first, last, *_ = [*filter(plan.keeps_whole, drawn), *drawn]
    return first, last
