"""Whether a cell runs right now: then the browser's answers wait, and are not late.

A comm message from the browser is handled by the kernel's main thread, after the
running cell. So a missing acknowledgement tells of a slow browser only while no cell
runs.
Source: measured with ipykernel 7.4.0.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

__all__ = ["CellClock", "the_cell_clock"]


class CellClock:
    """Since when the shell's main cell runs, by IPython's own events."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._events: Any = None
        self._calls: list[Callable[[], object]] = []

    def watch(self) -> None:
        """Register with the running IPython shell, if there is one; once."""
        if self._events is not None or (shell := _shell()) is None:
            return
        self._events = shell.events
        self._events.register("pre_execute", self._started)
        self._events.register("post_execute", self._ended)
        # The cell that makes the first view is already running.
        self._since = time.monotonic()

    def forget(self) -> None:
        """Take the callbacks back."""
        events, self._events, self._since = self._events, None, None
        if events is None:
            return
        for name, callback in (
            ("pre_execute", self._started),
            ("post_execute", self._ended),
        ):
            if callback in events.callbacks[name]:
                events.unregister(name, callback)

    @property
    def busy_for(self) -> float:
        """Seconds that the present cell has run; 0.0 when none does."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def is_unattended(self) -> bool:
        """Whether nobody sits before the cells: a runner executes the notebook.

        Who runs a notebook without a person, as nbclient does, says that it answers no
        questions; every front end with eyes answers them.
        """
        kernel = getattr(_shell(), "kernel", None)
        return kernel is not None and not getattr(kernel, "_allow_stdin", True)

    @property
    def is_attended(self) -> bool:
        """Whether a front end with eyes runs the cells."""
        kernel = getattr(_shell(), "kernel", None)
        return kernel is not None and bool(getattr(kernel, "_allow_stdin", False))

    def at_each_end(self, call: Callable[[], object]) -> None:
        """Call a function when a cell has ended; the same one only once."""
        if call not in self._calls:
            self._calls.append(call)

    def _started(self) -> None:
        self._since = time.monotonic()

    def _ended(self) -> None:
        self._since = None
        for call in self._calls:
            call()


class _Shell(Protocol):
    events: Any


def _shell() -> _Shell | None:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else cast("_Shell | None", ipython.get_ipython())


_clock = CellClock()


def the_cell_clock() -> CellClock:
    """Return the clock of this process's shell."""
    return _clock
