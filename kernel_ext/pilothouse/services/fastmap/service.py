"""The Fastmap service of the host: what it is made of, its start and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from pilothouse.errors import ServiceError
from pilothouse.fastmap.wire import token as tokens
from pilothouse.services.serving import HttpListener, ServiceConfig

from .accounts import Accounts
from .backend import Backend
from .book import Book
from .calls import Door, refusal_of
from .crew import Crew
from .endpoints import Endpoints
from .functions import Functions
from .kept import Keeper
from .options import FastmapOptions
from .uploads import Uploads

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

__all__ = ["FastmapService", "start_fastmap"]

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 5.0
_END_SECONDS = 5.0
_STORE_SWEEP_SECONDS = 600.0


class FastmapService:
    """Functions, runs and workers behind one listener.

    Attributes:
        book: The runs; for tests.
        backend: What runs batches; for tests.
        accounts: The tokens; for tests.
        functions: What is stored; for tests.
    """

    def __init__(
        self, folder: Path, secrets: list[str], options: FastmapOptions
    ) -> None:
        self._secret = secrets[0]
        self._options = options
        self._listener: HttpListener | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self.functions = Functions(folder / "functions", options)
        self._uploads = Uploads(folder / "uploads", self.functions, options)
        self._keeper = Keeper(folder / "kept", options.kept_bytes)
        self.backend = _backend(folder / "workers", self.functions, options)
        self.book = Book(self.backend, self._keeper, options)
        self.accounts = _accounts(secrets, options)
        endpoints = Endpoints(
            self.functions, self._uploads, self.book, self.backend, options
        )
        self._door = Door(self.accounts, endpoints.by_name, options)

    @property
    def endpoint(self) -> dict[str, str]:
        """The address, the secret of this start, and which workers were chosen."""
        assert self._listener is not None
        found = {"url": self._listener.url, "secret": self._secret}
        chosen = {"workers": self._options.workers, "dask": self._options.dask}
        return {**found, **{name: str(one) for name, one in chosen.items() if one}}

    async def start(self, config: ServiceConfig) -> None:
        """Listen.

        Raises:
            ServiceError: If the workers cannot be had.
            OSError: If the address cannot be had.
        """
        await self.backend.start()
        self._listener = HttpListener(
            config, server=_Server, stopping=lambda: refusal_of(503)
        )
        await self._listener.open(self._door.handle)
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def stop(self) -> None:
        """Refuse new calls, end the runs, let the last answers go out, close."""
        if self._listener is not None:
            self._listener.refuse_new()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self.book.stop()
        await self.book.dispatcher.stop(_END_SECONDS)
        await self.backend.stop()
        if self._listener is not None:
            await self._listener.close()
        self._keeper.close()

    async def _sweep(self) -> None:
        """End what was forgotten, now and then."""
        shortest = min(self._options.idle_seconds, self._options.kept_seconds)
        pause = min(_SWEEP_SECONDS, max(0.05, shortest / 4))
        store_due = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self.book.sweep()
                self._uploads.forget_old()
                if isinstance(self.backend, Crew):
                    self.backend.forget_idle()
                if loop.time() > store_due:
                    store_due = loop.time() + _STORE_SWEEP_SECONDS
                    await asyncio.to_thread(self.functions.forget_old)
            except Exception:
                log.exception("the sweep failed")
            await asyncio.sleep(pause)


class _Protocol(RequestHandler):
    """Answers what is no HTTP request in MessagePack too."""

    __slots__ = ()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a broken request; it closes the connection."""
        super().handle_error(request, status, exc, message)  # logs it
        return refusal_of(status)


class _Server(web.Server):
    """Makes such protocols; bodies are taken as they came, never unpacked here."""

    def __call__(self) -> RequestHandler:
        options = {**self._kwargs, "auto_decompress": False}
        return _Protocol(self, loop=self._loop, **options)


def _backend(folder: Path, functions: Functions, options: FastmapOptions) -> Backend:
    if options.dask:
        from .cluster import Cluster

        return Cluster(functions, options)
    return Crew(folder, functions, options)


def _secrets(config: ServiceConfig, options: FastmapOptions) -> list[str]:
    """Return the token of this start, and further ones.

    Raises:
        ServiceError: If one is no token, or its file cannot be read.
    """
    secret = options.secret or _given(config)
    if options.secret_file:
        try:
            secret = Path(options.secret_file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as exc:
            name = options.secret_file
            raise ServiceError(f"the secret file {name!r} cannot be read") from exc
    return [secret or tokens.new_token(), *options.more_secrets]


def _accounts(secrets: list[str], options: FastmapOptions) -> Accounts:
    try:
        return Accounts(secrets, options)
    except ValueError as exc:  # without the value
        raise ServiceError(str(exc)) from None


def _given(config: ServiceConfig) -> str:
    """Return the host's token if it is one of Fastmap's."""
    try:
        tokens.split(config.token)
    except ValueError:
        return ""
    return config.token or ""


async def start_fastmap(config: ServiceConfig) -> FastmapService:
    """Start a service.

    Options: the attributes of `FastmapOptions`.

    Raises:
        ServiceError: If an option is wrong, or the workers cannot be had.
        OSError: If the address cannot be had.
    """
    options = FastmapOptions(**config.options)
    service = FastmapService(config.data_dir, _secrets(config, options), options)
    try:
        await service.start(config)
    except BaseException:
        await service.stop()
        raise
    return service
