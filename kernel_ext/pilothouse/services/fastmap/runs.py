"""One run and its batches.

    STARTING --a worker is ready--> READY --idle, or ended and kept--> KEPT --> gone
    STARTING --import failed--> FAILED --the next map--> STARTING

A batch is known by the SHA-256 of its request's body: the same bytes join it, or get
its stored answer (contract §2.6). A failure is told once; who asks again runs it anew.
Everything here lives on the event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from dataclasses import dataclass, field, replace

from pilothouse.fastmap.wire.answers import (
    BatchInfo,
    BatchState,
    RunInfo,
    RunState,
)
from pilothouse.fastmap.wire.bodies import MapRequest
from pilothouse.fastmap.wire.headers import PythonVersion

from .accounts import Account
from .answers import Reply
from .kept import Kept

__all__ = ["Batch", "Run", "RunKey"]

_SERIALS = itertools.count(1)

RunKey = tuple[str, str, str]
"""Account, run id, function hash: a run binds one function."""


@dataclass(slots=True, eq=False)
class Batch:
    """One batch.

    Attributes:
        digest: SHA-256 of the request's body.
        index: Number of its first item, where that was told.
        count: Items in it, where that was told.
        payload: The batch itself, until it has been run.
        state: Where it is.
        answer: What is answered without results: why it failed.
        results: Its results.
        headers: What they took.
        queued_at: Since when it waits, of the monotonic clock.
        map_seconds: Time in the function.
        is_told: Whether its end was answered once.
        is_charged: Whether it was paid for.
        finished: Done when it has ended, however.
    """

    digest: bytes
    index: int | None
    count: int
    payload: Kept | None
    state: BatchState = BatchState.QUEUED
    answer: Reply | None = None
    results: Kept | None = None
    headers: dict[str, str] = field(default_factory=dict)
    queued_at: float = 0.0
    map_seconds: float = 0.0
    is_told: bool = False
    is_charged: bool = False
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_lost(self) -> bool:
        """Whether it was done, and its results had to make room."""
        return self.results is not None and self.results.is_gone

    @property
    def is_worth_a_try(self) -> bool:
        """Whether who asks for it again has it run again."""
        if not self.finished.is_set():
            return False
        return self.is_lost or (self.answer is not None and self.is_told)

    def restart(self, payload: Kept) -> None:
        """Forget how it ended."""
        self.payload, self.answer, self.results = payload, None, None
        self.state, self.is_told = BatchState.QUEUED, False
        self.finished = asyncio.Event()


class Run:
    """One run: a function, and the batches that came for it.

    Args:
        account: Whose it is.
        request: The first map request.
        version: Python of its client.

    Attributes:
        serial: Tells it from an earlier run of the same id, in this process, and from
            itself before its workers were ended.
        queue: Batches that wait for a worker.
        running: How many are at workers.
        done: Items in batches that are done.
        failed: Items in batches that failed.
        state: Where it is.
        step: What its first worker does now.
        ready: Set when a worker is ready, or will not be.
        warning: To be told once.
        is_ended: Nobody waits for anything of it any more.
        is_detached: The client has gone, and wants the results kept.
    """

    def __init__(
        self, account: Account, request: MapRequest, version: PythonVersion
    ) -> None:
        self.serial = next(_SERIALS)
        self.account = account
        self.run_id = request.run_id
        self.func_hash = request.func_hash
        self.version = version
        self.label = request.label
        self.name = request.name or ""
        self.created = time.time()
        self.batches: dict[bytes, Batch] = {}
        self.queue: deque[Batch] = deque()
        self.running = 0
        self.done = 0
        self.failed = 0
        self.served = 0
        self.state = RunState.STARTING
        self.step = "queued"
        self.ready = asyncio.Event()
        self.warning = ""
        self.is_ended = False
        self.is_detached = False
        self.touched = time.monotonic()

    @property
    def key(self) -> RunKey:
        """What tells it from others."""
        return (self.account.name, self.run_id, self.func_hash)

    @property
    def is_open(self) -> bool:
        """Whether a batch waits or runs."""
        return bool(self.queue or self.running)

    @property
    def info(self) -> RunInfo:
        """What is told of it in a list of runs, however many batches it has."""
        return RunInfo(
            run_id=self.run_id,
            func_hash=self.func_hash,
            name=self.name,
            label=self.label,
            state=self.state,
            created=self.created,
            done=self.done,
            failed=self.failed,
            queued=len(self.queue),
            running=self.running,
        )

    def info_with_batches(self) -> RunInfo:
        """Return what is told to who asks for this run alone."""
        told = [
            BatchInfo(index=each.index, count=each.count, state=each.state)
            for each in self.batches.values()
            if each.index is not None and not each.is_lost
        ]
        return replace(
            self.info, batches=tuple(sorted(told, key=lambda info: info.index))
        )

    def count(self, batch: Batch, *, sign: int = 1) -> None:
        """Count the items of a batch that has ended, or (-1) is to be run again."""
        if batch.state is BatchState.DONE:
            self.done += sign * batch.count
        elif batch.state is BatchState.FAILED:
            self.failed += sign * batch.count

    def batch_at(self, index: int) -> Batch | None:
        """Return the batch whose first item has that number, the latest of several.

        If there is none, one that failed and has that item; the smallest, as it was
        sent again in parts.
        """
        for batch in reversed(self.batches.values()):
            if batch.index == index:
                return batch
        failed = [
            batch
            for batch in self.batches.values()
            if batch.state is BatchState.FAILED
            and batch.index is not None
            and batch.index < index < batch.index + batch.count
        ]
        return min(failed, key=lambda batch: batch.count, default=None)

    def touch(self) -> None:
        """Note that somebody asked for it, or that something of it ended."""
        self.touched = time.monotonic()

    def begin(self) -> None:
        """Note that its workers have to start, for the first time or anew."""
        if self.state is RunState.KEPT:
            self.serial = next(_SERIALS)
        if self.state in (RunState.FAILED, RunState.KEPT):
            self.state, self.step = RunState.STARTING, "queued"
            self.ready = asyncio.Event()

    def note_step(self, step: str) -> None:
        """Note what its first worker does."""
        if not self.ready.is_set():
            self.step = step

    def note_ready(self, warnings: tuple[str, ...] = ()) -> None:
        """Note that a worker is ready."""
        if self.state in (RunState.STARTING, RunState.FAILED):
            self.state, self.step = RunState.READY, "running"
            self.warning = "; ".join(warnings)
            self.ready.set()

    def note_failed(self) -> None:
        """Note that no worker can start."""
        if self.state is RunState.STARTING:
            self.state, self.step = RunState.FAILED, "failed"
            self.ready.set()

    def take_warning(self) -> str:
        """Return what is to be told once."""
        warning, self.warning = self.warning, ""
        return warning
