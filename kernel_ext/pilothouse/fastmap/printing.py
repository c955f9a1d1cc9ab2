"""What a map prints, for those whose verbosity asks for it; in the real client's words.

QUIET   warnings
NORMAL  and progress, once a second, and a last line
LOUD    and what is waited for, workers, and what the function printed
"""

from __future__ import annotations

import sys
import threading
import time

from .options import Verbosity
from .progress import Progress, State, duration
from .run import Run

__all__ = ["follow"]

_PERIOD = 1.0


def follow(run: Run, verbosity: Verbosity) -> None:
    """Print how a run goes on."""
    if verbosity is not Verbosity.SILENT:
        printer = _Printer(run, verbosity)
        run.on_change(printer.show)


class _Printer:
    def __init__(self, run: Run, verbosity: Verbosity) -> None:
        self._run = run
        self._verbosity = verbosity
        self._lock = threading.Lock()
        self._shown_at = time.monotonic()
        self._warned = 0
        self._step = ""
        self._is_over = False

    def show(self, run: Run) -> None:
        progress = run.progress
        with self._lock:
            if self._is_over:
                return
            for warning in run.warnings[self._warned :]:
                self._warned += 1
                self._print(f"warning: {warning}")
            if progress.state.is_over:
                self._is_over = True
            if self._verbosity is Verbosity.QUIET:
                return
            if self._verbosity is Verbosity.LOUD and progress.step != self._step:
                self._step = progress.step
                if self._step:
                    self._print(self._step)
            if self._is_over:
                self._end(progress)
            elif time.monotonic() - self._shown_at >= _PERIOD:
                self._shown_at = time.monotonic()
                self._print(_line(progress))

    def _end(self, progress: Progress) -> None:
        if progress.state is State.DONE:
            self._print(
                f"Processed {progress.done:,} elements from {self._run.name!r} in "
                f"{duration(progress.seconds)}."
            )
        else:
            self._print(self._run.outcome)  # which begins with the state
        if self._verbosity is Verbosity.LOUD:
            for lane in progress.lanes:
                self._print(
                    f"{lane.name}: {lane.batches} batches, {lane.items} elements, "
                    f"{lane.seconds:.2f} s"
                )
            if self._run.logs:
                self._print(self._run.logs)
        if progress.credits:
            self._print(f"Spent ${progress.credits / 100:.4f}.")
        self._print("Fastmap done.")

    def _print(self, text: str) -> None:
        sys.stdout.write(f"fastmap: {text}\n")
        sys.stdout.flush()


def _line(progress: Progress) -> str:
    if progress.fraction is None:
        return f"Processed {progress.done:,}"
    left = "" if progress.eta is None else f" ({duration(progress.eta)} remaining)"
    return f"{100 * progress.fraction:.1f}%{left}"
