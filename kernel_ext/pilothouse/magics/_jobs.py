"""Jobs of any kind, found again: what ``%pilot jobs``, ``attach`` and ``stop`` do.

A room of the house that sends work away writes it into the `JobBook` and has one line
in `KINDS`: ``"module:NAME"`` of a `JobKind`, imported when such a job turns up.
"""

from __future__ import annotations

import datetime as dt
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pilothouse.errors import (
    NotAuthorizedError,
    NotFoundError,
    PilothouseError,
    ServiceError,
)
from pilothouse.jobs import JobBook, JobRecord

from ._asking import UNASKED
from ._following import LISTED
from ._names import Name
from ._show import Table
from ._waiting import show_while

if TYPE_CHECKING:
    from ._session import Session

__all__ = [
    "KINDS",
    "Handle",
    "JobKind",
    "attach",
    "job_names",
    "listing",
    "shorts",
    "stop",
]

KINDS: dict[str, str] = {
    "aimm": "pilothouse.magics._aimm:KIND",
    "fastscore": "pilothouse.magics._score_jobs:KIND",
    "fastmap": "pilothouse.magics._fastmap_jobs:KIND",
    "mplane": "pilothouse.magics._measurement_jobs:KIND",
}
"""Kind of job -> where its `JobKind` is, as ``"module:NAME"``."""

_LOOK_SECONDS = 5.0
_SHORT = 8


class Handle(Protocol):
    """A handle of remote work: the four verbs."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, in seconds; false when it is not over by then."""

    def result(self) -> Any:  # noqa: ANN401  whatever the work gives
        """Return what came out, or raise what went wrong."""

    def cancel(self) -> str:
        """Stop the work, and say whether the remote end has confirmed it."""

    def detach(self) -> str:
        """Leave it to the remote end."""


def _is_gone(_handle: object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of one kind are found again.

    Attributes:
        look: Asks the service, briefly, and returns how the job is in a few words.
        open: Returns a handle of the job; it may begin to fetch results.
        follow: Waits for a handle, showing its progress, and returns the result; given
            the name that partial results are bound to, or ``None``.
        goes_on: Tells of a handle that was cancelled whether the work may go on all the
            same: its service has not confirmed the end.

    All of them raise `NotFoundError` when the service knows the job no more, another
    `RemoteError` when it refuses, `TransportError` when it does not answer.
    """

    look: Callable[[Session, JobRecord], str]
    open: Callable[[Session, JobRecord], Handle]
    follow: Callable[[Session, Any, str | None], object]
    goes_on: Callable[[Any], bool] = _is_gone


def listing(session: Session, book: JobBook) -> Table:
    """Return what is still out there, asking each service what it knows of it.

    A job that its service knows no more is crossed out, and said to be gone.
    """
    records = book.records()
    states = _states(session, records) if records else {}
    for record in records:
        if states[record.key].startswith("gone"):
            book.forget(record.key)
    names = shorts(records)
    rows = [
        {
            "job": names[record.key],
            "kind": record.kind,
            "what": record.label,
            "sent": _ago(record.created),
            "state": states[record.key],
            "where": record.url,
        }
        for record in records
    ]
    rows += [
        {"job": one.path.stem, "state": f"cannot be read: {one.reason}"}
        for one in book.damaged()
    ]
    columns = ("job", "kind", "what", "sent", "state", "where")
    return Table(columns, rows, empty="no jobs are out there")


def attach(
    session: Session, book: JobBook, job_id: str, out: str | None, *, follow: bool
) -> object:
    """Take a job up again; return its result, or its handle without following.

    Raises:
        NotFoundError: If there is no such job, here or at its service.
        PilothouseError: Whatever the job failed with.
        KeyboardInterrupt: If interrupted; it says what became of the job.
    """
    record = book.get(job_id)
    kind = _kind(record)
    try:
        handle = show_while(
            session, f"asking {record.url}", lambda: kind.open(session, record)
        )
    except NotFoundError:
        book.forget(record.key)
        raise
    if not follow:
        return handle
    result = kind.follow(session, handle, out)
    book.forget(record.key)
    return result


def stop(session: Session, book: JobBook, job_id: str) -> str:
    """Stop a job; return what its service said, and cross it out if that was the end.

    Raises:
        NotFoundError: If there is no such job, here or at its service.
        TransportError: If its service does not answer: then it may still run.
    """
    record = book.get(job_id)
    kind = _kind(record)

    def end() -> tuple[str, bool]:
        handle = kind.open(session, record)
        return handle.cancel(), kind.goes_on(handle)

    try:
        said, goes_on = show_while(
            session, f"stopping {record.label or record.id}", end
        )
    except NotFoundError:
        book.forget(record.key)
        raise
    if goes_on:
        return f"{said}; {LISTED}"
    book.forget(record.key)
    return said


def job_names(book: JobBook) -> list[Name]:
    """Return the jobs' names for completion; reads some small files, asks nobody."""
    records = book.records()
    names = shorts(records)
    return [Name(names[r.key], f"{r.kind} {r.label}".strip()) for r in records]


def shorts(records: Sequence[JobRecord]) -> Mapping[str, str]:
    """Return what to call each job: how its id begins, as far as needed."""
    found: dict[str, str] = {}
    ids = [record.id for record in records]
    for record in records:
        length = _SHORT
        while (
            length < len(record.id)
            and sum(other.startswith(record.id[:length]) for other in ids) > 1
        ):
            length += 1
        is_alone = ids.count(record.id) == 1
        found[record.key] = record.id[:length] if is_alone else record.key
    return found


def _kind(record: JobRecord) -> JobKind:
    if record.kind not in KINDS:
        raise ServiceError(
            f"this release knows no jobs of the kind {record.kind!r}",
            hint=f"%pilot jobs --forget {record.id} crosses it out",
        )
    module, _, name = KINDS[record.kind].partition(":")
    kind: JobKind = getattr(importlib.import_module(module), name)
    return kind


def _states(session: Session, records: Sequence[JobRecord]) -> dict[str, str]:
    """Ask for all jobs at a time; who has not answered soon is said to be silent."""
    found = {record.key: "no answer yet" for record in records}

    def look(record: JobRecord) -> None:
        UNASKED.set(True)  # of this thread
        found[record.key] = _state(session, record)

    threads = [
        threading.Thread(
            target=look, args=(each,), name="pilothouse-jobs-look", daemon=True
        )
        for each in records
    ]

    def ask() -> None:
        for thread in threads:
            thread.start()
        deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=_LOOK_SECONDS)
        for thread in threads:
            left = (deadline - dt.datetime.now(dt.UTC)).total_seconds()
            thread.join(max(0.0, left))

    show_while(session, "asking the services", ask)
    return dict(found)


def _state(session: Session, record: JobRecord) -> str:
    try:
        return _kind(record).look(session, record)
    except NotFoundError:
        return "gone: its service knows it no more"
    except NotAuthorizedError:
        return "refused: its service wants other credentials"
    except ServiceError as exc:
        return exc.message
    except PilothouseError as exc:
        return f"unreachable: {exc.message}"
    except Exception as exc:  # a table of all jobs must not fail for one of them
        return f"not known: {type(exc).__name__}: {exc}"


def _ago(created: dt.datetime) -> str:
    seconds = max(0, int((dt.datetime.now(dt.UTC) - created).total_seconds()))
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
