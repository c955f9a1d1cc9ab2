"""API version 2 of an engine (contract §2.6)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from pilothouse.errors import NotFoundError
from pilothouse.fastscore.wire.messages import ActiveModel
from pilothouse.fastscore.wire.mime import BYTES_MIME, JSON_MIME
from pilothouse.services.web import (
    Param,
    Refusal,
    Request,
    Route,
    empty_answer,
    json_answer,
    query_int,
    read_body,
    read_json,
    whole_number,
)

from .answering import attach, bound, slot_of

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["routes"]

ROUNDTRIP_MS = 5000
MAX_ROUNDTRIP_MS = 24 * 3600 * 1000
_REFUSED = "Refused, the text says why"


def routes(engine: Engine) -> list[Route]:
    """Return the operations."""
    return [
        *_engine_routes(engine),
        *_model_routes(engine),
        *_stream_routes(engine),
        *_schema_routes(engine),
    ]


def _engine_routes(engine: Engine) -> list[Route]:
    done = {204: "Done", 400: "Not now"}
    return [
        Route("GET", "/2/engine/state", bound(engine, _state), "What it is doing.",
              {200: "State"}, (), "", JSON_MIME),
        Route("POST", "/2/engine/pause", bound(engine, _pause), "Pause.", done),
        Route("POST", "/2/engine/unpause", bound(engine, _unpause), "Unpause.", done),
        Route("POST", "/2/engine/reset", bound(engine, _reset), "Reset.", done),
    ]  # fmt: skip


def _model_routes(engine: Engine) -> list[Route]:
    timeout = (Param("timeout", "integer", "Milliseconds"),)
    return [
        Route("GET", "/2/active/model", bound(engine, _active_model), "The model.",
              {200: "ActiveModelInfo", 404: "Not loaded"}, (), "", JSON_MIME),
        Route("DELETE", "/2/active/model", bound(engine, _unload), "Unload the model.",
              {204: "Unloaded", 400: "Not now", 404: "Not loaded"}),
        Route("POST", "/2/active/model/scale", bound(engine, _scale),
              "How many jets there are.", {204: "Scaled", 400: _REFUSED}, (),
              JSON_MIME),
        Route("POST", "/2/active/model/roundtrip/{in}/{out}",
              bound(engine, _roundtrip), "Score one record.",
              {200: "Output", 204: "No output", 400: "Rejected, or not now",
               403: "No REST stream", 504: "No answer in time"},
              timeout, BYTES_MIME, BYTES_MIME),
    ]  # fmt: skip


def _stream_routes(engine: Engine) -> list[Route]:
    dry_run = (Param("dry-run", "boolean", "Only say what the stream would be"),)
    return [
        Route("GET", "/2/active/stream", bound(engine, _streams), "Attached streams.",
              {200: "[ActiveStreamInfo]"}, (), "", JSON_MIME),
        Route("PUT", "/2/active/stream/{slot}", bound(engine, _attach),
              "Attach a stream.", {200: "Descriptor", 204: "Attached", 400: _REFUSED},
              dry_run, JSON_MIME, JSON_MIME),
        Route("DELETE", "/2/active/stream/{slot}", bound(engine, _detach),
              "Detach a stream.", {204: "Detached", 400: "Not now", 404: "No stream"}),
    ]  # fmt: skip


def _schema_routes(engine: Engine) -> list[Route]:
    return [
        Route("POST", "/2/active/schema/verify", bound(engine, _verify_schema),
              "Compile a schema.", {200: "{id}", 400: _REFUSED}, (), JSON_MIME,
              JSON_MIME),
        Route("POST", "/2/active/schema/verify/{sid}", bound(engine, _verify_data),
              "Check a record.", {204: "Valid", 400: _REFUSED, 404: "Unknown id"}, (),
              JSON_MIME),
        Route("DELETE", "/2/active/schema/verify/{sid}", bound(engine, _unverify),
              "Forget a schema.", {204: "Forgotten"}),
    ]  # fmt: skip


async def _state(engine: Engine, _request: Request) -> web.StreamResponse:
    return json_answer(engine.flow.machine.state.to_wire())


async def _pause(engine: Engine, _request: Request) -> web.StreamResponse:
    engine.flow.pause()
    return empty_answer()


async def _unpause(engine: Engine, _request: Request) -> web.StreamResponse:
    engine.flow.unpause()
    return empty_answer()


async def _reset(engine: Engine, _request: Request) -> web.StreamResponse:
    await asyncio.shield(engine.flow.reset())
    return empty_answer()


async def _active_model(engine: Engine, _request: Request) -> web.StreamResponse:
    model = engine.flow.model
    if model is None:
        raise NotFoundError("no model is loaded")
    info = ActiveModel(
        name=model.name,
        mtype=model.mtype,
        source=model.source,
        slots=model.slots,
        attachments=tuple(archive.name for archive in model.archives),
        snapshots=model.options.snapshots,
        jets=engine.flow.pool.infos,
    )
    return json_answer(info.to_wire())


async def _unload(engine: Engine, _request: Request) -> web.StreamResponse:
    await asyncio.shield(engine.flow.unload())
    return empty_answer()


async def _scale(engine: Engine, request: Request) -> web.StreamResponse:
    count: Any = await read_json(request, empty=0)
    if type(count) is not int or count < 0:
        raise Refusal(400, "the number of jets is an integer, zero or more")
    await asyncio.shield(engine.flow.scale(count))
    return empty_answer()


async def _roundtrip(engine: Engine, request: Request) -> web.StreamResponse:
    given, wanted = slot_of(request, "in"), slot_of(request, "out")
    limit = query_int(request, "timeout", default=0, maximum=MAX_ROUNDTRIP_MS)
    milliseconds = limit or ROUNDTRIP_MS
    body = await read_body(request)
    call = engine.flow.roundtrip(body, given, wanted)
    try:
        async with asyncio.timeout(milliseconds / 1000):
            data = await call.answer
    except TimeoutError as exc:
        raise Refusal(504, f"no answer within {milliseconds} ms") from exc
    if data is None:
        return empty_answer()
    return web.Response(body=data, content_type=BYTES_MIME)


async def _streams(engine: Engine, _request: Request) -> web.StreamResponse:
    streams = engine.flow.streams
    return json_answer([streams[slot].info.to_wire() for slot in sorted(streams)])


async def _attach(engine: Engine, request: Request) -> web.StreamResponse:
    return await attach(engine, request, slot_of(request))


async def _detach(engine: Engine, request: Request) -> web.StreamResponse:
    await asyncio.shield(engine.flow.detach(slot_of(request)))
    return empty_answer()


async def _verify_schema(engine: Engine, request: Request) -> web.StreamResponse:
    json = await read_json(request, empty={})
    return json_answer({"id": await asyncio.to_thread(engine.verifier.verify, json)})


async def _verify_data(engine: Engine, request: Request) -> web.StreamResponse:
    body: Any = await read_json(request)
    if not isinstance(body, dict) or "data" not in body:
        raise Refusal(400, 'the body must be {"data": <record>}')
    engine.verifier.check(_schema_id(request), body["data"])
    return empty_answer()


async def _unverify(engine: Engine, request: Request) -> web.StreamResponse:
    engine.verifier.forget(_schema_id(request))
    return empty_answer()


def _schema_id(request: Request) -> int:
    word = request.match_info["sid"]
    return whole_number(word, "schema id", minimum=0, maximum=2**31 - 1)
