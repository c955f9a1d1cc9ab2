"""What a step is, and how it is at one moment. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Step", "StepReport", "StepState"]


class StepState(StrEnum):
    """How a step is.

    ``skipped``: it was not begun, because of what it needs or of a cancel.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DETACHED = "detached"
    SKIPPED = "skipped"

    @property
    def is_over(self) -> bool:
        """Whether it changes no more."""
        return self not in (StepState.WAITING, StepState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a plan.

    Attributes:
        name: What others call it, and its result.
        function: Called with the results of what it needs, in that order.
        needs: Names of the steps that have to be done before.
        title: What it does, for people.
        line: Where it stands, from 1; 0 when it stands nowhere.
        is_aside: Whether it is too small to be shown while all is well: a definition.
        is_breakable: Whether it may be broken off between two of its lines of Python.
    """

    name: str
    function: Callable[..., Any]
    needs: tuple[str, ...] = ()
    title: str = ""
    line: int = 0
    is_aside: bool = False
    is_breakable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How a step is at one moment.

    Attributes:
        step: Which one.
        state: How it is.
        start: Seconds from the start of the plan to its own; ``None`` before that, and
            when it was done in an earlier run of the plan.
        end: Seconds from the start of the plan to its end; ``None`` before that.
        text: What it waits for, what became of it, or what went wrong.
        progress: What the handle that it waits for tells, of whatever kind.
    """

    step: Step
    state: StepState
    start: float | None = None
    end: float | None = None
    text: str = ""
    progress: Any = None

    @property
    def name(self) -> str:
        """The name of the step."""
        return self.step.name
