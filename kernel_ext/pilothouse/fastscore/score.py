"""A whole data set through an engine: chunked, in order, in bounded memory.

scores = engine.score(frame)
job = engine.submit(frame); job.progress; job.result()
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import FastScoreTimeoutError, FastScoreUsageError
from .records import Scorable, count_of
from .results import Rejected, RejectedWarning
from .score_calls import CallFlow
from .score_flow import ChunkFlow
from .score_job import Flow, ScoreInterrupt, ScoreJob
from .score_journal import Journal
from .score_plan import plan
from .score_progress import Progress
from .score_resume import heading_of, resume
from .score_watch import Watch

if TYPE_CHECKING:
    from .engine import Engine

__all__ = [
    "Progress",
    "Rejected",
    "RejectedWarning",
    "Scorable",
    "ScoreInterrupt",
    "ScoreJob",
    "resume",
    "score",
    "submit",
]

CHUNK_BYTES = 1 << 16


def submit(
    engine: Engine,
    data: Scorable,
    *,
    input_slot: int = 0,
    output_slot: int = 1,
    schema: Any = None,  # noqa: ANN401 - JSON, or a Schema
    chunk_bytes: int = CHUNK_BYTES,
    progress: Callable[[Progress], object] | None = None,
    as_frame: bool | None = None,
    keep: bool = True,
    watch: bool = True,
    journal: Path | None = None,
) -> ScoreJob:
    """Begin to score, and return the job at once.

    Args:
        engine: Running, with REST streams at both slots, best in chunked mode.
        data: A DataFrame, Series, array, list, or any iterable of JSON values.
        input_slot: Where the records go.
        output_slot: Where the outputs come from.
        schema: Of the outputs, instead of the model's.
        chunk_bytes: Size of the bodies that are sent.
        progress: Called with the `Progress`, at most ten times a second, on a thread of
            the job.
        as_frame: True: outputs as a DataFrame; False: as a list; None: a DataFrame if
            the data are one, or the schema is one of records or scalars.
        keep: Keep the outputs; False: only iterating the job gives them, and the engine
            waits for that, so that memory stays bounded.
        watch: Learn through sensors and Pneumo which outputs are rejected, and why.
        journal: A new file to write down what is sent and what comes back, so that
            `resume` goes on if this process ends. The caller removes it. Where each
            record is a call of its own, nothing goes on, and none is written.

    Raises:
        FastScoreError: If the engine is not running, or a slot has no REST stream.
        ScoreInterrupt: At an interrupt while it begins; it is cancelled then.
        OSError: If the journal cannot be written.
    """
    if chunk_bytes < 1:
        raise FastScoreUsageError(f"chunk_bytes must be at least 1, got {chunk_bytes}")
    count_of(data)
    found = plan(engine, input_slot, output_slot, schema)
    before = engine.last_job
    if (
        before is not None
        and before.state == "running"
        and before.plan.outlet.slot == output_slot
        and not found.is_roundtrip
    ):
        raise FastScoreUsageError(
            f"{engine.name} is still scoring for another job: outputs would mix",
            hint="engine.last_job.wait(), or cancel() it",
        )
    watcher = Watch(engine, found) if watch and not found.is_roundtrip else None

    def flow(job: ScoreJob) -> Flow:
        if found.is_roundtrip:
            return CallFlow(job)
        if journal is None or not found.can_be_resumed:
            return ChunkFlow(job, chunk_bytes)
        return ChunkFlow(job, chunk_bytes, Journal(journal, heading_of(job, as_frame)))

    job = ScoreJob(
        engine,
        data,
        found,
        flow,
        as_frame=as_frame,
        keep=keep,
        watch=watcher,
        progress=progress,
    )
    try:
        job.start()
    except KeyboardInterrupt:  # whoever asked has no handle to end it
        engine.last_job = job
        raise ScoreInterrupt(job.cancel(), job) from None
    engine.last_job = job
    return job


def score(
    engine: Engine,
    data: Scorable,
    *,
    input_slot: int = 0,
    output_slot: int = 1,
    schema: Any = None,  # noqa: ANN401 - JSON, or a Schema
    chunk_bytes: int = CHUNK_BYTES,
    progress: Callable[[Progress], object] | None = None,
    timeout: float | None = None,
    detach: bool = False,
    as_frame: bool | None = None,
    watch: bool = True,
) -> Any:  # noqa: ANN401 - a DataFrame, a list, or a ScoreJob
    """Score all of the data and return the outputs in order.

    Records that do not pass are counted and warned of (`RejectedWarning`); a DataFrame
    has them as ``attrs["rejected"]``, and ``engine.last_job.rejected`` in any case.

    Args:
        engine: As `submit`, and so all others that are not named here.
        data: The records.
        input_slot: As `submit`.
        output_slot: As `submit`.
        schema: As `submit`.
        chunk_bytes: As `submit`.
        progress: Called with the `Progress`, at most ten times a second, on the
            caller's thread.
        timeout: Longest wait, in seconds; then the job is cancelled.
        detach: Return the `ScoreJob` at once.
        as_frame: As `submit`.
        watch: As `submit`.

    Raises:
        ModelError: If the model failed; ``lines`` names the lines of its source.
        ScoreInterrupt: At an interrupt, within two seconds; its message says what was
            sent and received, ``job.partial()`` has what came back.
        FastScoreTimeoutError: If the time is up.
        FastScoreError: If the engine cannot score, or stopped.
    """
    options = {
        "input_slot": input_slot,
        "output_slot": output_slot,
        "schema": schema,
        "chunk_bytes": chunk_bytes,
        "as_frame": as_frame,
        "watch": watch,
    }
    if detach:
        return submit(engine, data, progress=progress, **options)
    job: ScoreJob | None = None
    before = engine.last_job
    try:
        job = submit(engine, data, **options)
        _wait(job, timeout, progress)
        return job.result(0)
    except KeyboardInterrupt:
        if job is None and engine.last_job is not before:  # it had begun just now
            job = engine.last_job
        if job is None:
            raise
        raise ScoreInterrupt(job.cancel(), job) from None
    finally:
        if job is not None:
            job.join(2.0)


def _wait(
    job: ScoreJob,
    timeout: float | None,
    progress: Callable[[Progress], object] | None,
) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        pauses = [] if progress is None else [0.1]
        if deadline is not None:
            pauses.append(max(0.0, deadline - time.monotonic()))
        if job.wait(min(pauses, default=None)):
            break
        if progress is not None:
            progress(job.progress)
        if deadline is not None and time.monotonic() >= deadline:
            outcome = job.cancel()
            raise FastScoreTimeoutError(f"not done within {timeout:g} s; {outcome}")
    if progress is not None:
        progress(job.progress)
