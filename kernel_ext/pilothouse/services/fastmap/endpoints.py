"""The endpoints: auth, init, map, done; and runs and results, for who resumes.

Source: seed; contract §2.4 to §2.7. ``runs`` and ``results`` are additions of this
project, named by the feature ``"resume"`` in the answer to auth.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Final

from pilothouse.fastmap.wire import headers
from pilothouse.fastmap.wire.answers import (
    Credits,
    Features,
    InitError,
    InitStep,
    ProcessError,
    Runs,
)
from pilothouse.fastmap.wire.bodies import (
    DoneRequest,
    InitRequest,
    MapRequest,
    ResultsRequest,
    RunsRequest,
    read_empty,
)
from pilothouse.fastmap.wire.headers import decimal
from pilothouse.fastmap.wire.words import Status

from .answers import Refused, Reply
from .backend import Backend
from .book import Book, Full
from .calls import Call, Endpoint
from .functions import Functions
from .options import FastmapOptions
from .runs import Batch, Run
from .uploads import Uploads

__all__ = ["Endpoints"]

_FEATURES: Final = ("bind", "resume")
NOT_FOUND: Final = Reply(status=Status.NOT_FOUND)


class Endpoints:
    """Answers calls whose signature held.

    Args:
        functions: The stored functions.
        uploads: The unfinished ones.
        book: The runs.
        backend: What runs batches.
        options: Times.
    """

    def __init__(
        self,
        functions: Functions,
        uploads: Uploads,
        book: Book,
        backend: Backend,
        options: FastmapOptions,
    ) -> None:
        self._functions = functions
        self._uploads = uploads
        self._book = book
        self._backend = backend
        self._options = options

    @property
    def by_name(self) -> Mapping[str, Endpoint]:
        """Last segment of the path -> who answers."""
        return {
            "auth": self.auth,
            "init": self.init,
            "map": self.map,
            "done": self.done,
            "runs": self.runs,
            "results": self.results,
        }

    async def auth(self, call: Call) -> Reply:
        """Say that the token is good, and what this service can do."""
        read_empty(call.body)
        warning = await self._backend.refusal(call.python)
        if not warning:
            self._backend.expect(call.python)
        features = Features(
            features=_FEATURES,
            pythons=tuple(self._backend.pythons),
            workers=self._backend.slots,
        )
        return Reply(status=Status.OK, body=features.to_bytes(), warning=warning)

    async def init(self, call: Call) -> Reply:
        """Say whether a function is stored, or take a part of it."""
        request = InitRequest.from_bytes(call.body)
        if request.func is None:
            is_there = self._functions.has(call.account, request.func_hash)
            return Reply(status=Status.EXISTS if is_there else Status.DOES_NOT_EXIST)
        if refusal := await self._backend.refusal(call.python):
            raise Refused(400, Status.BAD_REQUEST, refusal)
        await self._uploads.take(call.account, request)
        return Reply(status=Status.UPLOADED)

    async def map(self, call: Call) -> Reply:
        """Run a batch, or collect its answer."""
        request = MapRequest.from_bytes(call.body)
        if refusal := await self._backend.refusal(call.python):
            body = InitError(init_error=refusal, init_tb=f"{refusal}\n").to_bytes()
            return Reply(status=Status.INITIALIZATION_ERROR, body=body)
        digest, call.body = hashlib.sha256(call.body).digest(), b""
        is_known = self._book.has(call.account, request, digest)
        if call.account.is_spent and not is_known:  # what was paid for is collected
            used = Credits(credits_used=call.account.balance).to_bytes()
            reason = "the credits of this token are spent"
            raise Refused(402, Status.NOT_ENOUGH_CREDITS, reason, body=used)
        if not self._functions.has(call.account, request.func_hash) and not is_known:
            return NOT_FOUND
        if request.index is not None and self._book.is_finished(call.account, request):
            return NOT_FOUND  # on its way when our client said that it is done
        try:
            run, batch = self._book.take(call.account, request, digest, call.python)
        except Full:
            return _wait(call, "full")
        longest = 0.0 if request.defer else None
        del request  # and with it the batch, which is kept elsewhere
        await self._wait_for(run, batch, longest)
        return await self._answer(call, run, batch)

    async def done(self, call: Call) -> Reply:
        """End a run, or leave it to itself."""
        request = DoneRequest.from_bytes(call.body)
        key = (call.account.name, request.run_id, request.func_hash)
        is_known = await self._book.done(call.account, key, keep=request.keep)
        if not is_known and self._functions.has(call.account, request.func_hash):
            self._book.note_finished(key)
            is_known = True
        return Reply(status=Status.DONE if is_known else Status.NOT_FOUND)

    async def runs(self, call: Call) -> Reply:
        """Tell the runs of this token, or one of them with its batches."""
        request = RunsRequest.from_bytes(call.body)
        found = self._book.of(call.account)
        if request.run_id is None:
            infos = tuple(run.info for run in found)
        else:
            asked = [run for run in found if run.run_id == request.run_id]
            infos = tuple(run.info_with_batches() for run in asked)
        return Reply(status=Status.OK, body=Runs(runs=infos).to_bytes())

    async def results(self, call: Call) -> Reply:
        """Answer what map would have, for a batch that a run has."""
        request = ResultsRequest.from_bytes(call.body)
        for run in reversed(self._book.of(call.account)):
            batch = run.batch_at(request.index)
            if run.run_id == request.run_id and batch is not None:
                run.touch()
                await self._wait_for(run, batch, self._options.start_seconds)
                return await self._answer(call, run, batch)
        return NOT_FOUND

    async def _wait_for(self, run: Run, batch: Batch, longest: float | None) -> None:
        """Wait for the end of a batch: a moment for a first worker, then on."""
        if longest is None:
            longest = self._options.hold_seconds
            first = min(self._options.start_seconds, longest)
            if not await _first_of(batch.finished, run.ready, first):
                return
        await _first_of(batch.finished, batch.finished, longest)

    async def _answer(self, call: Call, run: Run, batch: Batch) -> Reply:
        if not batch.finished.is_set():
            return _wait(call, run.step)
        if batch.answer is not None:
            self._book.hand_out(batch)
            return _for(call, batch.answer)
        results = None if batch.results is None else await batch.results.read()
        if results is None:
            return NOT_FOUND
        self._book.hand_out(batch)
        seconds = asyncio.get_running_loop().time() - call.began
        spent = decimal(max(seconds, batch.map_seconds))
        return Reply(
            status=Status.BATCH_PROCESSED,
            body=results,
            is_results=True,
            headers={**batch.headers, headers.APPLICATION_SECONDS: spent},
            warning=run.take_warning(),
        )


async def _first_of(event: asyncio.Event, other: asyncio.Event, longest: float) -> bool:
    """Wait until one of two is set; return whether one is."""
    if longest > 0 and not event.is_set() and not other.is_set():
        waits = [asyncio.ensure_future(each.wait()) for each in {event, other}]
        try:
            await asyncio.wait(
                waits, timeout=longest, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()
    return event.is_set() or other.is_set()


def _wait(call: Call, step: str) -> Reply:
    """Return the wait word; real clients come back after five seconds."""
    soon = {} if call.caller.is_release else {"Retry-After": "1"}
    body = InitStep(init_step=step).to_bytes()
    return Reply(status=Status.INITIALIZING, body=body, headers=soon)


def _for(call: Call, answer: Reply) -> Reply:
    """Return an answer without what only our own client understands."""
    if answer.status is not Status.PROCESS_ERROR or not call.caller.is_release:
        return answer
    told = ProcessError.from_bytes(answer.body)
    plain = ProcessError(
        exception=told.exception,
        traceback=told.traceback,
        bad_modules=told.bad_modules,
        index=told.index,
        item=told.item,
        logs=told.logs,
    )
    return Reply(status=answer.status, body=plain.to_bytes())
