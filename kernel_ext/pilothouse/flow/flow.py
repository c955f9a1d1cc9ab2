"""The plan that runs: starts what is ready, stops what cannot go on, tells of it.

There is no thread but those of the running steps: whoever ends starts what has become
ready. May be used by several threads.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pilothouse import waits
from pilothouse.errors import AnswerTimeoutError

from . import picture, plan
from .errors import FlowError, PlanError
from .steps import Step, StepReport, StepState
from .task import Task

__all__ = ["Flow", "FlowProgress"]

_LAST_SECONDS: Final = 0.5
_STOPPED = (StepState.CANCELLED, StepState.DETACHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowProgress:
    """How far a plan is.

    Attributes:
        state: ``"planned"``, ``"running"``, or how it ended: ``"done"``, ``"failed"``,
            ``"cancelled"``, ``"detached"``.
        done: Steps that are done.
        failed: Steps that failed.
        total: Steps in all.
        step: What runs now, in words.
        seconds: Since the start, until now or the end.
        steps: Each step.
    """

    state: str
    done: int
    failed: int
    total: int
    step: str
    seconds: float
    steps: tuple[StepReport, ...]


class Flow:
    """A plan of steps; itself a handle of work, awaited and iterated live.

    Iterating gives a `StepReport` at each change of a step's state.

    Args:
        label: What the plan is called.
        at_once: Most steps at a time.
        patience: How long a cancel or a detach waits for the peers, in seconds.

    Attributes:
        label: What the plan is called.
        outcome: What became of it, in a sentence; empty while it runs.
        patience: How long a cancel or a detach waits for the peers, in seconds.
    """

    def __init__(
        self, label: str = "flow", *, at_once: int = 16, patience: float = 1.8
    ) -> None:
        self.label = label
        self.outcome = ""
        self._at_once = at_once
        self.patience = patience
        self._steps: list[Step] = []
        self._tasks: dict[str, Task] = {}
        self._events: list[StepReport] = []
        self._watchers: list[Callable[[Flow], object]] = []
        self._changed = waits.Condition()
        self._began = self._ended = 0.0
        self._state = "planned"
        self._stopping = ""

    def __repr__(self) -> str:
        return f"<Flow {self.label}: {self.outcome or self._so_far()}>"

    def __str__(self) -> str:
        return picture.drawn(self.progress)

    # -- the plan -------------------------------------------------------------------

    def step(
        self,
        name: str,
        function: Callable[..., Any] | None = None,
        *,
        needs: Sequence[str] | None = None,
        title: str = "",
        line: int = 0,
        is_aside: bool = False,
        is_breakable: bool = True,
    ) -> Any:  # noqa: ANN401  the function, or a decorator of it
        """Add a step.

        Args:
            name: What others call it, and its result.
            function: Called with the results of what it needs, in that order. Without
                it, this is a decorator.
            needs: Names of steps; the names of the function's parameters without a
                default, if not given.
            title: What it does, for people.
            line: Where it stands, from 1.
            is_aside: Whether it is too small to be shown while all is well.
            is_breakable: Whether a cancel may break it off between two lines; one that
                must not be left half done asks `Task.stop_if_asked` where it may be.

        Returns:
            The function.

        Raises:
            RuntimeError: If the plan has been started.
        """
        if function is None:
            return lambda made: self.step(
                name,
                made,
                needs=needs,
                title=title,
                line=line,
                is_aside=is_aside,
                is_breakable=is_breakable,
            )
        with self._changed:
            if self._state != "planned":
                raise RuntimeError("a plan that was started takes no more steps")
            self._steps.append(
                Step(
                    name=name,
                    function=function,
                    needs=tuple(_parameters(function) if needs is None else needs),
                    title=title,
                    line=line,
                    is_aside=is_aside,
                    is_breakable=is_breakable,
                )
            )
        return function

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, each behind what it needs."""
        return tuple(plan.in_order(self._steps))

    def start(self, done: Mapping[str, Any] | None = None) -> Flow:
        """Begin, and return at once.

        Args:
            done: Results of steps that need not be run.

        Raises:
            PlanError: If the plan is wrong; nothing is begun then.
            RuntimeError: If it was started already.
        """
        if faults := plan.faults(self._steps):
            raise PlanError(faults)
        with self._changed:
            if self._state != "planned":
                raise RuntimeError("the plan was started already; resume() goes on")
            self._begin(dict(done or {}))
        self._advance()
        return self

    def resume(self) -> Flow:
        """Go on from what failed or was stopped, with what is done; return at once.

        Raises:
            FlowError: If a step that was stopped has not ended yet.
            RuntimeError: If it still runs, or was never started.
        """
        with self._changed:
            if self._state in ("planned", "running"):
                raise RuntimeError(f"there is nothing to resume: it is {self._state}")
            tasks = list(self._tasks.values())
        left = [one.step.name for one in tasks if not one.returns(_LAST_SECONDS)]
        if left:
            names = ", ".join(left)
            raise FlowError(f"{names} has not ended yet", hint="resume() in a moment")
        with self._changed:
            self._begin(self.results)
        self._advance()
        return self

    # -- the four verbs ---------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, in seconds; false when it is not over by then."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_over, timeout)

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait, and return the results of all steps, by their names.

        Raises:
            AnswerTimeoutError: If it is not over in time; it goes on.
            FlowError: If steps failed, or it was cancelled or detached; the results so
                far are in `results`.
        """
        if not self.wait(timeout):
            raise AnswerTimeoutError(f"{self.label} is not over after {timeout:g} s")
        if self._state != "done":
            errors = self.errors
            hint = "resume() goes on from there with what is done"
            error = FlowError(self.outcome, errors=errors, hint=hint)
            raise error from next(iter(errors.values()), None)
        return self.results

    def cancel(self) -> str:
        """Stop the running steps and begin no more; return who has confirmed."""
        return self._stop("cancelled", Task.cancel)

    def detach(self) -> str:
        """Leave the remote work to its peers and begin no more; say where it is."""
        return self._stop("detached", Task.detach)

    # -- looking on -----------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs."""
        return self._state not in ("planned", "running")

    @property
    def state(self) -> str:
        """``"planned"``, ``"running"``, or how it ended."""
        return self._state

    @property
    def results(self) -> dict[str, Any]:
        """The results so far, by the names of their steps."""
        with self._changed:
            return {
                name: task.value
                for name, task in self._tasks.items()
                if task.state is StepState.DONE
            }

    @property
    def errors(self) -> dict[str, BaseException]:
        """What the failed steps raised, by their names."""
        with self._changed:
            return {
                name: task.error
                for name, task in self._tasks.items()
                if task.state is StepState.FAILED and task.error is not None
            }

    def partial(self) -> dict[str, Any]:
        """Return the results so far, and what there is of stopped steps."""
        with self._changed:
            stopped = {
                name: task.partial
                for name, task in self._tasks.items()
                if task.partial is not None
            }
        return {**self.results, **stopped}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  whatever the step gave
        """Return the result of a step that is done."""
        return self.results[name]

    @property
    def progress(self) -> FlowProgress:
        """How far it is."""
        with self._changed:
            reports = tuple(self._report(step) for step in self.steps)
            until = self._ended if self.is_over else time.monotonic()
            seconds = until - self._began if self._began else 0.0
            state = self._state
        shown = [r for r in reports if not r.step.is_aside or r.state == "failed"]
        running = ", ".join(r.name for r in shown if r.state is StepState.RUNNING)
        return FlowProgress(
            state=state,
            done=sum(r.state is StepState.DONE for r in shown),
            failed=sum(r.state is StepState.FAILED for r in shown),
            total=len(shown),
            step=running,
            seconds=seconds,
            steps=tuple(shown),
        )

    def on_change(self, call: Callable[[Flow], object]) -> Callable[[], None]:
        """Call with this plan when a step begins or ends, from any thread.

        Returns:
            What takes the wish back.
        """
        with self._changed:
            self._watchers.append(call)

        def forget() -> None:
            with self._changed, suppress(ValueError):
                self._watchers.remove(call)

        return forget

    def __iter__(self) -> Iterator[StepReport]:
        at = 0
        while found := self._events_from(at):
            at += len(found)
            yield from found

    def _events_from(self, at: int) -> list[StepReport]:
        """Return the changes from one on; wait for one; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > at or self.is_over)
            return self._events[at:]

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        return self._awaited().__await__()

    async def _awaited(self) -> dict[str, Any]:
        await waits.until_over(self.on_change, lambda: self.is_over)
        return self.result(0.0)

    # -- inside -----------------------------------------------------------------------

    def _begin(self, done: Mapping[str, Any]) -> None:
        self._began, self._ended = time.monotonic(), 0.0
        self._state, self._stopping, self.outcome = "running", "", ""
        self._events = []
        self._tasks = {s.name: Task(s, self._began, self._over) for s in self.steps}
        for name, value in done.items():
            if name in self._tasks:
                self._tasks[name].take(value)

    def _over(self, task: Task, state: StepState, text: str) -> None:
        """Take the end of a step, on its thread."""
        with self._changed:
            if self._tasks.get(task.step.name) is not task:
                return  # left behind by an earlier run of the plan
            if task.end(state, text):
                self._note(task)
        self._advance()

    def _advance(self) -> None:
        """Start what is ready, give up what cannot be; end when nothing is left."""
        with self._changed:
            if self._state != "running":
                return
            for task in self._tasks.values():
                self._look_at(task)
            if all(task.state.is_over for task in self._tasks.values()):
                self._finish()
        self._tell()

    def _look_at(self, task: Task) -> None:
        if task.state is not StepState.WAITING:
            return
        needed = [self._tasks[name] for name in task.step.needs]
        stopped = [one for one in needed if one.state.is_over and one.state != "done"]
        if self._stopping or stopped:
            why = f"needs {stopped[0].step.name}" if stopped else "not begun"
            task.end(StepState.SKIPPED, why)
            self._note(task)
        elif all(one.state is StepState.DONE for one in needed):
            running = sum(t.state is StepState.RUNNING for t in self._tasks.values())
            if running < self._at_once:
                task.begin()
                self._note(task)
                task.start([one.value for one in needed])

    def _stop(self, state: str, verb: Callable[[Task], str]) -> str:
        deadline = time.monotonic() + self.patience
        with self._changed:
            if self._state != "running":
                return self.outcome or "it was never started"
            self._stopping = state
            tasks = [t for t in self._tasks.values() if t.state is StepState.RUNNING]
        self._advance()
        said = _asked(tasks, verb, deadline)
        for task in tasks:
            if state == "cancelled":
                task.join(max(0.0, deadline - time.monotonic()))
        for task in tasks:
            text = said.get(task.step.name) or _silent(task, state)
            with self._changed:  # it is not over before this is told
                if task.end(StepState(state), text):
                    self._note(task)
            task.leave()  # now: one that is left ends itself, and knows less
        self._advance()
        return self.outcome

    def _finish(self) -> None:
        states = [task.state for task in self._tasks.values()]
        self._ended = time.monotonic()
        if self._stopping and any(s in _STOPPED or s == "skipped" for s in states):
            state = self._stopping
        else:
            state = "failed" if StepState.FAILED in states else "done"
        self.outcome = self._so_far(state)
        self._state = state  # last: who sees that it is over finds the outcome, too

    def _so_far(self, state: str = "") -> str:
        now = self.progress
        state = state or now.state
        found = f"{now.done} of {now.total} steps done"
        if state not in ("planned", "running"):
            found = f"{state}: {found}"
        if state == "done":
            found = f"done: {now.total} {'step' if now.total == 1 else 'steps'}"
        told = [
            f"{one.name}: {one.text}" if one.state in _STOPPED else _failed(one)
            for one in now.steps
            if one.state in (*_STOPPED, StepState.FAILED)
        ]
        return "; ".join([found, *told])

    def _report(self, step: Step) -> StepReport:
        task = self._tasks.get(step.name)
        if task is None:
            return StepReport(step=step, state=StepState.WAITING)
        return task.report()

    def _note(self, task: Task) -> None:
        with self._changed:
            self._events.append(task.report())
            self._changed.notify_all()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
            watchers = list(self._watchers)
        for call in watchers:
            call(self)


def _asked(
    tasks: Sequence[Task], verb: Callable[[Task], str], deadline: float
) -> dict[str, str]:
    """Return what a verb of all tasks says within a time, asked side by side."""
    said: dict[str, str] = {}

    def ask(task: Task) -> None:
        try:
            said[task.step.name] = verb(task)
        except Exception as exc:  # a peer that fails has confirmed nothing
            said[task.step.name] = f"not confirmed: {exc}"

    threads = [
        threading.Thread(
            target=ask, args=(one,), name="pilothouse-flow-ask", daemon=True
        )
        for one in tasks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(said)


def _failed(one: StepReport) -> str:
    return f"{one.name} failed: {one.text}"


def _silent(task: Task, state: str) -> str:
    """Return what to say of a task whose peer has said nothing."""
    if task.has_handle:
        return "not confirmed in time: it may still run"
    if state == "detached":
        return "it goes on here, and nobody waits for it"
    until = "its next line of Python" if task.step.is_breakable else "its end"
    return f"asked to stop; it goes on to {until}"


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that a function cannot be called without."""
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # some builtins do not tell
        return []
    return [
        name
        for name, parameter in parameters.items()
        if parameter.kind in named and parameter.default is inspect.Parameter.empty
    ]
