"""Scores as jobs: written down while an engine has their records, and found again.

An engine goes on with what it has accepted, and gives each output once: so what came
back is kept beside the record, and who takes the score up again gets the whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from pilothouse.errors import FastScoreError, NotFoundError
from pilothouse.jobs import JobBook, JobRecord

from . import _suite
from ._following import follow
from ._jobs import JobKind
from ._session import Session
from ._show import showing

if TYPE_CHECKING:
    from pilothouse.fastscore.score import Progress, Scorable, ScoreJob
    from pilothouse.fastscore.suite import Engine

__all__ = ["KIND", "follow_score", "submit"]

_TIDY_SECONDS = 2.0
_ours: WeakValueDictionary[str, ScoreJob] = WeakValueDictionary()
"""The scores that this kernel takes care of, by the id of their record."""


def submit(
    session: Session, engine: Engine, data: Scorable, slots: tuple[int, int]
) -> ScoreJob:
    """Begin to score, and write that down until it is over.

    Raises:
        FastScoreError: If the engine cannot score.
    """
    from pilothouse.fastscore.records import count_of

    total = count_of(data)
    many = "records" if total is None else f"{total:,} records"
    record = JobRecord(
        id=uuid.uuid4().hex,
        kind=_suite.SERVICE,
        url=engine.gateway.prefix,
        label=f"score of {many} on {engine.name}",
        details={"engine": engine.name, "slot": slots[1]},
    )
    book = JobBook()
    with suppress(OSError):  # a full disk is no reason not to score
        book.remember(record)
    kept = book.kept(record)
    try:
        job = engine.submit(
            data,
            input_slot=slots[0],
            output_slot=slots[1],
            journal=kept if kept.parent.is_dir() else None,
            progress=_crossing_out(record),
        )
    except BaseException:
        book.forget(record.key)
        raise
    if job.plan.can_be_resumed:
        _ours[record.id] = job
    else:  # nothing of it would go on
        book.forget(record.key)
    return job


def follow_score(session: Session, job: ScoreJob, out: str | None) -> object:
    """Wait for a score with its progress shown, and return the outputs.

    Raises:
        ScoreInterrupt: If interrupted; it says what became of the score.
        FastScoreError: If it failed or was cancelled.
    """
    from pilothouse.fastscore.score import RejectedWarning, ScoreInterrupt

    ids = [key for key, one in _ours.items() if one is job]
    with showing(RejectedWarning):
        return follow(
            session,
            job,
            label=f"scoring on {job.engine.name}",
            out=out,
            interrupt=lambda text: ScoreInterrupt(text, job),
            is_listed=lambda: job.can_be_taken_up and any(map(JobBook().has, ids)),
            cross_out=lambda: _cross_out(*ids),
            tidy=lambda: job.join(_TIDY_SECONDS),
        )


def _crossing_out(record: JobRecord) -> Callable[[Progress], object]:
    """Return what crosses a score out when there is nothing more of it anywhere."""

    def told(progress: Progress) -> None:
        if progress.state != "running":
            _cross_out(record.id)

    return told


def _cross_out(*job_ids: str) -> None:
    for each in job_ids:
        job = _ours.get(each)
        if job is None or not job.can_be_taken_up:
            JobBook().forget(f"{_suite.SERVICE}-{each}")


def _engine_of(session: Session, record: JobRecord) -> Engine:
    name = record.details.get("engine")
    if not isinstance(name, str):
        raise NotFoundError(f"{record.id} names no engine", protocol="FastScore")
    return _suite.engine_at(session, record.url, name)


def _mine(record: JobRecord) -> ScoreJob | None:
    job = _ours.get(record.id)
    return job if job is not None and job.state == "running" else None


def _look(session: Session, record: JobRecord) -> str:
    from pilothouse.fastscore.score_claim import last_claim
    from pilothouse.fastscore.score_journal import Journal

    mine = _mine(record)
    if mine is not None:
        return f"{mine.progress}, in this notebook"
    try:
        noted = Journal.read(JobBook().kept(record), answers=False)
    except (OSError, FastScoreError):
        return "nothing of it was sent"
    if noted.is_done:
        return f"done: {noted}"
    engine = _engine_of(session, record)
    last = last_claim(engine, noted.heading.slots[1])
    if last is not None and last[0].partition(".")[0] != noted.heading.job:
        return f"{engine.name} has it no more; {noted}"
    if last is not None and last[1]:
        return f"{noted}; in a kernel that is there, or was until just now"
    return f"{noted}; {engine.name} is {engine.state}"


def _open(session: Session, record: JobRecord) -> ScoreJob:
    mine = _mine(record)
    if mine is not None:
        return mine
    kept = JobBook().kept(record)
    if not kept.is_file():
        raise NotFoundError(f"nothing of {record.label} was sent", protocol="FastScore")
    engine = _engine_of(session, record)
    job = engine.resume(kept, progress=_crossing_out(record))
    _ours[record.id] = job
    return job


def _follow(session: Session, handle: Any, out: str | None) -> object:  # noqa: ANN401
    return follow_score(session, handle, out)


KIND = JobKind(_look, _open, _follow, lambda job: job.can_be_taken_up)
"""How scores of an earlier kernel are found again."""
