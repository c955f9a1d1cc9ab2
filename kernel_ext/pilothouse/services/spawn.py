"""Starts the services as a process of its own, finds it again, stops it.

    up      -> the running process that has what is wanted, or a new one
    status  -> all running ones
    down    -> ends them

A started process has a session of its own: it outlives the kernel that started it, and
the next notebook finds it. Two that start at once end up with one process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pilothouse.errors import ServiceError

from .endpoints import Endpoint
from .launching import (
    TAIL_LINES,
    fastmap_words,
    is_unreaped,
    launch,
    reap,
    tail_of,
    words_of,
)
from .locks import FileLock
from .registry import SERVICES
from .runtime_files import Record, find_records, runtime_dir
from .systems import need_unix

__all__ = ["Local", "default_data_dir", "down", "status", "up"]

_STOP_SECONDS = 30.0
_HEALTH_SECONDS = 20.0
_LOOK_SECONDS = 0.01


class Local:
    """The local services: one running process.

    Attributes:
        is_new: Whether this call started it; else it was found running.
    """

    def __init__(self, record: Record, *, is_new: bool) -> None:
        self._record = record
        self.is_new = is_new

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._record.pid

    @property
    def data_dir(self) -> Path:
        """Where it keeps its data."""
        return Path(self._record.data_dir)

    @property
    def log(self) -> Path | None:
        """Its log file; ``None`` when it runs in a terminal."""
        return Path(self._record.log) if self._record.log else None

    @property
    def services(self) -> dict[str, Endpoint]:
        """Service -> endpoint."""
        return self._record.endpoints

    @property
    def fastscore(self) -> Endpoint:
        """The FastScore suite: ``url`` and ``token``.

        Raises:
            ServiceError: If that service was not started.
        """
        return self._endpoint("fastscore")

    @property
    def aimm(self) -> Endpoint:
        """The AIMM server: ``url``, ``username`` and ``password``.

        Raises:
            ServiceError: If that service was not started.
        """
        return self._endpoint("aimm")

    @property
    def fastmap(self) -> Endpoint:
        """The Fastmap service: ``url`` and ``secret``.

        Raises:
            ServiceError: If that service was not started.
        """
        return self._endpoint("fastmap")

    @property
    def mplane(self) -> Endpoint:
        """The mPlane component: ``url``; who reaches it may measure.

        Raises:
            ServiceError: If that service was not started.
        """
        return self._endpoint("mplane")

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        reap()
        return self._record.is_alive

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines of its log."""
        return "" if self.log is None else tail_of(self.log, lines)

    def announcement(self) -> dict[str, Any]:
        """Return what ``pilothouse up --json`` prints, secrets included."""
        return self._record.announcement()

    def down(self, timeout: float = _STOP_SECONDS) -> None:
        """End the process in order. May be called twice.

        Raises:
            ServiceError: If it had to be killed.
        """
        _end(self._record, timeout)

    def _endpoint(self, name: str) -> Endpoint:
        found = self.services.get(name)
        if found is None:
            raise ServiceError(
                f"the local services run without {name}",
                hint=f"pilothouse down, then pilothouse up --service {name}",
            )
        return found

    def __repr__(self) -> str:
        where = ", ".join(f"{name} {one.url}" for name, one in self.services.items())
        return f"<Local services, pid {self.pid}: {where}>"

    def _repr_html_(self) -> str:
        left = "style='text-align:left;white-space:nowrap'"
        rows = "".join(
            f"<tr><th scope='row' {left}>{escape(name)}</th>"
            f"<td {left}>{escape(one.url)}</td></tr>"
            for name, one in self.services.items()
        )
        caption = f"<caption {left}>local services, process {self.pid}</caption>"
        return f"<table>{caption}<tbody>{rows}</tbody></table>"


def default_data_dir() -> Path:
    """Return the folder where services keep their data unless told otherwise."""
    import platformdirs

    return Path(platformdirs.user_data_dir("pilothouse", appauthor=False))


def up(
    services: Sequence[str] | None = None,
    *,
    data_dir: Path | str | None = None,
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    tls_cert: Path | str | None = None,
    tls_key: Path | str | None = None,
    allow_exec: bool = False,
    workers: int | None = None,
    dask: str | None = None,
    timeout: float = 30.0,
) -> Local:
    """Return the local services: those that run already, or new ones.

    Args:
        services: What is wanted; all by default.
        data_dir: Where they keep their data. A process with another folder does not
            count as running then.
        host: Address that new ones listen on.
        ports: Service -> port of new ones; free ones by default.
        tls_cert: Certificate of new ones, which then speak TLS.
        tls_key: Its key.
        allow_exec: Whether streams of new ones may run programs.
        workers: Batches that a new fastmap runs at a time; one for each core by
            default.
        dask: Address of the Dask scheduler that a new fastmap gives its batches to,
            or ``"local"`` for a cluster on this machine.
        timeout: Longest wait, in seconds.

    Raises:
        ServiceError: If they did not start; the message holds the end of their log. If
            they run already, with other ports, workers or without that Dask.
    """
    need_unix()
    wanted = tuple(services or SERVICES)
    for name in wanted:
        if name not in SERVICES:
            raise ServiceError(
                f"there is no service {name!r}", hint=f"known are {', '.join(SERVICES)}"
            )
    folder = None if data_dir is None else Path(data_dir).absolute()
    runtime_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(runtime_dir() / "pilothouse-start.lock")
    lock.wait(timeout)
    try:
        found = _running(wanted, folder)
        if found is not None:
            _check_choices(found, ports or {}, workers, dask)
            return Local(found, is_new=False)
        words = words_of(wanted, host, ports or {}, tls_cert, tls_key, allow_exec)
        words += fastmap_words(workers, dask)
        record = launch(words, folder or default_data_dir(), timeout)
        return Local(record, is_new=True)
    finally:
        lock.release()


def status() -> list[Local]:
    """Return all running ones, the youngest first."""
    reap()
    return [Local(record, is_new=False) for record in find_records()]


def down(
    *, data_dir: Path | str | None = None, timeout: float = _STOP_SECONDS
) -> list[int]:
    """End the running ones in order, and return their process ids.

    Args:
        data_dir: Only the one that keeps its data there.
        timeout: Longest wait for each, in seconds.

    Raises:
        ServiceError: If one had to be killed.
    """
    ended = []
    for local in status():
        if data_dir is None or _is_same(local.data_dir, Path(data_dir)):
            local.down(timeout)
            ended.append(local.pid)
    return ended


def _running(wanted: Sequence[str], folder: Path | None) -> Record | None:
    """Return a running one that has all that is wanted, or ``None``."""
    reap()
    fitting = [
        record
        for record in find_records()
        if set(wanted) <= set(record.services)
        and (folder is None or _is_same(Path(record.data_dir), folder))
    ]
    usual = [r for r in fitting if _is_same(Path(r.data_dir), default_data_dir())]
    for record in usual or fitting:
        _check_answers(record)
        return record
    return None


def _check_choices(
    record: Record, ports: Mapping[str, int], workers: int | None, dask: str | None
) -> None:
    """Make sure that what runs is what was asked for; it cannot be changed any more."""
    from urllib.parse import urlsplit

    chosen: dict[str, tuple[str, str, int | str]] = {
        f"--port {name}={n}": (name, "port", n) for name, n in ports.items()
    }
    if workers is not None:
        chosen[f"--workers {workers}"] = ("fastmap", "workers", workers)
    if dask is not None:
        chosen[f"--dask {dask}"] = ("fastmap", "dask", dask)
    for words, (service, key, value) in chosen.items():
        endpoint = record.endpoints.get(service)
        fields = {} if endpoint is None else endpoint.to_dict()
        fields["port"] = str(urlsplit(fields.get("url", "")).port)
        if fields.get(key) != str(value):
            raise ServiceError(
                f"process {record.pid} runs the local services without {words}",
                hint="pilothouse down ends it; with another data folder both can run",
            )


def _check_answers(record: Record) -> None:
    """Make sure that a process that runs also answers; any HTTP answer will do."""
    import http.client
    import ssl
    from urllib.parse import urlsplit

    for name, endpoint in record.endpoints.items():
        parts = urlsplit(endpoint.url)
        host, port = parts.hostname or "", parts.port
        connection = http.client.HTTPConnection(host, port, timeout=_HEALTH_SECONDS)
        if parts.scheme in ("https", "wss"):  # our own process: the pid was checked
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(
                host, port, timeout=_HEALTH_SECONDS, context=context
            )
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as exc:
            raise ServiceError(
                f"{name} of process {record.pid} does not answer: {exc}",
                hint="pilothouse down, then try again",
            ) from exc
        finally:
            connection.close()


def _end(record: Record, timeout: float) -> None:
    """Ask a process to end, wait for it, kill it if it does not."""
    import psutil

    if not record.is_alive:
        record.remove()
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
    if _wait(record, timeout):
        record.remove()
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in (p := psutil.Process(record.pid)).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        p.kill()
    _wait(record, 5.0)
    record.remove()
    raise ServiceError(
        f"process {record.pid} did not end within {timeout:g} s and was killed",
        hint="what it had acknowledged is saved",
    )


def _wait(record: Record, timeout: float) -> bool:
    """Wait for the end of a process; a zombie of somebody else's has ended too."""
    deadline = time.monotonic() + timeout
    while record.is_alive or is_unreaped(record.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _is_same(first: Path, second: Path) -> bool:
    return first.absolute() == second.absolute() or (
        first.exists() and second.exists() and first.samefile(second)
    )
