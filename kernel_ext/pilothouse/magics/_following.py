"""Waiting for remote work: shown while it lasts, cancelled when interrupted.

An interrupt asks the remote end to cancel and waits for its word, for as long as
``Pilothouse.interrupt_timeout`` says and no longer; a second interrupt detaches: the
work is left to the remote end. What came back until then is kept, and so is the result
of work that was over before the interrupt could reach it. The Cancel button of the
progress does what the interrupt does, also while the cell waits.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Any, Protocol

from pilothouse.errors import PilothouseError

from ._errors import make_brief
from ._waiting import INSTEAD

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["LISTED", "PARTIAL", "Job", "follow", "keep_partial"]

LISTED = "%pilot jobs shows what became of it"
"""How to look later."""
PARTIAL = "_partial"
"""The name that an interrupted job's results are bound to when none was given."""

_SLICE = 0.05
_PATIENCE = 0.5
_PERIOD = 0.25
_DETACH_SECONDS = 2.0
_SPARE = 10.0
"""How much longer is waited for work that ends its verbs in time by itself."""
_STOPPED = ("cancelled", "interrupted", "detached")


class Job(Protocol):
    """A handle of remote work."""

    @property
    def outcome(self) -> str:
        """What became of it, in a sentence; empty while it runs."""

    @property
    def progress(self) -> Any:  # noqa: ANN401  see `pilothouse_widgets.run_report`
        """How far it is."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, in seconds; false when it is not over by then."""

    def result(self) -> Any:  # noqa: ANN401  whatever the work gives
        """Return what came out, or raise what went wrong."""

    def cancel(self) -> str:
        """Stop the work, and say whether the remote end has confirmed it."""

    def detach(self) -> str:
        """Leave the work to the remote end, and say where it can be found."""

    def partial(self) -> Any:  # noqa: ANN401  whatever the work gives
        """Return what has come out so far."""


def follow(
    session: Session,
    job: Job,
    *,
    label: str,
    unit: str = "records",
    out: str | None = None,
    quiet: bool = False,
    interrupt: Callable[[str], KeyboardInterrupt] = KeyboardInterrupt,
    view: Callable[[], Any] | None = None,
    patience: float | None = None,
    is_listed: Callable[[], bool] = bool,
    cross_out: Callable[[], object] = bool,
    begin: Callable[[], object] = bool,
    tidy: Callable[[], object] = bool,
) -> Any:  # noqa: ANN401  whatever the work gives
    """Wait for a job, show its progress, and return its result.

    In a step of a plan the plan does that.

    Args:
        session: Its options say what is shown, and how long a cancel may take.
        job: The work.
        label: What is being done.
        unit: What is counted.
        out: The name that the result is bound to as soon as it is here, and partial
            results when interrupted.
        quiet: Whether to show nothing.
        interrupt: Makes what an interrupt raises, of a message.
        view: Makes the widget that shows it, with ``settle()`` for the end; a
            `RunProgress` by default.
        patience: How long the work may last, in seconds, before it is shown; a
            moment by default.
        is_listed: Tells whether ``%pilot jobs`` shows it, when it was interrupted.
        cross_out: Takes it off that list, if it is over; the threads that bring the end
            do so too, a moment later.
        begin: Called first, when an interrupt is heard already: what notes the work.
        tidy: Called behind the result: what the work does after that.

    Raises:
        KeyboardInterrupt: If interrupted; it says whether the cancel was confirmed.
        PilothouseError: Whatever the work failed with, also when it was cancelled.
    """
    if (instead := INSTEAD.get()) is not None:
        begin()
        try:
            result = instead.follow(job)
            tidy()
        finally:
            cross_out()
        return result
    start = time.monotonic()
    patience = _PATIENCE if patience is None else patience
    shown = _shown(session, job, label, unit, view, quiet=quiet)
    try:
        begin()
        while not job.wait(_SLICE):
            _hear_clicks()
            if time.monotonic() - start > patience:
                shown.show()
        result = job.result()
        if out:  # an interrupt from here on does not lose it
            session.shell.user_ns[out] = result
        shown.end()
        tidy()
        cross_out()
    except KeyboardInterrupt:
        error = interrupt(_interrupted(session, job, out, is_listed))
        cross_out()
        make_brief(error)
        shown.end()
        raise error from None
    except PilothouseError as exc:
        shown.end()
        cross_out()
        cancelled = str(getattr(job, "state", "")) == "cancelled"
        kept = keep_partial(session, job, (out if cancelled else None) or PARTIAL)
        came_back = _has_something(session.shell.user_ns[kept])
        if came_back and (cancelled or not exc.hint):
            exc.hint = f"what came back is in {kept}"
        raise
    except BaseException:
        shown.end()
        raise
    return result


def keep_partial(session: Session, job: Job, name: str) -> str:
    """Bind what a job has given so far to a name; return the name."""
    session.shell.user_ns[name] = job.partial()
    return name


def _has_something(partial: object) -> bool:
    if partial is None:
        return False
    return not isinstance(partial, Sized) or len(partial) > 0


def _hear_clicks() -> None:
    """Take clicks on a Cancel button, where no thread of the kernel does."""
    early = sys.modules.get("pilothouse_widgets.early")
    if early is not None:
        early.the_early_messages().serve()


# -- what is shown -------------------------------------------------------------------


class _Shown(Protocol):
    def show(self) -> None:
        """Show how far it is now."""

    def end(self) -> None:
        """Show how it ended, if anything was shown."""


def _shown(
    session: Session,
    job: Job,
    label: str,
    unit: str,
    view: Callable[[], Any] | None,
    *,
    quiet: bool,
) -> _Shown:
    wish = session.options.progress
    if quiet or wish == "off":
        return _Nothing()
    in_kernel = hasattr(session.shell, "kernel")
    if wish == "widget" or (wish == "auto" and in_kernel):
        return _Widget(job, label, unit, view)
    return _Text(job, label, unit, moves=not in_kernel and sys.stdout.isatty())


class _Nothing:
    def show(self) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


class _Widget:
    """A live view, from when the work has lasted for a moment."""

    def __init__(
        self, job: Job, label: str, unit: str, view: Callable[[], Any] | None
    ) -> None:
        self._job, self._label, self._unit = job, label, unit
        self._make = view or self._progress
        self._view: Any = None

    def _progress(self) -> Any:  # noqa: ANN401  a widget
        from pilothouse_widgets import RunProgress

        return RunProgress(self._job, label=self._label, unit=self._unit)

    def show(self) -> None:
        if self._view is None:
            from IPython.display import display

            self._view = self._make()
            display(self._view)

    def end(self) -> None:
        if self._view is not None:
            self._view.settle()


class _Text:
    """One line: changed in place in a terminal, said at each tenth elsewhere."""

    def __init__(self, job: Job, label: str, unit: str, *, moves: bool) -> None:
        self._job, self._label, self._unit, self._moves = job, label, unit, moves
        self._said = 0.0
        self._mark = ""
        self._width = 0

    def show(self) -> None:
        now = time.monotonic()
        if now - self._said < _PERIOD:
            return
        self._said = now
        line, mark = self._line()
        if self._moves:
            self._write(f"\r{line}")
        elif mark != self._mark:
            self._mark = mark
            self._write(f"{line}\n")

    def end(self) -> None:
        if not self._said:
            return
        outcome = str(self._job.outcome)
        if self._moves:
            self._write(f"\r{self._label}: {outcome}" if outcome else "")
            self._width = 0
            self._write("\n")
        elif outcome:
            self._write(f"{self._label}: {outcome}\n")

    def _line(self) -> tuple[str, str]:
        from pilothouse_widgets import run_report, words

        report = run_report.read(self._job.progress)
        counted = words.units(report.total or report.done, self._unit)
        parts = [f"{counted} done"] if report.done else []
        mark = "begun"
        if report.total:
            fraction = min(report.done / report.total, 1.0)
            mark = f"{fraction:.1f}"
            parts = [f"{fraction:.0%}, {words.count(report.done)} of {counted}"]
        if report.rate:
            parts.append(words.rate(report.rate, self._unit))
        if report.eta is not None:
            parts.append(f"{words.duration(report.eta)} left")
        parts += [part for part in (report.text, report.step) if part]
        return f"{self._label}: {', '.join(parts) or 'begun'}", mark

    def _write(self, text: str) -> None:
        padding = " " * max(0, self._width - len(text)) if self._moves else ""
        self._width = len(text)
        sys.stdout.write(text + padding)
        sys.stdout.flush()


# -- the interrupt ------------------------------------------------------------------


def _interrupted(
    session: Session, job: Job, out: str | None, is_listed: Callable[[], bool]
) -> str:
    """Cancel a job, keep what came back, and tell what became of it."""
    try:
        said = _cancel(job, session.options.interrupt_timeout)
    except KeyboardInterrupt:  # a second one: leave it to the remote end
        said = _detach(job)
    if whole := _whole(job):
        session.shell.user_ns[out or PARTIAL] = whole[0]
        return f"too late to cancel: {job.outcome}; the result is in {out or PARTIAL}"
    if is_listed() and LISTED not in said:
        said = f"{said}; {LISTED}"
    name = keep_partial(session, job, out or PARTIAL)
    if not _has_something(session.shell.user_ns[name]):
        return said
    return f"{said}; what came back is in {name}"


def _whole(job: Job) -> tuple[Any, ...]:
    """Return the result of work that has ended all the same; nothing of any other."""
    if str(getattr(job, "state", "")) in _STOPPED or not job.wait(0.0):
        return ()
    try:
        return (job.result(),)
    except PilothouseError:
        return ()


def _cancel(job: Job, limit: float) -> str:
    said = _bounded(job.cancel, _longest(job, limit))
    return said or f"the cancel was not confirmed within {limit:g} s: it may still run"


def _detach(job: Job) -> str:
    try:
        said = _bounded(job.detach, _longest(job, _DETACH_SECONDS))
    except KeyboardInterrupt:
        said = ""
    said = said or f"it may still run, {LISTED}"
    return f"interrupted twice: the cancel was not confirmed; {said}"


def _longest(job: Job, limit: float) -> float:
    """Return how long to wait: what a plan has collected is worth a moment more."""
    patience = getattr(job, "patience", None)
    return limit if patience is None or patience > limit else limit + _SPARE


def _bounded(verb: Callable[[], str], limit: float) -> str:
    """Return what a verb says within a time; empty when that is over."""
    answer: list[str] = []

    def run() -> None:
        try:
            answer.append(verb())
        except PilothouseError as exc:
            answer.append(f"the cancel was not confirmed: {exc}")

    thread = threading.Thread(target=run, name="pilothouse-cancel", daemon=True)
    thread.start()
    deadline = time.monotonic() + limit
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(0.05)
    return answer[0] if answer else ""
