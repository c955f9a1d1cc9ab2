"""The host of the services: one asyncio loop that they all share.

with ServiceHost(["fastscore"], data_dir=folder) as host:     # in a thread
    host.fastscore.url, host.fastscore.token

run_process(config, announce)                                 # as a process
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import secrets
import shutil
import signal
import ssl
import tempfile
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from pilothouse.errors import ServiceError

from .endpoints import Endpoint
from .locks import FileLock
from .registry import SERVICES, service_factory
from .serving import RunningService, ServiceConfig

__all__ = ["HostConfig", "ServiceHost", "run_process", "tls_context"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_RANDOM = object()
_STOP_SECONDS = 20.0
_START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class HostConfig:
    """What a host is started with.

    Attributes:
        services: Names of the services, in the order in which they start.
        data_dir: Each service has a folder of its name in it.
        host: Address to listen on.
        ports: Service -> port; a free one where it names none.
        tls: With it, every service speaks TLS.
        options: Service -> what only that one understands.
    """

    data_dir: Path
    services: Sequence[str] = tuple(SERVICES)
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class _Running:
    """The services of one host, on the running loop."""

    def __init__(self, config: HostConfig, token: str | object | None) -> None:
        self._config = config
        self._token = token
        self._locks: list[FileLock] = []
        self.services: dict[str, RunningService] = {}

    async def start(self) -> None:
        try:
            for name in self._config.services:
                self.services[name] = await self._start(name)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, name: str) -> RunningService:
        factory = service_factory(name)
        folder = self._config.data_dir / name
        lock = FileLock(folder / "in-use.lock")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            is_free = lock.acquire()
        except OSError as exc:
            raise ServiceError(f"cannot keep data in {str(folder)!r}: {exc}") from exc
        if not is_free:
            raise ServiceError(
                f"the data folder {str(folder)!r} is in use by another process",
                hint="pilothouse status shows it, pilothouse down ends it; "
                "or take another --data-dir",
            )
        self._locks.append(lock)
        token = secrets.token_urlsafe(32) if self._token is _RANDOM else self._token
        port = self._config.ports.get(name, 0)
        config = ServiceConfig(
            data_dir=folder,
            host=self._config.host,
            port=port,
            tls=self._config.tls,
            token=None if token is None else str(token),
            options=self._config.options.get(name, {}),
        )
        try:
            return await factory(config)
        except OSError as exc:
            where = f"{self._config.host}:{port}"
            raise ServiceError(f"{name} cannot start at {where}: {exc}") from exc

    async def stop(self) -> None:
        for name in reversed(list(self.services)):
            try:
                await self.services.pop(name).stop()
            except Exception:
                log.exception("%s did not end in order", name)
        for lock in self._locks:
            lock.release()
        self._locks.clear()

    def endpoints(self) -> dict[str, dict[str, str]]:
        return {name: dict(one.endpoint) for name, one in self.services.items()}


class ServiceHost:
    """The services in a thread of this process: for tests and for embedding.

    Args:
        services: Names of the services.
        data_dir: Where they keep their data; ``None`` for a folder that is removed
            at the end.
        host: Address to listen on.
        ports: Service -> port.
        tls: With it, every service speaks TLS.
        token: What callers must show; by default random, ``None`` for no check.
        options: Service -> what only that one understands.
    """

    def __init__(
        self,
        services: Sequence[str] = tuple(SERVICES),
        *,
        data_dir: Path | str | None = None,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        tls: ssl.SSLContext | None = None,
        token: str | object | None = _RANDOM,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._own_dir = data_dir is None
        folder = (
            tempfile.mkdtemp(prefix="pilothouse-") if data_dir is None else data_dir
        )
        self._config = HostConfig(
            services=tuple(services),
            data_dir=Path(folder),
            host=host,
            ports=ports or {},
            tls=tls,
            options=options or {},
        )
        self._token = token
        self._running: _Running | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.endpoints: dict[str, Endpoint] = {}

    @property
    def fastscore(self) -> Endpoint:
        """Where the FastScore suite listens."""
        return self.endpoints["fastscore"]

    @property
    def aimm(self) -> Endpoint:
        """Where the AIMM server listens."""
        return self.endpoints["aimm"]

    @property
    def fastmap(self) -> Endpoint:
        """Where the Fastmap service listens."""
        return self.endpoints["fastmap"]

    @property
    def mplane(self) -> Endpoint:
        """Where the mPlane component listens."""
        return self.endpoints["mplane"]

    @property
    def services(self) -> Mapping[str, RunningService]:
        """The running services; touch their state only through `run`."""
        return {} if self._running is None else self._running.services

    def start(self) -> Self:
        """Start the thread and every service in it.

        Raises:
            ServiceError: If a service does not start.
        """
        ready = threading.Event()
        failures: list[BaseException] = []
        self._thread = threading.Thread(
            target=self._main,
            args=(ready, failures),
            name="pilothouse-services",
            daemon=True,  # a host that nobody stopped does not keep the process
        )
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            raise ServiceError(f"the services did not start in {_START_SECONDS:g} s")
        if failures:
            self._thread.join()
            self._remove_own_dir()
            raise failures[0]
        return self

    def stop(self) -> None:
        """Stop every service and join the thread. May be called twice."""
        if self._thread is None or self._loop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)
        self._thread = None
        self._remove_own_dir()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """Run a coroutine on the services' loop and return what it returns."""
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("the host is not running")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _main(self, ready: threading.Event, failures: list[BaseException]) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._running = running = _Running(self._config, self._token)
            try:
                runner.run(running.start())
                self.endpoints = {
                    name: Endpoint(name, fields)
                    for name, fields in running.endpoints().items()
                }
            except BaseException as exc:
                failures.append(exc)
                return
            finally:
                ready.set()
            self._loop.run_forever()
            runner.run(running.stop())

    def _remove_own_dir(self) -> None:
        if self._own_dir:
            shutil.rmtree(self._config.data_dir, ignore_errors=True)


def run_process(
    config: HostConfig, announce: Callable[[dict[str, dict[str, str]]], None]
) -> None:
    """Run the services in this process until SIGTERM, SIGINT or SIGHUP.

    Args:
        config: What to start.
        announce: Called once, with the endpoints, when all are healthy.

    Raises:
        ServiceError: If a service does not start.
    """
    asyncio.run(_run_process(config, announce))


async def _run_process(
    config: HostConfig, announce: Callable[[dict[str, dict[str, str]]], None]
) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    running = _Running(config, _RANDOM)
    await running.start()
    try:
        if not ending.is_set():
            announce(running.endpoints())
            gc.freeze()  # what is here now stays: no need to look at it again
            gc.enable()
        await ending.wait()
    finally:
        try:
            await asyncio.wait_for(running.stop(), _STOP_SECONDS)
        except TimeoutError:
            log.error("the services did not end within %g s", _STOP_SECONDS)  # noqa: TRY400


def tls_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """Return a server's TLS context.

    Raises:
        ServiceError: If certificate or key cannot be read.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as exc:
        raise ServiceError(f"the TLS certificate or key is no good: {exc}") from exc
    return context
