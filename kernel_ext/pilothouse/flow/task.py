"""One step that runs: its thread, the handle that it waits for, how it is stopped.

The thread is the step's own. A step that waits for a handle is stopped by the handle's
verbs; one that computes is asked to stop by an exception at its next line of Python
(``PyThreadState_SetAsyncExc``): a call that is under way is not broken off.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Protocol, runtime_checkable

from pilothouse import waits

from .steps import Step, StepReport, StepState

__all__ = ["Handle", "Task", "current", "follow", "is_handle"]

_SLICE: Final = 0.1
_CURRENT: ContextVar[Task | None] = ContextVar("pilothouse_flow_step", default=None)


@runtime_checkable
class Handle(Protocol):
    """A handle of remote work: the four verbs."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, in seconds; false when it is not over by then."""

    def result(self) -> Any:  # noqa: ANN401  whatever the work gives
        """Return what came out, or raise what went wrong."""

    def cancel(self) -> Any:  # noqa: ANN401  a sentence
        """Stop the work, and say whether the remote end has confirmed it."""

    def detach(self) -> Any:  # noqa: ANN401  a sentence
        """Leave the work to the remote end."""


def is_handle(value: object) -> bool:
    """Whether something has the four verbs."""
    return isinstance(value, Handle) and not isinstance(value, type)


def current() -> Task | None:
    """Return the step that runs in this thread; ``None`` outside of a plan."""
    return _CURRENT.get()


def follow(handle: Handle) -> Any:  # noqa: ANN401  whatever the work gives
    """Wait for a handle and return its result; inside a step, as a part of it.

    The plan then shows the handle's progress, and cancels or detaches it.
    """
    task = current()
    return handle.result() if task is None else task.follow(handle)


class _LeftError(BaseException):
    """The plan waits for this step no longer."""


class _StoppedError(BaseException):
    """The step was asked to stop."""


class Task:
    """One run of a step.

    Args:
        step: Which one.
        began: When the plan began, on the steady clock.
        over: Called on the task's thread when it has ended, with how and why.
    """

    def __init__(
        self, step: Step, began: float, over: Callable[[Task, StepState, str], None]
    ) -> None:
        self.step = step
        self.state = StepState.WAITING
        self.value: Any = None
        self.error: BaseException | None = None
        self.partial: Any = None
        self.text = ""
        self._began = began
        self._over = over
        self._start: float | None = None
        self._end: float | None = None
        self._handle: Handle | None = None
        self._progress: Any = None
        self._is_asked = False
        self._is_left = False
        self._in_function = False
        self._answered = waits.Event()
        self._returned = waits.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    # -- running --------------------------------------------------------------------

    def begin(self) -> None:
        """Note that it runs from now on."""
        self.state = StepState.RUNNING
        self._start = time.monotonic() - self._began

    def start(self, values: list[Any]) -> None:
        """Run it in a thread of its own."""
        self._thread = threading.Thread(
            target=self._run,
            args=(values,),
            name=f"pilothouse-flow-{self.step.name}",
            daemon=True,
        )
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for its thread, in seconds; tell whether it has ended."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def returns(self, timeout: float) -> bool:
        """Wait for the end of its function, in seconds; tell whether it has ended."""
        return self._thread is None or self._returned.wait(timeout)

    def end(self, state: StepState, text: str = "") -> bool:
        """Note how it ended, if it has not ended yet."""
        with self._lock:
            if self.state.is_over:
                return False
            self.state = state
            self.text = text
            if self._start is not None:
                self._end = time.monotonic() - self._began
        return True

    def take(self, value: object) -> None:
        """Note that it was done in an earlier run."""
        self.value, self.state = value, StepState.DONE
        self.text = "done before"

    def follow(self, handle: Handle) -> Any:  # noqa: ANN401  whatever the work gives
        """Wait for a handle and return its result."""
        with self._lock:
            self._handle, self.text = handle, ""
            asked = self._is_asked
        if asked:
            self._ask(handle)
        try:
            while not handle.wait(_SLICE):
                if self._is_left:
                    raise _LeftError
            if self._is_asked:
                while not (self._is_left or self._answered.wait(_SLICE)):
                    continue  # the peer has its say
                raise _StoppedError
            return handle.result()
        finally:
            self._progress = getattr(handle, "progress", None)
            if self._is_asked or self._is_left:
                self.partial = _partial(handle)
            with self._lock:
                self._handle = None

    def stop_if_asked(self) -> None:
        """End here, if a cancel has asked for that; for the step's own thread."""
        if self._is_asked:
            raise _StoppedError

    def say(self, text: str) -> None:
        """Tell what it does now, in a few words."""
        self.text = text

    def _run(self, values: list[Any]) -> None:
        _CURRENT.set(self)
        state, text = StepState.DONE, ""
        try:
            try:
                self.value = self._call(values)
            except (_LeftError, _StoppedError):
                state, text = StepState.CANCELLED, self.text or "stopped"
            except BaseException as exc:
                self.error = exc
                state, text = StepState.FAILED, _line(exc)
                if self._is_asked:
                    state, text = StepState.CANCELLED, self.text or "stopped"
        except _StoppedError:  # asked in the very moment of its end
            state, text = StepState.CANCELLED, "stopped"
        self._returned.set()
        self._over(self, state, text)

    def _call(self, values: list[Any]) -> Any:  # noqa: ANN401
        try:
            with self._lock:
                if self._is_asked:
                    raise _StoppedError
                self._in_function = True
            value = self.step.function(*values)
            if is_handle(value):
                value = self.follow(value)
        finally:
            with self._lock:  # nobody asks this thread to stop from here on
                self._in_function = False
        return value

    # -- stopping -------------------------------------------------------------------

    def cancel(self) -> str:
        """Stop it; return what its peer said, empty when there is none."""
        with self._lock:
            self._is_asked = True
            handle = self._handle
            is_here = handle is None and self._in_function and self.step.is_breakable
            if is_here and self._thread is not None:
                _raise_in(self._thread, _StoppedError)
        return "" if handle is None else self._ask(handle)

    def _ask(self, handle: Handle) -> str:
        try:
            self.text = str(handle.cancel() or "")
        finally:
            self._answered.set()
        return self.text

    def detach(self) -> str:
        """Leave its remote work to the remote end; return where it is found."""
        with self._lock:
            handle = self._handle
        if handle is None:
            return ""
        self.text = str(handle.detach() or "")
        return self.text

    def leave(self) -> None:
        """Wait for it no longer."""
        self._is_left = True

    # -- looking on -----------------------------------------------------------------

    @property
    def has_handle(self) -> bool:
        """Whether it waits for remote work now."""
        return self._handle is not None

    def report(self) -> StepReport:
        """Return how it is now."""
        handle = self._handle
        progress = self._progress
        if handle is not None:
            progress = getattr(handle, "progress", None)
        return StepReport(
            step=self.step,
            state=self.state,
            start=self._start,
            end=self._end,
            text=self.text,
            progress=progress,
        )


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(error))


def _partial(handle: Handle) -> Any:  # noqa: ANN401
    read = getattr(handle, "partial", None)
    if not callable(read):
        return None
    try:
        return read()
    except Exception:  # what there is of stopped work, where anything is
        return None


def _line(exc: BaseException) -> str:
    message = getattr(exc, "message", "") or str(exc)
    first = str(message).strip().partition("\n")[0]
    return f"{type(exc).__name__}: {first}" if first else type(exc).__name__
