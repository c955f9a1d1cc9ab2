"""What runs on the workers of a Dask cluster; it travels there by value.

Nothing of pilothouse has to be installed there: Python of the same minor version,
distributed and dill. A plugin for each function holds its pieces; each run has child
processes of its own below the Dask worker, so that runs do not see each other, what
user code prints is caught, and a cancelled batch ends at once (Dask itself cannot
interrupt a task).
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker
from distributed.worker import Worker

from pilothouse.fastmap.worker.outcomes import Cause, Failed, Limits, Ready
from pilothouse.fastmap.worker.process import WorkerProcess

__all__ = ["FunctionPlugin", "end_run", "run_batch"]

log = logging.getLogger("pilothouse.fastmap")

_TRIES = 2
_MOST_SPARE = 8
_ENDED = Failed(cause=Cause.KILLED, exception="the run was ended")


class FunctionPlugin(WorkerPlugin):
    """One function on one Dask worker.

    Args:
        name: Its name at the scheduler.
        function: ``func``, ``local_sources``, ``installed_mods``, ``requirements``.
        child: Text of the worker's one file.
        limits: Bounds of a child process, in bytes.
        seconds: ``batch``, ``import``, ``idle``.
    """

    def __init__(
        self,
        name: str,
        function: Mapping[str, Any],
        child: str,
        limits: Mapping[str, int],
        seconds: Mapping[str, float],
    ) -> None:
        self.name = name
        self._function = dict(function)
        self._child = child
        self._limits = dict(limits)
        self._seconds = dict(seconds)

    def setup(self, worker: Worker) -> None:
        """Start child processes that wait, one for each thread of the worker."""
        self._lock = threading.Lock()
        scratch = worker.local_directory  # which Dask removes, if this cannot
        self._folder = Path(tempfile.mkdtemp(prefix="fastmap-", dir=scratch))
        (self._folder / "child.py").write_text(self._child, encoding="utf-8")
        self._where = str(worker.name)
        self._spare: list[WorkerProcess] = []
        self._idle: dict[str, list[WorkerProcess]] = {}
        self._busy: dict[str, set[WorkerProcess]] = {}
        self._ended: set[str] = set()
        self._unmet: tuple[str, ...] = ()
        self._used = time.monotonic()
        self._is_closed = False
        for _ in range(min(worker.state.nthreads, _MOST_SPARE)):
            self._spare.append(self._spawn())
        self._look_later()

    def teardown(self, worker: Worker) -> None:
        """End all child processes."""
        self._is_closed = True
        for process in self._take_all():
            process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, run_id: str, batch: bytes) -> dict[str, Any]:
        """Run one batch in a child process of the run; a lost one is replaced once."""
        outcome: dict[str, Any] = {}
        for _ in range(_TRIES):
            process, refusal = self._process_for(run_id)
            if process is None:
                return {"is_init": True, **_told(refusal), "where": self._where}
            ended = process.run_batch(batch, timeout=self._seconds["batch"])
            outcome = {**_told(ended), "where": self._where, "unmet": self._unmet}
            is_lost = isinstance(ended, Failed) and ended.cause is not Cause.USER
            self._give_back(run_id, process, is_lost)
            if not is_lost or run_id in self._ended:
                break
        return outcome

    def end(self, run_id: str) -> None:
        """Kill the child processes of a run."""
        with self._lock:
            self._ended.add(run_id)
            idle = self._idle.pop(run_id, [])
            processes = [*idle, *self._busy.get(run_id, ())]
        for process in processes:
            process.kill()

    def _process_for(
        self, run_id: str
    ) -> tuple[WorkerProcess | None, Ready | Failed | None]:
        refusal: Ready | Failed | None = None
        for _ in range(_TRIES):
            with self._lock:
                if self._is_closed or run_id in self._ended:
                    return None, _ENDED  # a task that Dask begins late
                self._used = time.monotonic()
                idle = self._idle.get(run_id)
                if idle:
                    process = idle.pop()
                    self._busy.setdefault(run_id, set()).add(process)
                    return process, None
                process = self._spare.pop() if self._spare else self._spawn()
                self._busy.setdefault(run_id, set()).add(process)
            refusal = process.initialise(
                self._function["func"],
                local_sources=self._function["local_sources"],
                installed_mods=self._function["installed_mods"],
                requirements=self._function["requirements"],
                timeout=self._seconds["import"],
            )
            if isinstance(refusal, Ready):
                self._unmet = refusal.warnings
                return process, None
            self._give_back(run_id, process, is_lost=True)
            if refusal.cause is Cause.USER or run_id in self._ended:
                break
        return None, refusal

    def _give_back(self, run_id: str, process: WorkerProcess, is_lost: bool) -> None:
        with self._lock:
            self._used = time.monotonic()
            busy = self._busy.get(run_id, set())
            busy.discard(process)
            if not busy:
                self._busy.pop(run_id, None)
            is_lost = is_lost or run_id in self._ended or self._is_closed
            if not is_lost:
                self._idle.setdefault(run_id, []).append(process)
        if is_lost:
            process.kill()

    def _spawn(self) -> WorkerProcess:
        process = WorkerProcess(
            sys.executable,
            folder=self._folder,
            limits=Limits(**self._limits),
            code=self._folder,
        )
        process.start()
        return process

    def _look_later(self) -> None:
        """Look now and then whether a service that is gone has left this behind."""
        timer = threading.Timer(self._seconds["idle"], self._look)
        timer.daemon = True
        timer.start()

    def _look(self) -> None:
        if self._is_closed:
            return
        if time.monotonic() - self._used > self._seconds["idle"] and not self._busy:
            for process in self._take_all():
                process.kill()
        self._look_later()

    def _take_all(self) -> list[WorkerProcess]:
        with self._lock:
            idle = [each for some in self._idle.values() for each in some]
            busy = [each for some in self._busy.values() for each in some]
            found = [*self._spare, *idle, *busy]
            self._spare.clear()
            self._idle.clear()
        return found


def run_batch(name: str, run_id: str, batch: bytes) -> dict[str, Any]:
    """Run one batch on this Dask worker; as a task."""
    plugin: Any = get_worker().plugins.get(name)
    if plugin is None:
        return {"is_missing": True}
    outcome: dict[str, Any] = plugin.run(run_id, batch)
    return outcome


def end_run(name: str, run_id: str, dask_worker: Worker) -> None:
    """End the child processes of a run on this Dask worker; by `Client.run`."""
    plugin: Any = dask_worker.plugins.get(name)
    if plugin is not None:
        plugin.end(run_id)


def _told(outcome: object) -> dict[str, Any]:
    """Return an outcome as a plain map: classes differ here and there."""
    names = getattr(type(outcome), "__slots__", ())
    told = {name: getattr(outcome, name) for name in names}
    if "cause" in told:
        told["cause"] = str(told["cause"].value)
    return told
