"""A process of services from its start until it has told its endpoints."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from pilothouse.errors import ServiceError

from .runtime_files import Record, find_records

__all__ = [
    "TAIL_LINES",
    "fastmap_words",
    "is_unreaped",
    "launch",
    "reap",
    "tail_of",
    "words_of",
]

TAIL_LINES = 15
"""Lines of a log that an error shows."""

_MAX_LOG_BYTES = 5 * 1024 * 1024
_MAX_LINE_BYTES = 1024 * 1024

_children: set[int] = set()
"""Ids of processes started here: they are reaped when they have ended."""


def words_of(
    services: Sequence[str],
    host: str,
    ports: Mapping[str, int],
    tls_cert: Path | str | None,
    tls_key: Path | str | None,
    allow_exec: bool,
) -> list[str]:
    """Return the words of ``pilothouse up`` for some choices."""
    words = [word for name in services for word in ("--service", name)]
    words += ["--host", host]
    words += [w for name, n in ports.items() for w in ("--port", f"{name}={n}")]
    if tls_cert is not None:
        words += ["--tls-cert", str(Path(tls_cert).absolute())]
    if tls_key is not None:
        words += ["--tls-key", str(Path(tls_key).absolute())]
    return [*words, "--allow-exec"] if allow_exec else words


def fastmap_words(workers: int | None, dask: str | None) -> list[str]:
    """Return the words of ``pilothouse up`` for fastmap's workers."""
    words = [] if workers is None else ["--workers", str(workers)]
    return words if dask is None else [*words, "--dask", dask]


def launch(words: Sequence[str], folder: Path, timeout: float) -> Record:
    """Start a process and wait until it has told its endpoints."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / "services.log"
    command = [sys.executable, "-P", "-m", "pilothouse", "up", "--json", *words]
    command += ["--data-dir", str(folder), "--log-name", str(log)]
    with _open_log(log) as errors:
        begin = errors.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as output:
        line = _read_line(output, time.monotonic() + timeout)
    if line:
        with contextlib.suppress(ValueError):
            json.loads(line)
            for record in find_records():
                if record.pid == process.pid:
                    _let_go(process)
                    return record
    _give_up(process)
    tail = tail_of(log, TAIL_LINES, begin)
    what = "did not get ready" if line is None else "did not start"
    raise ServiceError(
        f"the local services {what}\n{tail}".rstrip(), hint=f"the log is {log}"
    )


def _read_line(output: IO[bytes], deadline: float) -> bytes | None:
    """Return the first line; empty at the end of file, ``None`` at the deadline."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _MAX_LINE_BYTES:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([output], [], [], left)[0]:
            return None
        piece = os.read(output.fileno(), 65536)
        if not piece:
            return b""
        line += piece
    return line


def _give_up(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Leave a process to itself; subprocess would warn at exit that it still runs."""
    _children.add(process.pid)
    process.returncode = 0


def _open_log(log: Path) -> IO[bytes]:
    """Open a log to append to; a long one is put aside first."""
    if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
        log.rename(log.with_suffix(".log.1"))
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    file = os.fdopen(handle, "ab")
    file.seek(0, os.SEEK_END)
    return file


def tail_of(log: Path, lines: int, begin: int = 0) -> str:
    """Return the last lines of a log, none from before byte `begin`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begin, size - 65536))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def is_unreaped(pid: int) -> bool:
    """Whether a process was started here and is not over; its threads count, too."""
    reap()
    return pid in _children


def reap() -> None:
    """Let the operating system forget the processes started here that have ended."""
    for pid in tuple(_children):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _children.discard(pid)
