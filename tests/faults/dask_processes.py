"""A Dask scheduler and workers as processes that can be killed one by one.

Workers listen on addresses of their own (127.0.0.2, 127.0.0.3 ...), as other machines
would.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_ports import free_port
from waiting import until

_START_S = 30
_QUIET = ["--dashboard-address", "127.0.0.1:0"]


class DaskProcesses:
    """One cluster.

    Args:
        folder: Where logs and the workers' own folders go.

    Attributes:
        address: Of the scheduler; the same after it was started again.
        workers: Running or killed, in the order of their start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._port = free_port()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> None:
        """Start it, again on its port."""
        place = ["--host", "127.0.0.1", "--port", str(self._port)]
        self.scheduler = self._start("dask_scheduler", *place, *_QUIET)
        until(self._listens, _START_S, "the scheduler to listen")

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start one more, of one thread, at the next address."""
        number = len(self.workers) + 2
        place = ["--host", f"127.0.0.{number}", "--no-nanny", "--nthreads", "1"]
        own = ["--local-directory", str(self._folder / f"worker-{number}")]
        worker = self._start("dask_worker", self.address, *place, *own)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        """End all of it."""
        for process in (*self.workers, self.scheduler):
            if process is not None:
                process.kill()
                process.wait()

    def said(self) -> str:
        """All logs."""
        return "\n".join(p.read_text() for p in sorted(self._folder.glob("*.log")))

    def _start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )

    def _listens(self) -> bool:
        assert self.scheduler is not None
        assert self.scheduler.poll() is None, self.said()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


@contextmanager
def dask_of(folder: Path, workers: int) -> Iterator[DaskProcesses]:
    """A scheduler and so many workers, for as long as the block lasts."""
    cluster = DaskProcesses(folder)
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.close()
