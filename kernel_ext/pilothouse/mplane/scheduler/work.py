"""What a job and a repeated job have in common: a receipt, an end, who watches.

No I/O.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from pilothouse.mplane import model

from .runtime import Runtime, shared_runtime
from .service import Service
from .timers import Timer

__all__ = ["JobCallback", "JobState", "Reply", "Work", "scope_of"]

log = logging.getLogger(__name__)

JobCallback: TypeAlias = Callable[[model.Receipt], object]
Reply: TypeAlias = "model.Result | model.Envelope | model.Exception | model.Receipt"


def scope_of(specification: model.Specification) -> model.When:
    """Return the temporal scope; one without it can begin at any time."""
    return specification.when() or model.when_infinite


class JobState(Enum):
    """Where a job is."""

    CREATED = "created"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    OVER = "over"


class Work(ABC):
    """Something that a service does for one specification.

    Attributes:
        receipt: What identifies it.
        owner: The identity that asked for it.
        is_interrupted: Whether somebody asked it to stop.
    """

    def __init__(
        self,
        service: Service,
        specification: model.Specification,
        session: object,
        callback: JobCallback | None,
        *,
        runtime: Runtime | None,
        owner: str | None,
    ) -> None:
        self.service = service
        self.specification = specification
        self.session = session
        self.owner = owner
        self.receipt = model.Receipt(specification=specification)
        self.is_interrupted = False
        self._callback = callback
        self._runtime = shared_runtime() if runtime is None else runtime
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._state = JobState.CREATED
        self._timers: list[Timer] = []
        self._watchers: list[Callable[[], object]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self.specification!r}>"

    @abstractmethod
    def schedule(self) -> None:
        """Begin at the time that the specification names."""

    @abstractmethod
    def interrupt(self) -> None:
        """Stop, and keep what was measured."""

    @abstractmethod
    def failed(self) -> bool:
        """Tell whether it is over and has no result."""

    @abstractmethod
    def get_reply(self) -> Reply:
        """Return what there is, or the receipt."""

    @property
    @abstractmethod
    def count_partial(self) -> int:
        """Rows, or results, so far."""

    @abstractmethod
    def partial(self, first: int = 0) -> model.Result | model.Envelope | None:
        """Return what there is so far, from one row or result on; None: nothing."""

    @property
    def state(self) -> JobState:
        """Where it is."""
        return self._state

    def finished(self) -> bool:
        """Tell whether it is over, with a result or without."""
        return self._over.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False if the time (in seconds) is up before that."""
        return self._over.wait(timeout)

    def on_change(self, call: Callable[[], object]) -> Callable[[], None]:
        """Call when there is more, and at the end; at once if it is over.

        Args:
            call: Must be quick; comes on a thread of the job.

        Returns:
            What takes the wish back.
        """
        with self._lock:
            self._watchers.append(call)
            is_over = self._over.is_set()
        if is_over:
            call()

        def forget() -> None:
            with self._lock:
                if call in self._watchers:
                    self._watchers.remove(call)

        return forget

    def _close(self) -> list[Timer]:
        """Note that it is over, with the lock held; return the timers to cancel."""
        self._state = JobState.OVER
        timers, self._timers = self._timers, []
        self._over.set()
        return timers

    def _tell(self) -> None:
        with self._lock:
            watchers = list(self._watchers)
        for call in watchers:
            try:
                call()
            except Exception:
                log.exception("who watches %r failed", self)

    def _call_back(self) -> None:
        if self._callback is None:
            return
        try:
            self._callback(self.receipt)
        except Exception:
            log.exception("the callback of %r failed", self)
