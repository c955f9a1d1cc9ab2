"""A piece of remote work that a test moves along by hand."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Span:
    items: int
    start: float
    end: float | None = None
    state: str = "done"


@dataclass(frozen=True)
class Lane:
    name: str
    kind: str = "cloud"
    items: int = 0
    seconds: float = 0.0
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Progress:
    state: str = "running"
    done: int = 0
    total: int | None = 60
    rate: float = 0.0
    eta: float | None = None
    seconds: float = 0.0
    local_seconds: float = 0.0
    cloud_seconds: float = 0.0
    credits: float = 0.0
    step: str = ""
    lanes: tuple[Lane, ...] = ()


class FarError(Exception):
    """An error with what the far end told."""

    def __init__(self, message, traceback=""):
        super().__init__(message)
        self.message, self.traceback = message, traceback


@dataclass
class Work:
    """A handle with the verbs of remote work.

    Attributes:
        answers: Clear it to let `cancel` wait.
    """

    progress: Progress = field(default_factory=Progress)
    outcome: str = ""
    failure: Exception | None = None
    over: threading.Event = field(default_factory=threading.Event)
    answers: threading.Event = field(default_factory=threading.Event)
    results: list[int] = field(default_factory=list)
    detached: bool = False
    logs: str = ""

    def __post_init__(self):
        self.answers.set()

    @property
    def state(self):
        return self.progress.state

    def at(self, **changes):
        """Move it along."""
        self.progress = replace(self.progress, **changes)

    def end(self, state, outcome="", failure=None):
        """End it."""
        self.outcome, self.failure = outcome or state, failure
        self.at(state=state)
        self.over.set()

    def wait(self, timeout=None):
        return self.over.wait(timeout)

    def result(self):
        self.wait()
        if self.failure is not None:
            raise self.failure
        return self.results

    def cancel(self):
        self.answers.wait(30)
        self.end("cancelled", "cancelled: the workers are free")
        return self.outcome

    def detach(self):
        self.detached = True
        return "detached: it goes on"

    def partial(self):
        return list(self.results)
