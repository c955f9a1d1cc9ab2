"""Waiting for remote work: shown while it lasts, cancelled when interrupted.

An interrupt asks the remote end to cancel and waits for its word, for as long as
``Pilothouse.interrupt_timeout`` says and no longer; a second interrupt stops that wait.
What came back until then is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pilothouse.errors import PilothouseError

from ._errors import make_brief

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["PARTIAL", "Count", "Job", "follow"]

PARTIAL = "_partial"
"""The name that an interrupted job's results are bound to when none was given."""

Count = Callable[[], tuple[float, float | None]]
"""Tells how much is done, and of how much, when that is known."""

_SLICE = 0.1
_PATIENCE = 0.7


class Job(Protocol):
    """A handle of remote work."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, in seconds; false when it is not over by then."""

    def result(self) -> Any:  # noqa: ANN401  whatever the work gives
        """Return what came out, or raise what went wrong."""

    def cancel(self) -> str:
        """Stop the work, and say whether the remote end has confirmed it."""

    def partial(self) -> Any:  # noqa: ANN401  whatever the work gives
        """Return what has come out so far."""


def follow(
    session: Session,
    job: Job,
    count: Count,
    *,
    label: str,
    out: str | None = None,
    interrupt: Callable[[str], KeyboardInterrupt] = KeyboardInterrupt,
) -> Any:  # noqa: ANN401  whatever the work gives
    """Wait for a job, show its progress, and return its result.

    Args:
        session: Its options say what is shown, and how long a cancel may take.
        job: The work.
        count: How far it is.
        label: What is being done.
        out: The name that partial results are bound to when interrupted.
        interrupt: Makes what an interrupt raises, of a message.

    Raises:
        KeyboardInterrupt: If interrupted; it says whether the cancel was confirmed.
        PilothouseError: Whatever the work failed with.
    """
    start = time.monotonic()
    view = _View(session, job, count, label)
    try:
        while not job.wait(_SLICE):
            if time.monotonic() - start > _PATIENCE:
                view.show()
        result = job.result()
    except KeyboardInterrupt:
        error = interrupt(_interrupted(session, job, out))
        make_brief(error)
        view.end(lambda shown: shown.cancelled(str(error)))
        raise error from None
    except BaseException as exc:
        failed = exc
        view.end(lambda shown: shown.fail(failed))
        raise
    view.end(lambda shown: shown.finish())
    return result


class _View:
    """The progress of one job, when it is worth showing: a widget or a line."""

    def __init__(self, session: Session, job: Job, count: Count, label: str) -> None:
        wish = session.options.progress
        self._is_widget = wish == "widget" or (
            wish == "auto" and hasattr(session.shell, "kernel")
        )
        self._is_off = wish == "off"
        self._job = job
        self._count = count
        self._label = label
        self._shown: Any = None

    def show(self) -> None:
        if self._is_off:
            return
        done, total = self._count()
        if self._shown is not None:
            if self._is_widget:
                self._shown.set(done, total)
            return
        from IPython.display import display

        if self._is_widget:
            from pilothouse_widgets import Progress

            self._shown = Progress(total, label=self._label, cancel=self._job.cancel)
            self._shown.set(done, total)
            display(self._shown)
        else:
            of = "" if total is None else f" of {total:,.0f}"
            self._shown = f"{self._label}: {done:,.0f}{of} so far"
            display({"text/plain": self._shown}, raw=True)

    def end(self, finish: Callable[[Any], None]) -> None:
        if self._shown is not None and self._is_widget:
            self._shown.set(*self._count())
            finish(self._shown)


def _interrupted(session: Session, job: Job, out: str | None) -> str:
    """Cancel a job, keep what came back, and tell what became of it."""
    said = _cancel(job, session.options.interrupt_timeout)
    name = out or PARTIAL
    session.shell.user_ns[name] = job.partial()
    return f"{said}; what came back is in {name}"


def _cancel(job: Job, limit: float) -> str:
    answer: list[str] = []

    def cancel() -> None:
        try:
            answer.append(job.cancel())
        except PilothouseError as exc:
            answer.append(f"the cancel was not confirmed: {exc}")

    thread = threading.Thread(target=cancel, name="pilothouse-cancel", daemon=True)
    thread.start()
    deadline = time.monotonic() + limit
    try:
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.05)
    except KeyboardInterrupt:  # a second one: stop waiting for the word
        return "interrupted twice: the cancel was not confirmed, it may still run"
    if answer:
        return answer[0]
    return f"the cancel was not confirmed within {limit:g} s: it may still run"
