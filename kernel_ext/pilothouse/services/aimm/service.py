"""An AIMM server as a service of the host: listening, engine, end."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import logging.config
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from pilothouse.errors import ServiceError
from pilothouse.services.host import tls_context
from pilothouse.services.serving import HttpListener, ServiceConfig
from pilothouse.services.web import Request, text_answer

from .cell_plugins import CellPlugins
from .children import ChildDiedError, Children, PluginFailedError, Plugins
from .configuration import Configuration, ReplConfiguration
from .connection import Connection, Timing
from .control import Control, User
from .engine import Engine
from .store import Store

__all__ = ["AimmService", "start_aimm"]

log = logging.getLogger(__name__)

USERNAME: Final = "pilothouse"
_PATHS: Final = frozenset({"/", "/ws"})
_EXAMPLES: Final = Path(__file__).parent / "examples" / "plugins.py"
_MAX_CHILDREN: Final = 4


class AimmService:
    """A running server.

    Attributes:
        engine: For tests: its state may be looked at and changed.
    """

    def __init__(self, engine: Engine, password: str | None) -> None:
        self.engine = engine
        self._password = password
        self._listeners: list[HttpListener] = []
        self._connections: set[Connection] = set()

    @property
    def endpoint(self) -> dict[str, str]:
        """The first control's address, and the credentials of this start."""
        url = self._listeners[0].url.replace("http", "ws", 1) + "/ws"
        if self._password is None:
            return {"url": url}
        return {"url": url, "username": USERNAME, "password": self._password}

    async def listen(
        self,
        config: ServiceConfig,
        control: Control,
        timing: Timing,
    ) -> None:
        """Take connections for a control.

        Raises:
            OSError: If the address cannot be had.
        """
        listener = HttpListener(config)

        async def handle(request: Request) -> web.StreamResponse:
            return await self._handle(request, control, timing)

        await listener.open(handle)
        self._listeners.append(listener)

    async def stop(self) -> None:
        """Refuse new connections, cancel what runs, tell the clients, close."""
        for listener in self._listeners:
            listener.refuse_new()
        await self.engine.stop()
        await asyncio.gather(*(one.close() for one in list(self._connections)))
        for listener in self._listeners:
            await listener.close()

    async def _handle(
        self, request: Request, control: Control, timing: Timing
    ) -> web.StreamResponse:
        if request.path not in _PATHS:
            return text_answer(f"no AIMM control at {request.path}", 404)
        if not _is_same_origin(request):
            return text_answer("no connections from web pages of elsewhere", 403)
        if not web.WebSocketResponse().can_prepare(request):
            return text_answer("this is a websocket", 400)
        connection = Connection(control, timing)
        self._connections.add(connection)
        try:
            return await connection.serve(request)
        finally:
            self._connections.discard(connection)


async def start_aimm(config: ServiceConfig) -> AimmService:
    """Start a server: the one of a `Configuration`, or one with example plugins.

    Options: ``configuration``; else ``max_children``, ``sigterm_timeout``,
    ``plugin_files``, and what `Timing` has.

    Raises:
        ServiceError: If the database cannot be used or a plugin cannot be loaded.
        OSError: If an address cannot be had.
    """
    given = config.options.get("configuration")
    if isinstance(given, Configuration):
        return await _start_configured(config, given)
    return await _start_local(config)


async def _start_local(config: ServiceConfig) -> AimmService:
    options: Mapping[str, Any] = config.options
    password = config.token or ""
    cells = CellPlugins(config.data_dir / "plugins")
    files = [str(_EXAMPLES), *options.get("plugin_files", ())]
    plugins = Plugins(files=files, kept=cells.sources())
    children = Children(plugins, int(options.get("max_children", _MAX_CHILDREN)))
    engine = Engine(
        Store(config.data_dir / "instances.sqlite"),
        children,
        sigterm_timeout=float(options.get("sigterm_timeout", 2.0)),
        keep_plugin=cells.keep,
    )
    await engine.start()
    service = AimmService(engine, password)
    user = User(USERNAME, hashlib.sha256(password.encode()).hexdigest())
    control = Control(engine, [user], loads_plugins=True)
    times = ("autoflush_delay", "ping_delay", "ping_timeout")
    timing = Timing(**{name: options[name] for name in times if name in options})
    try:
        await service.listen(config, control, timing)
    except BaseException:
        await service.stop()
        raise
    return service


async def _start_configured(config: ServiceConfig, conf: Configuration) -> AimmService:
    if conf.log:
        try:
            logging.config.dictConfig({**conf.log, "disable_existing_loggers": False})
        except (ValueError, TypeError, AttributeError, ImportError) as exc:
            raise ServiceError(f"log: {exc}") from None
    children = Children(conf.plugins, conf.max_children)
    engine = Engine(
        Store(conf.database), children, sigterm_timeout=conf.sigterm_timeout
    )
    service = AimmService(engine, None)
    try:
        try:
            await children.warm()
        except PluginFailedError as exc:
            trace = exc.failure.get("traceback", "")
            raise ServiceError(
                f"the plugins cannot be loaded: {exc.message}\n{trace}".rstrip()
            ) from None
        except ChildDiedError as exc:
            raise ServiceError(f"the plugins cannot be loaded: {exc.message}") from None
        await engine.start()
        for i, one in enumerate(conf.controls):
            control = Control(engine, one.users, loads_plugins=False)
            place = _place(config, one, f"control[{i}].server.pem_file")
            await service.listen(place, control, one.timing)
    except BaseException:
        await service.stop()
        raise
    return service


def _place(
    config: ServiceConfig, control: ReplConfiguration, key: str
) -> ServiceConfig:
    tls: ssl.SSLContext | None = None
    if control.pem_file is not None:
        try:
            tls = tls_context(control.pem_file, None)
        except ServiceError as exc:
            raise ServiceError(f"{key} {control.pem_file}: {exc.message}") from None
    return replace(config, host=control.host, port=control.port, tls=tls or config.tls)


def _is_same_origin(request: Request) -> bool:
    """Tell whether a page of this server asks, or no page at all."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host", "")
