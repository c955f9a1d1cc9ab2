"""Progress of a handle of remote work, whatever the kernel does meanwhile."""

from __future__ import annotations

import threading
from typing import Protocol

from .progress import HowFar, Progress

__all__ = ["Job", "RunProgress"]


class Job(Protocol):
    """A handle of remote work.

    Attributes:
        outcome: What became of it, in a sentence.
    """

    outcome: str

    @property
    def progress(self) -> HowFar:
        """How far it is."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; tell whether that has come."""

    def cancel(self) -> object:
        """End it."""


class RunProgress(Progress):
    """Progress of a handle of remote work, read by a thread until it ends.

    Args:
        job: A handle with the four verbs of remote work, such as a `ScoreJob`.
        label: What is being done.
        unit: What is counted.
        interval: Seconds between two looks.
    """

    def __init__(
        self,
        job: Job,
        *,
        label: str = "",
        unit: str = "records",
        interval: float = 0.25,
    ) -> None:
        self._job = job
        self._left = threading.Event()
        self._interval = interval
        super().__init__(label=label or _label(job), unit=unit, cancel=job.cancel)
        self._thread = threading.Thread(
            target=self._follow, name="pilothouse-run-progress", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop looking at the job; the job itself goes on."""
        self._left.set()
        if self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _follow(self) -> None:
        while not self._left.is_set():
            over = self._job.wait(self._interval)
            report = self._job.progress
            if over:
                self.set(report.received + report.rejected, report.total)
                self._end(str(report.state), str(self._job.outcome))
                return
            self.take(report)


def _label(job: Job) -> str:
    engine = getattr(job, "engine", None)
    return f"Scoring on {engine.name}" if engine is not None else "remote work"
