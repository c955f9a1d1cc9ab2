"""Waiting for what is slow: shown while it lasts, and interrupted at once.

The work runs in a thread and this one waits in short slices, so an interrupt is prompt
on every system, and the text in the cell moves although the kernel is busy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["INSTEAD", "Instead", "show_while"]

T = TypeVar("T")
_SLICE = 0.05
_PATIENCE = 0.7
_PERIOD = 0.25


class Instead(Protocol):
    """Who waits in the place of a magic, and shows that: a step of a plan."""

    def follow(self, job: Any) -> Any:  # noqa: ANN401  a handle, and what it gives
        """Wait for a handle of remote work and return its result."""

    def say(self, text: str) -> None:
        """Tell what is done now."""


INSTEAD: ContextVar[Instead | None] = ContextVar("pilothouse_instead", default=None)
"""Who waits for the magics that run in this thread."""


def show_while(session: Session, text: str, work: Callable[[], T]) -> T:
    """Return what ``work()`` returns; after a moment, say that it is under way.

    Args:
        session: Its options say whether anything is shown.
        text: What is being done, for instance ``"starting the local services"``.
        work: Called once, in a thread of its own.

    Raises:
        BaseException: Whatever ``work`` raised, or `KeyboardInterrupt`.
    """
    if (instead := INSTEAD.get()) is not None:
        instead.say(text)
        return work()
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except BaseException as exc:  # handed to the waiting thread
            outcome["error"] = exc

    thread = threading.Thread(target=run, name="pilothouse-waiting", daemon=True)
    thread.start()
    start, line = time.monotonic(), _Line(session, text)
    while thread.is_alive():
        thread.join(_SLICE)
        line.show(time.monotonic() - start)
    line.end(time.monotonic() - start, failed="error" in outcome)
    if "error" in outcome:
        raise outcome["error"]
    value: T = outcome["value"]
    return value


class _Line:
    """One line of text below the cell, changed in place."""

    def __init__(self, session: Session, text: str) -> None:
        self._is_wanted = session.options.progress != "off"
        self._in_kernel = hasattr(session.shell, "kernel")
        self._text = text
        self._handle: Any = None
        self._shown = 0.0

    def show(self, seconds: float) -> None:
        if not self._is_wanted or seconds < _PATIENCE:
            return
        if self._handle is not None and seconds - self._shown < _PERIOD:
            return
        self._put(f"{self._text} … {seconds:.1f} s")
        self._shown = seconds

    def end(self, seconds: float, *, failed: bool) -> None:
        if self._handle is not None:
            self._put(
                f"{self._text}: {'failed' if failed else 'done'}, {seconds:.1f} s"
            )

    def _put(self, text: str) -> None:
        from IPython.display import display

        data = {"text/plain": text}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        elif self._in_kernel:  # a terminal could only repeat the line
            self._handle.update(data, raw=True)
