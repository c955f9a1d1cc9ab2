"""What the operations of both API versions share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from aiohttp import web

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.disposition import parse_header
from pilothouse.services.web import (
    Refusal,
    Request,
    empty_answer,
    query_bool,
    read_json,
    whole_number,
)

from .machine import NotNowError
from .roundtrip import RejectedError
from .streams import AttachedStream, open_descriptor

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["attach", "bound", "opened", "slot_of"]

MAX_SLOT = 10_000

Operation = Callable[["Engine", Request], Awaitable[web.StreamResponse]]


def bound(
    engine: Engine, operation: Operation
) -> Callable[[Request], Awaitable[web.StreamResponse]]:
    """Return a handler; what the engine refuses becomes status and text."""

    @wraps(operation)
    async def handler(request: Request) -> web.StreamResponse:
        try:
            return await operation(engine, request)
        except NotNowError as exc:
            raise Refusal(exc.status, str(exc)) from exc
        except RejectedError as exc:
            raise Refusal(400, str(exc)) from exc

    return handler


def slot_of(request: Request, key: str = "slot", default: int | None = None) -> int:
    """Return a slot number of the path.

    Raises:
        Refusal: 400 if it is none.
    """
    word = request.match_info.get(key)
    if word is None and default is not None:
        return default
    return whole_number(word or "", key, minimum=0, maximum=MAX_SLOT)


async def opened(engine: Engine, request: Request, slot: int) -> AttachedStream:
    """Return the stream that the body describes; nothing is opened.

    Raises:
        ProtocolError: If the descriptor is wrong.
        Refusal: If the body is no JSON.
    """
    external: Any = await read_json(request, empty={})
    if not isinstance(external, dict):
        raise ProtocolError("a stream descriptor is a JSON object")
    return await open_descriptor(
        external, slot, _name_of(request), engine.suite.store, engine.secrets_dir
    )


async def attach(engine: Engine, request: Request, slot: int) -> web.StreamResponse:
    """Attach the stream of the body to a slot, or (dry run) say what it would be."""
    from pilothouse.services.web import json_answer

    from .transports.opening import check_supported

    attached = await opened(engine, request, slot)
    if query_bool(request, "dry-run"):
        check_supported(attached.stream, allow_exec=engine.options.allow_exec)
        return json_answer(attached.stream.internal())
    await asyncio.shield(engine.flow.attach(attached))
    return empty_answer()


def _name_of(request: Request) -> str:
    given = request.headers.get("Content-Disposition", "")
    return parse_header(given)[1].get("name", "") or "noname"
