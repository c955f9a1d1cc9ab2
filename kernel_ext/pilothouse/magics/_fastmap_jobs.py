"""Fastmap runs as jobs: followed with progress, written down, found again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pilothouse.errors import NotFoundError, TransportError
from pilothouse.jobs import JobBook, JobRecord

from . import _fastmap
from ._following import follow
from ._jobs import JobKind
from ._session import Session
from ._show import Note

if TYPE_CHECKING:
    from pilothouse.fastmap import Run
    from pilothouse.fastmap.wire.answers import RunInfo

__all__ = ["KIND", "MapInterrupt", "follow_run", "sent_of", "write_down"]

_ARRIVAL_SECONDS = 30.0
_OVER = ("done", "failed", "cancelled")
_TOLD: WeakKeyDictionary[Session, set[str]] = WeakKeyDictionary()


class MapInterrupt(KeyboardInterrupt):
    """A map was interrupted; the message says what became of it.

    Attributes:
        run: The run; ``run.partial()`` has what came back.
    """

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


def write_down(run: Run, url: str) -> None:
    """Write a run into the book, until it is over; a detached one stays there."""
    book = JobBook()
    label = f"{run.label or run.name}" + (
        "" if run.progress.total is None else f" over {run.progress.total:,} items"
    )
    details = {
        "name": run.name,
        "total": run.progress.total,
        "keep_errors": run.keeps_errors,
    }
    record = JobRecord(
        id=run.run_id, kind=_fastmap.SERVICE, url=url, label=label, details=details
    )
    with suppress(OSError):  # a full disk is no reason not to run
        book.remember(record)

    def changed(_run: object = None) -> None:
        if str(run.state) in _OVER and not run.may_go_on:
            book.forget(record.key)

    run.on_change(changed)
    changed()


def follow_run(
    session: Session,
    run: Run,
    *,
    out: str | None,
    quiet: bool = False,
    begin: Callable[[], object] = bool,
) -> object:
    """Wait for a run with its progress shown, and return its results.

    Args:
        session: Its options say what is shown.
        run: The run.
        out: The name of the results.
        quiet: Whether to show nothing.
        begin: Called first, when an interrupt is heard already.

    Raises:
        KeyboardInterrupt: If interrupted; it says what became of the run.
        FastmapException: If it failed or was cancelled.
    """

    def view() -> Any:  # noqa: ANN401  a widget
        from pilothouse_widgets import RunProgress

        tidy = session.cells.relocate
        return RunProgress(run, label=_label(run), unit="items", tidy=tidy)

    try:
        return follow(
            session,
            run,
            label=_label(run),
            unit="items",
            out=out,
            quiet=quiet,
            interrupt=lambda text: MapInterrupt(text, run),
            view=view,
            is_listed=lambda: JobBook().has(run.run_id),
            cross_out=lambda: _cross_out(run),
            begin=begin,
        )
    finally:
        _warn(session, run)


def _warn(session: Session, run: Run) -> None:
    """Show what the service, or its absence, is a warning of; each text once."""
    from IPython.display import display

    told = _TOLD.setdefault(session, set())
    for warning in run.warnings:
        if warning not in told:
            told.add(warning)
            display(Note(warning))


def _label(run: Run) -> str:
    return f"{run.name}: {run.label}" if run.label else run.name


def _done_of(info: RunInfo) -> int:
    """Return how many items of a run are done, and can be fetched."""
    return sum(batch.count for batch in info.batches if batch.state == "done")


def sent_of(info: RunInfo) -> int:
    """Return how many items of a run have come to the service."""
    count = end = 0
    for batch in sorted(info.batches, key=lambda each: each.index):
        stop = batch.index + batch.count
        count += max(0, stop - max(batch.index, end))
        end = max(end, stop)
    return count


def _look(session: Session, record: JobRecord) -> str:
    mine = _mine(session, record)
    if mine is not None:
        return f"{mine.progress}, in this notebook"
    config = _fastmap.config_at(session, record.url)
    for each in config.runs(record.id):
        total = record.details.get("total")
        of = f" of {total:,}" if isinstance(total, int) else ""
        told = f"{each.state}, {_done_of(each):,}{of} items"
        sent = sent_of(each)
        if isinstance(total, int) and sent < total:
            told += f"; only {sent:,} of them have come to the service"
        return told
    age = dt.datetime.now(dt.UTC) - record.created
    if age.total_seconds() < _ARRIVAL_SECONDS:
        return "on its way to the service"
    raise NotFoundError(f"{record.url} knows no run {record.id}")


def _mine(session: Session, record: JobRecord) -> Run | None:
    """Return the run if this kernel holds it, and it is not over."""
    found: _fastmap.Connected | None = session.kept(_fastmap.SERVICE)
    runs = [] if found is None else found.running
    return next((run for run in runs if run.run_id == record.id), None)


def _open(session: Session, record: JobRecord) -> Run:
    mine = _mine(session, record)
    if mine is not None:
        return mine
    config = _fastmap.config_at(session, record.url)
    run = config.attach(
        record.id,
        total=record.details.get("total"),
        return_exceptions=record.details.get("keep_errors") is True,
    )
    _cross_out_later(run)
    found: _fastmap.Connected | None = session.kept(_fastmap.SERVICE)
    if found is not None:
        found.took(run)
    return run


def _cross_out_later(run: Run) -> None:
    """Cross a run out when its service has nothing more of it."""
    run.on_change(_cross_out)
    _cross_out(run)


def _cross_out(run: Run) -> None:
    may_be_there = isinstance(run.failure, TransportError) or run.may_go_on
    if str(run.state) in _OVER and not may_be_there:
        JobBook().forget(f"{_fastmap.SERVICE}-{run.run_id}")


def _follow(session: Session, handle: Any, out: str | None) -> object:  # noqa: ANN401
    from pilothouse.fastmap.errors import IncompleteError

    try:
        return follow_run(session, handle, out=out)
    except IncompleteError as exc:  # its kernel ended in the middle: this is what is
        from IPython.display import display

        display(Note(f"{exc.message}; these are their results"))
        return handle.partial()


KIND = JobKind(_look, _open, _follow, lambda run: run.may_go_on)
"""How Fastmap runs of an earlier kernel are found again."""
