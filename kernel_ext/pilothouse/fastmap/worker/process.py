"""A worker as a child process, fed over a socket: blocking, for threads.

    worker = WorkerProcess()
    worker.start()                                   # returns at once
    worker.initialise(func, local_sources={...})     # Ready or Failed
    worker.run_batch(batch)                          # Done or Failed
    worker.kill()                                    # from any thread

It touches one folder, the worker's own, and its process. No fork of this process, no
key and no variable of its environment reaches the worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pilothouse.errors import ServiceError

from .child import descendants
from .outcomes import Cause, Done, Failed, Limits, Ready

__all__ = ["WorkerProcess", "worker_environment"]

_LENGTHS: Final = ">IQ"  # plain text: this module also travels by value
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import child; del sys.path[0]; "
    "child.main(sys.argv[2:])"
)
_TICK_MILLISECONDS: Final = 250
_HELLO_SECONDS: Final = 60.0
_EARLY_BYTES: Final = 64 * 1024
_END_SECONDS: Final = 5.0
_LOG_KEPT_BYTES: Final = 64 * 1024
_LOG_MOST_BYTES: Final = 16 * 1024 * 1024
_BUFFER_BYTES: Final = 1024 * 1024
_MOST_FRAME_BYTES: Final = 2**40
_PASSED_ON: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CONDA_PREFIX",
)
_ONE_THREAD: Final = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")


class _Gone(Exception):  # noqa: N818  (an event, not a fault)
    """The socket has ended: the process has, or is about to."""


class _Late(Exception):  # noqa: N818  (an event, not a fault)
    """No answer within the time limit."""


class WorkerProcess:
    """One worker.

    Args:
        python: Its interpreter, 3.8 or newer, with dill.
        folder: Where its own folder is made; the temporary one by default.
        environment: All variables it gets; by default few, see `worker_environment`.
        limits: Bounds on memory and on what comes and goes.
        code: Folder that holds ``child.py``; for where this package is not installed.
        cwd: Where it works; by default in its own folder.

    Attributes:
        python_version: Its interpreter's banner, once it has said hello.
        dill_version: Of the dill there.
    """

    def __init__(
        self,
        python: str = sys.executable,
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        code: Path | None = None,
        cwd: str | None = None,
    ) -> None:
        self._code = code or Path(__file__).parent
        self._python = python
        self._parent = folder
        self._environment = environment
        self._limits = limits or Limits()
        self._cwd = cwd
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._log = -1
        self._folder: Path | None = None
        self._is_killed = False
        self._has_said_hello = False
        self._status: int | None = None
        self._peak_bytes = 0
        self.python_version = ""
        self.dill_version = ""

    @property
    def pid(self) -> int:
        """Its process id; 0 before `start`."""
        return 0 if self._process is None else self._process.pid

    @property
    def folder(self) -> Path | None:
        """Its working folder, removed with it."""
        return self._folder

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and not self._has_exited()

    def start(self) -> None:
        """Start the process; it gets ready in the background.

        Raises:
            ServiceError: If there can be no process, or it was killed already.
        """
        try:
            with self._lock:
                if self._is_killed:
                    raise OSError("it was ended before")  # noqa: TRY301
                self._start()
        except OSError as exc:
            self._clean_up()
            raise ServiceError(f"no worker can be started: {exc}") from exc

    def _start(self) -> None:
        here, there = socket.socketpair()
        self._socket = here
        with there:
            for end in (here, there):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            folder = tempfile.mkdtemp(prefix="worker-", dir=self._parent)
            self._folder = Path(folder)
            self._log = _log_file(folder)
            environment = self._environment
            if environment is None:
                environment = worker_environment(folder)
            words = [self._python, "-I", "-X", "utf8", "-c", _BOOT]
            words += [str(self._code), str(there.fileno()), str(self._log)]
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                cwd=self._cwd or folder,
                env=dict(environment),
                pass_fds=(there.fileno(), self._log),
                start_new_session=True,
            )

    def initialise(
        self,
        func: bytes,
        *,
        local_sources: Mapping[str, str] | None = None,
        installed_mods: Sequence[str] = (),
        requirements: Mapping[str, str] | None = None,
        path: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Ready | Failed:
        """Give the worker its function, once.

        Args:
            func: dill of the callable.
            local_sources: Source text of local modules, by name.
            installed_mods: Modules to import first.
            requirements: Version by package; told when they differ, no more.
            path: Folders that go first in ``sys.path``.
            timeout: Longest time, in seconds.
        """
        head = {
            "k": "init",
            "sources": dict(local_sources or {}),
            "modules": list(installed_mods),
            "requirements": dict(requirements or {}),
            "path": list(path),
            "limits": {
                "batch": self._limits.batch,
                "results": self._limits.results,
                "memory": self._limits.memory,
            },
        }
        started = time.monotonic()
        answer = self._answer(timeout, (json.dumps(head).encode(), func))
        if isinstance(answer, Failed):
            return answer
        told, body = answer
        if told["k"] != "ready":
            return _failed(told, body)
        return Ready(
            bad_modules=tuple(told["bad_modules"]),
            warnings=tuple(told["warnings"]),
            seconds=time.monotonic() - started,
        )

    def preload(self, modules: Sequence[str]) -> None:
        """Let a worker that waits import modules; what fails is told by `initialise`.

        Returns at once.
        """
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is gone, which the next call tells
                self._send(
                    json.dumps({"k": "preload", "modules": list(modules)}).encode()
                )

    def run_batch(
        self, batch: bytes, *, timeout: float | None = None, plain: bool = False
    ) -> Done | Failed:
        """Map the function over one batch.

        Args:
            batch: dill of an iterable, gzipped or not.
            timeout: Longest time, in seconds; the worker is killed at its end.
            plain: Whether the results come back without gzip.
        """
        self.send_batch(batch, plain=plain)
        return self.finish_batch(timeout=timeout)

    def send_batch(self, batch: bytes, *, plain: bool = False) -> None:
        """Give an initialised worker a batch; `finish_batch` waits for its results.

        It may have one more while it works on another, if `is_short` is true of that:
        a longer one would wait for the worker, and the worker for us.

        Args:
            batch: As `run_batch`.
            plain: As `run_batch`.
        """
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is gone, which `finish_batch` tells
                self._send(json.dumps({"k": "batch", "plain": plain}).encode(), batch)

    @staticmethod
    def is_short(batch: bytes) -> bool:
        """Whether a batch can be sent while the worker works on another."""
        return len(batch) <= _EARLY_BYTES

    def finish_batch(self, *, timeout: float | None = None) -> Done | Failed:
        """Wait for the results of the first batch sent that has given none yet.

        Args:
            timeout: As `run_batch`; from now on.
        """
        answer = self._answer(timeout)
        if isinstance(answer, Failed):
            return answer
        told, body = answer
        if told["k"] != "done":
            return _failed(told, body)
        return Done(
            results=body,
            count=int(told["count"]),
            map_seconds=float(told["map_seconds"]),
            raw_bytes=int(told["raw"]),
            logs=str(told["logs"]),
        )

    def kill(self) -> None:
        """End the process, what it has started, and its folder. May be called twice."""
        with self._lock:
            was_killed, self._is_killed = self._is_killed, True
        try:
            with self._lock:
                self._kill_group()
                if self._socket is not None:
                    with contextlib.suppress(OSError):
                        self._socket.shutdown(socket.SHUT_RDWR)
        finally:
            if not was_killed:
                self._wait_for_end()
                self._clean_up()

    def __enter__(self) -> WorkerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.pid}>"

    # -- one question, one answer

    def _answer(
        self, timeout: float | None, first: tuple[bytes, bytes] | None = None
    ) -> tuple[dict[str, Any], bytes] | Failed:
        """Return the next answer.

        Args:
            timeout: Longest wait, in seconds.
            first: Head and body of what a new worker is sent before that.
        """
        if self._socket is None or self._is_killed:
            return self._end_of(Cause.KILLED)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            if first is not None:
                self._send_first(*first)
            return self._receive(deadline)
        except _Late:
            return self._end_of(Cause.TIMEOUT, timeout or _HELLO_SECONDS)
        except (_Gone, OSError, ValueError, KeyError, TypeError):
            return self._end_of(self._death())

    def _send_first(self, text: bytes, body: bytes) -> None:
        is_early = not self._has_said_hello and len(text) + len(body) <= _EARLY_BYTES
        if is_early:  # it fits into the socket: the worker finds it there
            self._send(text, body)
        if not self._has_said_hello:
            told, _ = self._receive(time.monotonic() + _HELLO_SECONDS)
            self.python_version, self.dill_version = told["python"], told["dill"]
            self._has_said_hello = True
        if not is_early:
            self._send(text, body)

    def _send(self, text: bytes, body: bytes = b"") -> None:
        assert self._socket is not None
        self._socket.sendall(struct.pack(_LENGTHS, len(text), len(body)) + text)
        self._socket.sendall(body)

    def _receive(self, deadline: float | None) -> tuple[dict[str, Any], bytes]:
        lengths = struct.unpack(
            _LENGTHS, self._exactly(struct.calcsize(_LENGTHS), deadline)
        )
        if max(lengths) > _MOST_FRAME_BYTES:
            raise ValueError("this is no frame")
        head = json.loads(bytes(self._exactly(lengths[0], deadline)))
        return head, bytes(self._exactly(lengths[1], deadline))

    def _exactly(self, length: int, deadline: float | None) -> bytearray:
        assert self._socket is not None
        data = bytearray(length)
        view = memoryview(data)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while view:
            while not poll.poll(_TICK_MILLISECONDS):
                if deadline is not None and time.monotonic() > deadline:
                    raise _Late
                if self._has_exited() and not poll.poll(0):
                    raise _Gone  # something that it has forked holds the socket
                self._bound_log()
            count = self._socket.recv_into(view)
            if not count:
                raise _Gone
            view = view[count:]
        return data

    def _death(self) -> Cause:
        return Cause.KILLED if self._is_killed else Cause.DIED

    def _end_of(self, cause: Cause, timeout: float = 0.0) -> Failed:
        """Kill what is left, and tell why there is no answer."""
        if cause is Cause.TIMEOUT:
            text = f"TimeoutError('no answer within {timeout:g} s')"
        elif cause is Cause.KILLED:
            text = "WorkerDied('the worker was ended')"
        else:
            self._wait_for_end()
            text = f"WorkerDied({self._why()!r})"
        logs = self._take_log()
        self.kill()
        return Failed(cause=cause, exception=text, traceback=f"{text}\n", logs=logs)

    # -- the process

    def _has_exited(self) -> bool:
        """Look whether the process has ended; it is reaped then, and told apart."""
        with self._lock:
            if self._process is None:
                return False
            if self._status is None:
                with contextlib.suppress(ChildProcessError):
                    pid, status, usage = os.wait4(self.pid, os.WNOHANG)
                    if pid:
                        self._note_end(os.waitstatus_to_exitcode(status))
                        unit = 1 if sys.platform == "darwin" else 1024
                        self._peak_bytes = usage.ru_maxrss * unit
                    return bool(pid)
                self._note_end(-signal.SIGKILL)  # somebody else has reaped it
            return True

    def _note_end(self, status: int) -> None:
        assert self._process is not None
        self._status = self._process.returncode = status

    def _wait_for_end(self, seconds: float = _END_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        pause, is_late = 0.0005, False
        while self._process is not None and not self._has_exited() and not is_late:
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
            is_late = time.monotonic() > deadline  # a last look follows

    def _kill_group(self) -> None:
        """Kill the process, its group, and what it has started in other sessions."""
        if self._process is None:
            return
        pid = self._process.pid
        try:  # it must not stay behind, stopped, when an interrupt comes meanwhile
            if self._status is None and descendants(pid):
                _send(pid, signal.SIGSTOP)  # so that it starts nothing more
                for each in descendants(pid):
                    _send(each, signal.SIGKILL)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _why(self) -> str:
        status = self._status
        if status is None:
            return "closed its connection"
        if status >= 0:
            text = f"exited with status {status}"
        else:
            text = f"killed by {_signal_name(-status)}"
        return f"{text}; it had used {self._peak_bytes // 2**20} MiB of memory at most"

    def _clean_up(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            log, self._log = self._log, -1
            if log >= 0:
                os.close(log)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # -- what it prints

    def _bound_log(self) -> None:
        """Forget the middle of a log that gets long while a batch runs."""
        with self._lock:
            if self._log >= 0 and os.fstat(self._log).st_size > _LOG_MOST_BYTES:
                os.ftruncate(self._log, _LOG_KEPT_BYTES)

    def _take_log(self) -> str:
        with self._lock:
            if self._log < 0:
                return ""
            size = os.fstat(self._log).st_size
            data = os.pread(self._log, _LOG_KEPT_BYTES, max(0, size - _LOG_KEPT_BYTES))
        own = str(self._code)  # in what the fault handler says
        lines = data.decode("utf-8", "replace").splitlines(keepends=True)
        return "".join(line for line in lines if own not in line)


def worker_environment(folder: str) -> dict[str, str]:
    """Return the variables of a worker: no secret of this process among them."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    threads = {f"{name}_NUM_THREADS": "1" for name in _ONE_THREAD}
    return {"PATH": os.defpath, **kept, **threads, "HOME": folder, "TMPDIR": folder}


def _log_file(folder: str) -> int:
    """Return a nameless file that is appended to."""
    import fcntl

    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("worker-log")
    else:
        descriptor, name = tempfile.mkstemp(dir=folder)
        Path(name).unlink()
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)
    return descriptor


def _failed(told: Mapping[str, Any], error: bytes) -> Failed:
    return Failed(
        cause=Cause.USER,
        exception=str(told["exception"]),
        traceback=str(told["traceback"]),
        bad_modules=tuple(told["bad_modules"]),
        index=told.get("index"),
        item=told.get("item"),
        error=error,
        logs=str(told["logs"]),
        warnings=tuple(told.get("warnings", ())),
    )


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
