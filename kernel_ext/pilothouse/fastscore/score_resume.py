"""A score taken up again by another process, when the one that began it has ended.

The engine goes on with the records that it has accepted, and keeps their outputs. The
journal tells what came back until then; the rest is fetched behind it. If the mark
behind the last record was not sent, it is sent now, so that the end is known. Records
that were never sent are gone with their process, which the result says.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import FastScoreRefusedError
from .score_claim import last_claim
from .score_flow import ChunkFlow
from .score_job import ScoreJob
from .score_journal import Heading, Journal
from .score_plan import restored
from .score_progress import Progress

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["ResumedFlow", "heading_of", "resume"]


def heading_of(job: ScoreJob, as_frame: bool | None) -> Heading:
    """Return what somebody has to know to go on with a job."""
    found = job.plan
    return Heading(
        job=job.base,
        engine=job.engine.name,
        slots=(found.inlet.slot, found.outlet.slot),
        descriptors=found.descriptors,
        schemas=found.schemas,
        is_recordset=found.is_recordset,
        marks=job.marks,
        total=job.total,
        as_frame=True if job.gives_frame else as_frame,
    )


def resume(
    engine: Engine,
    journal: Path,
    *,
    progress: Callable[[Progress], object] | None = None,
) -> ScoreJob:
    """Go on with a job whose process has ended, and return it at once.

    Its result is that of the whole job: what had come back and what comes now.

    Args:
        engine: The engine that has its records.
        journal: What `submit` was told to write.
        progress: As `submit`.

    Raises:
        FileNotFoundError: If there is no such file.
        FastScoreProtocolError: If it is no journal.
    """
    noted = Journal.read(journal, answers=False)
    heading = noted.heading
    found = restored(
        heading.slots,
        heading.descriptors,
        heading.schemas,
        is_recordset=heading.is_recordset,
    )
    job = ScoreJob(
        engine,
        (),
        found,
        lambda job: ResumedFlow(job, journal),
        as_frame=heading.as_frame,
        progress=progress,
        job_id=f"{heading.job}.{uuid.uuid4().hex[:8]}",
        marks=heading.marks,
    )
    job.total, job.sent, job.in_doubt = heading.total, noted.sent, noted.in_doubt
    if not noted.is_all_sent:
        job.unsent = None if job.total is None else job.total - job.sent
    return job.start()


class ResumedFlow(ChunkFlow):
    """Fetches what is left of a job at its engine.

    Args:
        job: The job that goes on.
        path: The journal of the one before.
    """

    def __init__(self, job: ScoreJob, path: Path) -> None:
        super().__init__(job, 1)
        self._path = path

    def start(self) -> None:
        """Begin to read; what is to be sent is sent once the slot is ours."""
        self._threads[1].start()

    def _prepare(self) -> None:
        is_done = Journal.read(self._path, answers=False).is_done
        if not is_done:
            self._take_slot()
        noted = Journal.read(self._path)  # as it is now that nobody else writes it
        for answer in noted.answers:
            self._got += len(answer)
            self._sort(self._job.plan.outlet.read(answer))
        if is_done:
            return
        self._journal = Journal(self._path)
        self._has_all_sent = noted.is_all_sent
        if noted.is_all_sent:
            self._send_peer.close()
        else:
            self._threads[0].start()
        if self._stop.is_set():  # before there was a claim
            self._drop(0.5)

    def _take_slot(self) -> None:
        """Claim the outputs, if they are still those of this job.

        Who takes them now loses them: the last who asks for a score has it.

        Raises:
            FastScoreRefusedError: If they are not.
        """
        job = self._job
        engine, slot = job.engine, job.plan.outlet.slot
        last = last_claim(engine, slot)
        if last is not None and last[0].partition(".")[0] != job.base:
            self._give_what_came()
            what = "another score has run there since" if last[0] else "it was reset"
            raise FastScoreRefusedError(
                f"{engine.name} has this score no more: {what}",
                hint="job.partial() has what came back before",
            )
        self._claim.take("" if last is None else last[0])

    def _give_what_came(self) -> None:
        for answer in Journal.read(self._path).answers:
            self._sort(self._job.plan.outlet.read(answer))

    def _send_beginning(self) -> None:
        """Send no records: they are gone, or were sent."""
