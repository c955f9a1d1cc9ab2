"""When a run frees its workers; they are made up here."""

import asyncio

from pilothouse.fastmap.wire import token as tokens
from pilothouse.fastmap.wire.answers import RunState
from pilothouse.fastmap.wire.bodies import MapRequest
from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.worker.outcomes import Done
from pilothouse.services.fastmap.accounts import Account
from pilothouse.services.fastmap.backend import Ran
from pilothouse.services.fastmap.book import Book
from pilothouse.services.fastmap.kept import Keeper
from pilothouse.services.fastmap.options import FastmapOptions

PYTHON = PythonVersion("CPython", 3, 11)


class Workers:
    """Run a batch when they are let."""

    slots = 1

    def __init__(self):
        self.may_run = asyncio.Event()
        self.before_the_end = []
        self.ended = []

    def has_worker(self, run):
        return True

    async def run(self, run, payload):
        await self.may_run.wait()
        while self.before_the_end:  # the next turn of the loop, and the end in this one
            asyncio.get_running_loop().call_soon(self.before_the_end.pop())
        return Ran("worker-1", Done(count=1, results=payload))

    async def end(self, run):
        self.ended.append(run)


def scene(folder):
    """Return a book, its workers, and what sends it a batch of the one run."""
    options = FastmapOptions()
    account = Account(tokens.split(tokens.new_token()), options)
    workers = Workers()
    book = Book(workers, Keeper(folder / "kept", options.kept_bytes), options)

    def send(batch):
        request = MapRequest(func_hash="0" * 16, batch=batch, run_id="r" * 16)
        return book.take(account, request, batch, PYTHON)

    return book, workers, send


def test_a_run_that_was_left_rests_behind_its_last_batch(tmp_path):
    async def scenario():
        book, workers, send = scene(tmp_path)
        run, batch = send(b"1")
        assert await book.done(run.account, run.key, keep=True)
        workers.may_run.set()
        await batch.finished.wait()
        await asyncio.gather(*book._tasks)
        return run, workers

    run, workers = asyncio.run(scenario())

    assert run.state is RunState.KEPT
    assert workers.ended == [run]


def test_a_batch_that_comes_as_the_last_one_ends_keeps_the_workers(tmp_path):
    async def scenario():
        book, workers, send = scene(tmp_path)
        run, batch = send(b"1")
        assert await book.done(run.account, run.key, keep=True)
        sent = []
        workers.before_the_end.append(lambda: sent.append(send(b"2")))
        workers.may_run.set()
        await batch.finished.wait()
        await sent[0][1].finished.wait()
        await asyncio.gather(*book._tasks)
        return run, workers

    run, workers = asyncio.run(scenario())

    assert run.state is not RunState.KEPT
    assert workers.ended == []
