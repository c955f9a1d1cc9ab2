"""How far a run is: one value for each moment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from html import escape

__all__ = ["Lane", "Progress", "Span", "State", "duration"]


class State(StrEnum):
    """Where a run is.

    Attributes:
        PREPARING: The function is packed, sent, and workers start.
        RUNNING: Items are mapped.
        DONE: All results are there.
        FAILED: It cannot go on; what came before is kept.
        CANCELLED: Somebody has cancelled it; what came before is kept.
        DETACHED: The service goes on with it, without this process.
    """

    PREPARING = "preparing"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DETACHED = "detached"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (State.PREPARING, State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One batch at a worker.

    Attributes:
        start: When it began, in seconds since the run began.
        end: When it ended; None: it is under way.
        items: Items in it.
        state: ``"running"``, ``"done"``, ``"failed"`` or ``"retried"``.
    """

    start: float
    end: float | None
    items: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One worker, as far as a run has seen it.

    Attributes:
        name: Its id: of the service's worker, or ``"local-1"``.
        kind: ``"local"`` or ``"cloud"``.
        batches: Batches it has done.
        items: Items in them.
        seconds: Time in the function.
        is_busy: Whether it has a batch now; of a service's worker that is not known.
        spans: The newest batches, in order.
    """

    name: str
    kind: str
    batches: int = 0
    items: int = 0
    seconds: float = 0.0
    is_busy: bool = False
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is, at one moment.

    Attributes:
        state: Where it is.
        done: Items whose results are there.
        failed: Items that gave an exception as their result.
        total: Items in all; None: nobody knows.
        seconds: Since it began.
        rate: Items a second, lately.
        local_seconds: Time in the function, in processes here.
        cloud_seconds: Time in the function, at the service.
        credits: Spent so far.
        batches: Batches done.
        retries: How often something had to be tried again.
        step: What is being waited for; empty: nothing.
        lanes: The workers.
        error: What went wrong, one line; empty: nothing.
    """

    state: State
    done: int = 0
    failed: int = 0
    total: int | None = None
    seconds: float = 0.0
    rate: float = 0.0
    local_seconds: float = 0.0
    cloud_seconds: float = 0.0
    credits: float = 0.0
    batches: int = 0
    retries: int = 0
    step: str = ""
    lanes: tuple[Lane, ...] = ()
    error: str = ""

    @property
    def received(self) -> int:
        """Results that came back, for views that count these."""
        return self.done - self.failed

    @property
    def rejected(self) -> int:
        """Items without a result, for views that count these."""
        return self.failed

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; None if the total is not known."""
        if self.state is State.DONE:
            return 1.0
        return self.done / self.total if self.total else None

    @property
    def eta(self) -> float | None:
        """Seconds still to go, if it goes on like this; None if nobody can tell."""
        if self.total is None or self.rate <= 0 or self.state.is_over:
            return None
        return (self.total - self.done) / self.rate

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.done:,}{of} items"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.rate and not self.state.is_over:
            parts.append(f"{self.rate:,.4g} a second")
        if self.eta is not None:
            parts.append(f"{duration(self.eta)} to go")
        if self.credits:
            parts.append(f"{self.credits:.4g} credits")
        if self.step:
            parts.append(f"waiting: {self.step}")
        if self.error:
            parts.append(self.error)
        return f"{self.state}: " + ", ".join(parts)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def duration(seconds: float) -> str:
    """Return a duration as people read it: ``12s``, ``03:07``, ``01:00:09``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
