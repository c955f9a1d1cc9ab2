"""One process here that maps batches, and the thread that feeds it."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from pilothouse.errors import PilothouseError

from .batches import Batch
from .client import unpickle
from .errors import FastmapException, StartError, of_branch
from .failures import item_error, start_error
from .flow import Flow, join
from .options import Options
from .packing.packer import Packed
from .wire.answers import InitError, ProcessError
from .worker.outcomes import Cause, Done, Failed
from .worker.process import WorkerProcess

__all__ = ["LocalLane", "new_worker"]


class LocalLane:
    """A worker process of this user, with this user's paths and environment.

    Args:
        flow: Where batches come from.
        options: Tell how long a batch may take.
        number: Of the lane, from 1.
    """

    def __init__(self, flow: Flow, options: Options, number: int) -> None:
        self.name = f"local-{number}"
        self._flow = flow
        self._options = options
        self._worker: WorkerProcess | None = None
        self._packed: Packed | None = None
        self._ahead: Batch | None = None  # at the worker, behind the one it does
        self._lock = threading.Lock()
        self._is_stopped = False
        self._thread = threading.Thread(
            target=self._run, name=f"fastmap-{self.name}", daemon=True
        )

    def prepare(self, worker: WorkerProcess | None = None) -> None:
        """Start the process already, or take one that was started."""
        if worker is None:
            self._new_worker()
            return
        with self._lock:
            self._worker = worker
            is_late = self._is_stopped
        if is_late:
            worker.kill()

    def start(self) -> None:
        """Begin to take batches."""
        self._thread.start()

    def stop(self) -> None:
        """End the process at once; from any thread, and more than once."""
        with self._lock:
            self._is_stopped = True
            worker = self._worker
        if worker is not None:
            worker.kill()

    def join(self, seconds: float) -> bool:
        """Wait for the end of its thread; false when it has not come."""
        return join(self._thread, seconds)

    def _run(self) -> None:
        try:
            batch, is_there = self._flow.take(), False
            while batch is not None:
                self._do(batch, is_there)
                batch, self._ahead = self._ahead, None
                is_there = batch is not None
                batch = batch or self._flow.take()
        except FastmapException as exc:
            self._flow.fail_at(None, exc)
        except PilothouseError as exc:
            self._flow.fail_at(None, of_branch("a worker failed", exc))
        except BaseException as exc:  # a fault of ours; nobody may wait for ever
            self._flow.fail_at(None, exc)
        finally:
            self.stop()

    def _do(self, batch: Batch, is_there: bool) -> None:
        """Have a batch done, which may be at the worker already."""
        worker = self._ready_for(batch.packed)
        if worker is None:
            self._flow.put_back(batch)
            return
        with self._flow.lock:
            self._flow.tally.begin(self.name, batch.count)
        started = time.monotonic()
        if not is_there:
            worker.send_batch(batch.data, plain=True)
        self._send_ahead(worker, batch.packed)
        answer = worker.finish_batch(timeout=self._options.batch_timeout)
        self._flow.note_logs(answer.logs)
        if isinstance(answer, Done):
            self._done(batch, answer, time.monotonic() - started)
            return
        self._failed(batch, answer)

    def _done(self, batch: Batch, answer: Done, seconds: float) -> None:
        flow, spent = self._flow, answer.map_seconds
        values, _ = unpickle(answer.results, batch.count)
        flow.learn(batch.count, spent, seconds - spent)
        flow.deliver(
            batch,
            values,
            len(answer.results),
            lambda: flow.tally.add(self.name, "local", batch.count, spent),
        )

    def _send_ahead(self, worker: WorkerProcess, packed: Packed) -> None:
        """Give the worker what it finds when it is done, so that it need not wait."""
        self._ahead = self._flow.take_ahead(
            lambda batch: batch.packed is packed and worker.is_short(batch.data)
        )
        if self._ahead is not None:
            worker.send_batch(self._ahead.data, plain=True)

    def _failed(self, batch: Batch, answer: Failed) -> None:
        with self._flow.lock:
            self._flow.tally.end(self.name, "failed")
        if answer.cause is Cause.KILLED or self._is_stopped:
            return
        if answer.cause is not Cause.USER:
            self._drop_worker()
            if self._ahead is not None:
                self._flow.give_back(self._ahead)
                self._ahead = None
        if answer.cause is Cause.DIED and not batch.deaths:
            batch.deaths += 1
            self._flow.put_back(batch)
            return
        told = ProcessError(
            exception=answer.exception,
            traceback=answer.traceback,
            bad_modules=answer.bad_modules,
            index=answer.index,
            item=answer.item,
            error=answer.error or None,
        )
        self._flow.item_failed(batch, *item_error(batch, told, self._flow.packer.name))

    def _ready_for(self, packed: Packed) -> WorkerProcess | None:
        """Return a worker that has the function; None when all is over."""
        if self._packed is packed and self._worker is not None:
            return self._worker
        if self._packed is not None:
            self._drop_worker()
        worker = self._worker or self._new_worker()
        if worker is None:
            return None
        function = packed.function
        answer = worker.initialise(
            function.func,
            local_sources=function.local_sources,
            installed_mods=function.installed_mods,
            path=_path(),
            timeout=self._options.wait_timeout,
        )
        if isinstance(answer, Failed):
            self._flow.note_logs(answer.logs)
            if self._is_stopped:
                return None
            raise start_error(
                InitError(init_error=answer.exception, init_tb=answer.traceback)
            )
        self._packed = packed
        return worker

    def _new_worker(self) -> WorkerProcess | None:
        worker = new_worker()
        with self._lock:
            if self._is_stopped:
                return None
            try:
                worker.start()
            except PilothouseError as exc:
                raise StartError(exc.message) from exc
            self._worker = worker
        return worker

    def _drop_worker(self) -> None:
        with self._lock:
            worker, self._worker, self._packed = self._worker, None, None
        if worker is not None:
            worker.kill()


def new_worker() -> WorkerProcess:
    """Return a process of this user, not started yet."""
    return WorkerProcess(environment=_environment(), cwd=_folder())


def _path() -> list[str]:
    """Return where modules are looked for here, without its own start."""
    found = [each or _folder() or "." for each in sys.path]
    return [each for each in found if Path(each).exists()]


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - a text is wanted
    except OSError:  # it was removed
        return None


class _Variables(dict[str, str]):
    """Variables that do not show: they may hold passwords, of a proxy say."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


def _environment() -> dict[str, str]:
    return _Variables(
        (name, value)
        for name, value in os.environ.items()
        if not name.startswith("PILOTHOUSE_")
    )
