"""Whose batch is next: fair between runs, first in first out within one.

The run with the fewest batches at workers goes first; of several, one whose batch has
waited for a second; then one that has an idle worker, as to start one costs more than
most batches; then the one that was served the longest ago.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable

from pilothouse.fastmap.wire.answers import BatchState, InitError, RunState
from pilothouse.fastmap.wire.words import Status
from pilothouse.fastmap.worker.outcomes import Cause, Failed

from .answers import Reply
from .backend import Backend, InitializationFailed, Ran
from .functions import FunctionGone
from .runs import Batch, Run

__all__ = ["Dispatcher"]

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.0

NOT_FOUND = Reply(status=Status.NOT_FOUND)
"""Of a batch that was cancelled, and of one whose function is gone."""


class Dispatcher:
    """Gives batches to a backend, as many as it takes at a time.

    Args:
        backend: Runs them.
        finish: Called with a run, a batch and what came of it, before who waits is
            woken.
    """

    def __init__(
        self,
        backend: Backend,
        finish: Callable[[Run, Batch, Ran | Reply], None],
    ) -> None:
        self._backend = backend
        self._finish = finish
        self._waiting: dict[int, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = itertools.count(1)

    @property
    def running(self) -> int:
        """How many batches are at workers."""
        return len(self._tasks)

    def add(self, run: Run, batch: Batch) -> None:
        """Queue a batch."""
        batch.state, batch.queued_at = BatchState.QUEUED, time.monotonic()
        run.queue.append(batch)
        self._waiting[id(run)] = run
        self.pump()

    def drop(self, run: Run, answer: Reply = NOT_FOUND) -> None:
        """End all that waits of a run; what is at workers ends by itself."""
        self._waiting.pop(id(run), None)
        while run.queue:
            self._end(run, run.queue.popleft(), answer)

    def pump(self) -> None:
        """Start what can be started."""
        while self._waiting and len(self._tasks) < self._backend.slots:
            run = min(self._waiting.values(), key=self._rank)
            batch = run.queue.popleft()
            if not run.queue:
                del self._waiting[id(run)]
            run.running += 1
            run.served = next(self._turns)
            batch.state = BatchState.RUNNING
            task = asyncio.get_running_loop().create_task(self._execute(run, batch))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def stop(self, timeout: float) -> None:
        """Wait for what is at workers; its runs have been ended before."""
        self._waiting.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        for task in list(self._tasks):
            task.cancel()

    def _rank(self, run: Run) -> tuple[int, int, int]:
        if time.monotonic() - run.queue[0].queued_at > _PATIENCE_SECONDS:
            urgency = 0
        else:
            urgency = 1 if self._backend.has_worker(run) else 2
        return run.running, urgency, run.served

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.pump()

    async def _execute(self, run: Run, batch: Batch) -> None:
        outcome: Ran | Reply
        try:
            outcome = await self._outcome(run, batch)
        except Exception:
            log.exception("a batch of run %s failed in the service", run.run_id)
            outcome = Ran("", _own_fault())
        finally:
            run.running -= 1
        self._end(run, batch, outcome)
        if run.state is RunState.FAILED and isinstance(outcome, Reply):
            self.drop(run, outcome)  # the next map is a new attempt; these are not

    async def _outcome(self, run: Run, batch: Batch) -> Ran | Reply:
        payload = None if batch.payload is None else await batch.payload.read()
        if payload is None:
            return NOT_FOUND
        try:
            ran = await self._backend.run(run, payload)
        except FunctionGone:
            run.note_failed()
            return NOT_FOUND
        except InitializationFailed as exc:
            run.note_failed()
            return NOT_FOUND if run.is_ended else _init_error(exc.failed)
        finally:
            if run.is_ended:
                await self._backend.end(run)
        return NOT_FOUND if run.is_ended else ran

    def _end(self, run: Run, batch: Batch, outcome: Ran | Reply) -> None:
        run.touch()
        self._finish(run, batch, outcome)
        batch.finished.set()


def _init_error(failed: Failed) -> Reply:
    text = failed.exception
    if failed.bad_modules:
        text += f"; modules that cannot be imported: {', '.join(failed.bad_modules)}"
    trace = failed.traceback
    if failed.warnings:
        trace += f"\nRequirements: {'; '.join(failed.warnings)}\n"
    body = InitError(init_error=text[:8192], init_tb=trace).to_bytes()
    return Reply(status=Status.INITIALIZATION_ERROR, body=body)


def _own_fault() -> Failed:
    text = "ServiceError('the service could not run the batch; its log has details')"
    return Failed(cause=Cause.DIED, exception=text, traceback=f"{text}\n")
