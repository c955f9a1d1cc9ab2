"""All runs: from the first map to `done`, or until nobody asks for long enough.

A run without open batches frees its workers after a while; its results are kept for a
longer while, on disk, for who comes back. What ended is remembered as a tombstone, so
that `done` can be said twice (contract §2.7, §6.1).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

from pilothouse.fastmap.wire.answers import (
    BatchState,
    ProcessError,
    RunState,
)
from pilothouse.fastmap.wire.bodies import MapRequest
from pilothouse.fastmap.wire.headers import PythonVersion, Spent
from pilothouse.fastmap.wire.words import Status
from pilothouse.fastmap.worker.outcomes import Done

from .accounts import Account
from .answers import Reply
from .backend import Backend, Ran
from .dispatch import Dispatcher
from .kept import Keeper, Kept
from .options import FastmapOptions
from .runs import Batch, Run, RunKey

__all__ = ["Book", "Full"]

log = logging.getLogger(__name__)

_FAILED_SECONDS = 60.0


class Full(Exception):  # noqa: N818  (the caller is told to come again)
    """Too much waits to be run already."""


class Book:
    """All runs of a service.

    Args:
        backend: Runs batches.
        keeper: Keeps results and waiting batches.
        options: Times and bounds.
    """

    def __init__(
        self, backend: Backend, keeper: Keeper, options: FastmapOptions
    ) -> None:
        self._backend = backend
        self._keeper = keeper
        self._options = options
        self._runs: dict[RunKey, Run] = {}
        self._tombstones: dict[RunKey, float] = {}
        self._finished: set[RunKey] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.dispatcher = Dispatcher(backend, self._finish)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def of(self, account: Account) -> list[Run]:
        """Return the runs of an account, the oldest first."""
        found = [run for run in self._runs.values() if run.account is account]
        return sorted(found, key=lambda run: run.created)

    def take(
        self,
        account: Account,
        request: MapRequest,
        digest: bytes,
        version: PythonVersion,
    ) -> tuple[Run, Batch]:
        """Return the run and the batch of a map request; new ones are queued.

        Args:
            account: Whose request it is.
            request: The request.
            digest: SHA-256 of its body.
            version: Python of the client.

        Raises:
            Full: If too much waits already.
        """
        key = (account.name, request.run_id, request.func_hash)
        run = self._runs.get(key)
        batch = None if run is None else run.batches.get(digest)
        if run is not None and batch is not None and not batch.is_worth_a_try:
            run.touch()
            return run, batch
        if not self._keeper.has_room(len(request.batch)):
            raise Full
        payload = self._keeper.keep(request.batch, is_needed=True)
        if run is None:
            self._tombstones.pop(key, None)
            self._finished.discard(key)
            run = self._runs[key] = Run(account, request, version)
        if batch is None:
            count = request.count or 0
            batch = Batch(digest, request.index, count, payload)
            run.batches[digest] = batch
        else:
            run.count(batch, sign=-1)
            batch.restart(payload)
        run.begin()
        run.touch()
        run.is_detached = False
        self.dispatcher.add(run, batch)
        if batch.state is BatchState.QUEUED or request.defer:
            self._later(self._settle(payload))
        return run, batch

    def has(self, account: Account, request: MapRequest, digest: bytes) -> bool:
        """Tell whether a batch is under way, or its answer is kept."""
        run = self._runs.get((account.name, request.run_id, request.func_hash))
        batch = None if run is None else run.batches.get(digest)
        return batch is not None and not batch.is_worth_a_try

    def is_finished(self, account: Account, request: MapRequest) -> bool:
        """Tell whether the client of a run has ended it, for good."""
        return (account.name, request.run_id, request.func_hash) in self._finished

    def note_finished(self, key: RunKey) -> None:
        """Note the end of a run of which no batch has come yet."""
        self._finished.add(key)
        self._tombstones[key] = time.monotonic()

    async def done(self, account: Account, key: RunKey, *, keep: bool) -> bool:
        """End a run; return whether it is known, or was.

        Args:
            account: Whose run it is.
            key: Which run.
            keep: Whether what was accepted is finished, and its results are kept.
        """
        run = self._runs.get(key)
        if run is None or run.account is not account:
            ended = self._tombstones.get(key)
            longest = self._options.tombstone_seconds
            return ended is not None and time.monotonic() - ended < longest
        run.touch()
        if keep:
            run.is_detached = True
            if not run.is_open:
                await self._rest(run)
        else:
            self._finished.add(key)
            await self._end(run)
        return True

    async def sweep(self) -> None:
        """End what nobody asked for in its time."""
        now = time.monotonic()
        for run in self:
            idle = now - run.touched
            if run.is_open:
                continue
            if run.state is RunState.FAILED:
                if idle > min(_FAILED_SECONDS, self._options.kept_seconds):
                    await self._end(run)
            elif run.state is RunState.KEPT:
                if idle > self._options.kept_seconds:
                    await self._end(run)
            elif run.is_detached or idle > self._options.idle_seconds:
                await self._rest(run)
        longest = self._options.tombstone_seconds
        for key in [k for k, t in self._tombstones.items() if now - t > longest]:
            del self._tombstones[key]
            self._finished.discard(key)

    async def stop(self) -> None:
        """End all runs; who waits is answered that they are gone."""
        await asyncio.gather(*(self._end(run) for run in self))
        for task in list(self._tasks):
            task.cancel()

    def hand_out(self, batch: Batch) -> None:
        """Note that a batch's end is being told."""
        batch.is_told = True
        if batch.results is not None:
            batch.results.is_told = True

    # -- ends

    async def _rest(self, run: Run) -> None:
        """Free the workers of a run; keep its results, if there are any."""
        if not any(b.finished.is_set() and not b.is_lost for b in run.batches.values()):
            await self._end(run)
            return
        run.state = RunState.KEPT
        run.ready = asyncio.Event()
        await self._backend.end(run)

    async def _rest_if_left(self, run: Run) -> None:
        """Rest, if its client has gone and no batch has come meanwhile."""
        if run.is_detached and not run.is_open:
            await self._rest(run)

    async def _end(self, run: Run) -> None:
        self._runs.pop(run.key, None)
        self._tombstones[run.key] = time.monotonic()
        run.is_ended = True
        run.state = RunState.ENDED
        run.ready.set()
        self.dispatcher.drop(run)
        await self._backend.end(run)
        for batch in run.batches.values():
            for kept in (batch.payload, batch.results):
                if kept is not None:
                    self._keeper.release(kept)

    def _finish(self, run: Run, batch: Batch, outcome: Ran | Reply) -> None:
        """Note what came of a batch, before who waits for it is woken."""
        if batch.payload is not None:
            self._keeper.release(batch.payload)
            batch.payload = None
        if isinstance(outcome, Reply):
            batch.state, batch.answer = BatchState.FAILED, outcome
        elif not isinstance(outcome.outcome, Done):
            batch.state, batch.answer = BatchState.FAILED, _process_error(outcome)
        else:
            self._take_results(run, batch, outcome.worker, outcome.outcome)
        run.count(batch)
        if run.is_detached and not run.is_open:
            self._later(self._rest_if_left(run))

    def _take_results(self, run: Run, batch: Batch, worker: str, done: Done) -> None:
        batch.state = BatchState.DONE
        batch.count = done.count
        batch.map_seconds = done.map_seconds
        if not batch.is_charged:  # a batch is paid for once
            price = run.account.price(done.map_seconds, len(done.results))
            run.account.charge(price)
            batch.is_charged = True
            spent = Spent(
                service_id=worker, map_seconds=done.map_seconds, credits=price
            )
            batch.headers = spent.to_headers()
        batch.results = self._keeper.keep(done.results)
        self._later(self._settle(batch.results))

    async def _settle(self, kept: Kept) -> None:
        try:
            await self._keeper.settle(kept)
        except OSError as exc:
            log.warning("results stay in memory: %s", exc)

    def _later(self, coroutine: object) -> None:
        task = asyncio.ensure_future(coroutine)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _process_error(ran: Ran) -> Reply:
    failed = ran.outcome
    assert not isinstance(failed, Done)
    body = ProcessError(
        exception=failed.exception,
        traceback=failed.traceback,
        bad_modules=failed.bad_modules,
        index=failed.index,
        item=failed.item,
        partial=bool(failed.index),
        error=failed.error or None,
        logs=failed.logs,
    ).to_bytes()
    return Reply(status=Status.PROCESS_ERROR, body=body)
