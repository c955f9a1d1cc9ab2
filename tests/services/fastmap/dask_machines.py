"""A Dask cluster of real processes on several addresses of this machine.

Each worker has an address of its own: in a network namespace, behind a bridge, where
that is allowed; else 127.0.0.2 and up. Nobody of pilothouse is on the workers: their
Python refuses to import it, as on a machine where it is not installed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from free_ports import free_port
from waiting import until

WITHOUT_PILOTHOUSE = """\
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pilothouse":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
"""
CONFIG = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__WORKER__PRELOAD_ARGV": "[]",
}


class Network:
    """Addresses for machines: namespaces behind a bridge, or loopback ones."""

    def __init__(self, number: int) -> None:
        self._name = f"fm{number % 10_000}"
        self._net = f"10.231.{number % 250}"
        self._made: list[str] = []
        self.is_real = self._has_bridge()
        self.host = f"{self._net}.1" if self.is_real else "127.0.0.1"
        self._numbers = itertools.count(2)

    def machine(self) -> tuple[str, list[str]]:
        """An address, and the words that run a command there."""
        number = next(self._numbers)
        if not self.is_real:
            return f"127.0.0.{number}", []
        space, here = f"{self._name}-{number}", f"{self._name}v{number}"
        address = f"{self._net}.{number}"
        run("ip", "netns", "add", space)
        self._made.append(space)
        run("ip", "link", "add", here, "type", "veth", "peer", "name", "eth0", "netns",
            space)  # fmt: skip
        run("ip", "link", "set", here, "master", self._name, "up")
        inside = ("ip", "-n", space)
        run(*inside, "addr", "add", f"{address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "link", "set", "lo", "up")
        return address, ["ip", "netns", "exec", space]

    def close(self) -> None:
        for space in self._made:
            run("ip", "netns", "del", space, check=False)
        if self.is_real:
            run("ip", "link", "del", self._name, check=False)

    def _has_bridge(self) -> bool:
        if shutil.which("ip") is None or os.geteuid() != 0:
            return False
        try:
            run("ip", "netns", "add", f"{self._name}-try")
            run("ip", "netns", "del", f"{self._name}-try")
            run("ip", "link", "add", self._name, "type", "bridge")
            run("ip", "addr", "add", f"{self._net}.1/24", "dev", self._name)
            run("ip", "link", "set", self._name, "up")
        except (OSError, subprocess.CalledProcessError):
            run("ip", "link", "del", self._name, check=False)
            return False
        return True


def run(*words: str, check: bool = True) -> None:
    subprocess.run(words, check=check, capture_output=True, timeout=10)


class Machines:
    """A scheduler on this machine, workers on others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Network(os.getpid())
        self._numbers = itertools.count(1)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.addresses: dict[str, str] = {}
        self._block = folder / "absent.py"
        self._block.write_text(WITHOUT_PILOTHOUSE)
        self._port = free_port()
        self.scheduler = self._start_scheduler()

    @property
    def address(self) -> str:
        return f"tcp://{self.network.host}:{self._port}"

    def add_worker(self, nthreads: int = 1) -> str:
        """Start a worker on a machine of its own; its name."""
        name = f"w{next(self._numbers)}"
        address, prefix = self.network.machine()
        words = [*prefix, sys.executable, "-m", "distributed.cli.dask_worker"]
        words += [self.address, "--name", name, "--host", address, "--no-nanny"]
        words += ["--nthreads", str(nthreads), "--no-dashboard"]
        words += ["--preload", str(self._block)]
        words += ["--local-directory", str(self.folder / name)]
        self.workers[name] = self._start(words, name)
        self.addresses[name] = address
        self._said(name, "Registered to")
        return name

    def kill_worker(self, name: str) -> None:
        """End a worker as a power cut would, and what it has started goes too."""
        end(self.workers.pop(name))

    def restart_scheduler(self) -> None:
        """Kill the scheduler and start another one at the same address."""
        end(self.scheduler)
        for name in list(self.workers):
            end(self.workers.pop(name))
        self.scheduler = self._start_scheduler()

    def close(self) -> None:
        for process in self._processes:
            end(process)
        self.network.close()

    def _start_scheduler(self) -> subprocess.Popen[bytes]:
        name = f"scheduler{next(self._numbers)}"
        words = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
        words += ["--host", self.network.host, "--port", str(self._port)]
        words += ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        process = self._start(words, name)
        self._said(name, r"Scheduler at: +tcp://")
        return process

    def _start(self, words: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **CONFIG},
            )
        self._processes.append(process)
        return process

    def _said(self, name: str, pattern: str) -> re.Match[str]:
        log = self.folder / f"{name}.log"
        return until(lambda: re.search(pattern, log.read_text()), 60, f"{name} is up")


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those below it."""
    if process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            for each in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
    process.wait(60)
