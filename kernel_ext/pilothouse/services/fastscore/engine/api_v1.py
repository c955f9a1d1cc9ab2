"""API version 1 of an engine (contract §2.5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psutil
from aiohttp import web

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire import mime
from pilothouse.fastscore.wire.load import parse_load
from pilothouse.services.web import (
    MAX_BODY_BYTES,
    Param,
    Refusal,
    Request,
    Route,
    empty_answer,
    json_answer,
    query_bool,
    query_int,
    read_body,
    text_answer,
)

from .answering import attach, bound, opened, slot_of
from .loading import prepare
from .machine import NotNowError, Operation
from .sampling import measure_rate, take_sample

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["routes"]

HOLD_SECONDS = 0.5
"""How long a GET of output waits before it answers 202."""

MAX_LOAD_BYTES = 256 * 1024 * 1024
MAX_SAMPLE = 10_000
MAX_CPU_SECONDS = 60
MAX_JOB_CHARACTERS = 64
_BYTES = mime.BYTES_MIME
_JSON = mime.JSON_MIME
_REFUSED = "Refused, the text says why"


def routes(engine: Engine) -> list[Route]:
    """Return the operations."""
    return [*_job_routes(engine), *_stream_routes(engine), *_other_routes(engine)]


def _job_routes(engine: Engine) -> list[Route]:
    none = {204: "Accepted", 403: "No REST stream at this slot"}
    data = {
        200: "Data",
        202: "Nothing yet",
        204: "End of stream",
        403: "No REST stream",
    }
    load = bound(engine, _load)
    take, give = bound(engine, _input), bound(engine, _output)
    dry_run = (Param("dry-run", "boolean", "Only check"),)
    return [
        Route("PUT", "/1/job/model", load, "Load a model, or check one.",
              {200: "VerifyInfo", 204: "Loaded", 400: _REFUSED}, dry_run, "*/*", _JSON),
        Route("DELETE", "/1/job/model", bound(engine, _unload), "Unload the model.",
              {204: "Unloaded", 400: "Not now", 404: "No model"}),
        Route("POST", "/1/job/input/{slot}", take, "Give input.", none, (), _BYTES),
        Route("POST", "/1/job/input", take, "Give input to slot 0.", none, (), _BYTES),
        Route("DELETE", "/1/job/input/{slot}", bound(engine, _drop_input),
              "Forget input that waits.",
              {200: "{dropped}", 403: "No REST stream", 409: "The job has no claim"},
              (Param("job"),), "", _JSON),
        Route("GET", "/1/job/output/{slot}", give, "Fetch output.", data,
              (Param("job"), Param("at", "integer")), "", _BYTES),
        Route("GET", "/1/job/output", give, "Fetch output of slot 1.", data, (), "",
              _BYTES),
        Route("PUT", "/1/job/output/{slot}/claim", bound(engine, _claim),
              "Claim the outputs of a slot for one job.",
              {204: "Claimed", 403: "No REST stream", 409: "Another job has them"},
              (Param("job"), Param("after"))),
        Route("GET", "/1/job/output/{slot}/claim", bound(engine, _last_claim),
              "Who claimed the outputs last.",
              {200: "{job, is_live}", 403: "No REST stream"}, (), "", _JSON),
        Route("DELETE", "/1/job/output/{slot}/claim", bound(engine, _release),
              "Give a claim back.", {204: "Given back"}, (Param("job"),)),
        Route("DELETE", "/1/job", bound(engine, _reset), "Reset.", {204: "Reset"}),
        Route("POST", "/1/job/scale", bound(engine, _scale), "Scale (old form).",
              {204: "Scaled", 403: "Not now"}, (Param("n", "integer"),)),
        Route("GET", "/1/job/status", bound(engine, _status), "What is going on.",
              {200: "ManifoldInfo"}, (Param("return"),), "", _JSON),
        Route("POST", "/1/job/sample/cpu", bound(engine, _sample_cpu),
              "Measure the processor time of jets.",
              {200: "CpuUsageInfo", 403: "No jets"}, (Param("duration", "integer"),),
              "", _JSON),
        Route("PUT", "/1/job/state", bound(engine, _restore), "Restore a state.",
              {204: "Restored", 403: "Corrupted, or not now"}, (), _BYTES),
    ]  # fmt: skip


def _stream_routes(engine: Engine) -> list[Route]:
    answers = {204: "Attached", 400: _REFUSED}
    handler = bound(engine, _attach_v1)
    old = "Attach a stream (old form)."
    paths = ("/1/job/stream/in", "/1/job/stream/out", "/1/job/stream/{slot}")
    return [
        *(Route("PUT", path, handler, old, answers, (), _JSON) for path in paths),
        Route("POST", "/1/stream/sample", bound(engine, _sample), "Sample a stream.",
              {200: "[base64]", 400: _REFUSED}, (Param("n", "integer"),), _JSON, _JSON),
        Route("POST", "/1/stream/rate", bound(engine, _rate), "How fast a stream is.",
              {200: "[{rps, mbps}]", 400: "Bad or too short"}, (), _JSON, _JSON),
    ]  # fmt: skip


def _other_routes(engine: Engine) -> list[Route]:
    return [
        Route("GET", "/1/policy", bound(engine, _get_policy), "An import policy.",
              {200: "Policy", 400: "Unknown type"}, (), "", "text/plain"),
        Route("PUT", "/1/policy", bound(engine, _put_policy), "Set an import policy.",
              {201: "Set", 204: "Replaced", 400: _REFUSED},
              (Param("preinstall", "boolean"),), "text/plain"),
        Route("GET", "/1/debug/output", bound(engine, _debug_output),
              "The last lines that models have printed.", {200: "[line]"}, (), "",
              _JSON),
    ]  # fmt: skip


async def _load(engine: Engine, request: Request) -> web.StreamResponse:
    dry_run = query_bool(request, "dry-run")
    body = await read_body(request, MAX_LOAD_BYTES)
    given = await asyncio.to_thread(
        parse_load,
        request.headers.get("Content-Type"),
        request.headers.get("Content-Disposition"),
        body,
    )
    if not dry_run:
        engine.flow.machine.check(Operation.LOAD)
    model = await prepare(given, engine.suite.store, engine.policies)
    if dry_run:
        return json_answer(model.verify_info.to_wire())
    await asyncio.shield(engine.flow.load(model))
    return empty_answer()


async def _unload(engine: Engine, _request: Request) -> web.StreamResponse:
    await asyncio.shield(engine.flow.unload())
    return empty_answer()


async def _input(engine: Engine, request: Request) -> web.StreamResponse:
    slot = slot_of(request, default=0)
    body = await read_body(request, MAX_BODY_BYTES)
    await engine.flow.input(slot, body)
    return empty_answer()


async def _output(engine: Engine, request: Request) -> web.StreamResponse:
    outlet = engine.flow.rest_outlet(slot_of(request, default=1))
    try:
        job = request.query.get("job", "")[:MAX_JOB_CHARACTERS]
        data = await outlet.get(HOLD_SECONDS, job, _place(request))
    except EOFError:
        return empty_answer()
    if data is None:
        return empty_answer(202)
    return web.Response(body=data, content_type=_BYTES)


def _place(request: Request) -> int:
    return query_int(request, "at", default=0, maximum=2**62) or 0


async def _drop_input(engine: Engine, request: Request) -> web.StreamResponse:
    dropped = engine.flow.drop_input(slot_of(request), _job_of(request))
    return json_answer({"dropped": dropped})


async def _last_claim(engine: Engine, request: Request) -> web.StreamResponse:
    slot = slot_of(request)
    engine.flow.rest_outlet(slot)
    job, is_live = engine.flow.claims.last(slot)
    return json_answer({"job": job, "is_live": is_live})


async def _claim(engine: Engine, request: Request) -> web.StreamResponse:
    slot = slot_of(request)
    engine.flow.rest_outlet(slot)
    after = request.query.get("after", "")
    engine.flow.claims.claim(slot, _job_of(request), after)
    return empty_answer()


async def _release(engine: Engine, request: Request) -> web.StreamResponse:
    engine.flow.claims.release(slot_of(request), _job_of(request))
    return empty_answer()


def _job_of(request: Request) -> str:
    job = request.query.get("job", "")
    if not 0 < len(job) <= MAX_JOB_CHARACTERS:
        raise Refusal(400, f"job must be 1 to {MAX_JOB_CHARACTERS} characters")
    return job


async def _reset(engine: Engine, _request: Request) -> web.StreamResponse:
    await asyncio.shield(engine.flow.reset())
    return empty_answer()


async def _scale(engine: Engine, request: Request) -> web.StreamResponse:
    count = query_int(request, "n", default=1)
    try:
        await asyncio.shield(engine.flow.scale(count or 0))
    except (NotNowError, ProtocolError) as exc:
        raise Refusal(403, str(exc)) from exc
    return empty_answer()


async def _status(engine: Engine, request: Request) -> web.StreamResponse:
    wanted = [word.strip() for word in request.query.get("return", "").split(",")]
    status = _manifold(engine)
    if any(wanted):
        unknown = [word for word in wanted if word and word not in status]
        if unknown:
            raise Refusal(400, f"no such field: {unknown[0][:40]!r}")
        status = {key: value for key, value in status.items() if key in wanted}
    return json_answer(status)


def _manifold(engine: Engine) -> dict[str, Any]:
    flow = engine.flow
    model = flow.model
    slots = {info.slot: info.to_wire() for info in (model.slots if model else ())}
    for slot in flow.streams:
        empty = {"slot": slot, "schema": None, "recordsets": False, "action": None}
        slots.setdefault(slot, empty)
    for slot, shown in slots.items():
        attached = flow.streams.get(slot)
        info = None if attached is None else attached.info
        shown["stream"] = info and {"descriptor": info.descriptor, "eof": info.eof}
    return {
        "model": model
        and {
            "name": model.name,
            "type": model.mtype,
            "source": model.source,
            "attachments": [archive.name for archive in model.archives],
        },
        "slots": [slots[slot] for slot in sorted(slots)],
        "jets": [
            {"pid": jet.pid, "sandbox": jet.sandbox, "busy": flow.is_busy(jet)}
            for jet in flow.pool.jets
        ],
        "snapshots": model.options.snapshots if model else "none",
        "state": flow.machine.state.wire,
    }


async def _sample_cpu(engine: Engine, request: Request) -> web.StreamResponse:
    seconds = query_int(
        request, "duration", default=1, minimum=1, maximum=MAX_CPU_SECONDS
    )
    jets = engine.flow.pool.jets
    if not jets:
        raise Refusal(403, "there are no jets")
    before = {jet.sandbox: _cpu_times(jet.pid) for jet in jets}
    await asyncio.sleep(seconds or 1)
    usage: list[dict[str, Any]] = []
    for jet in jets:
        now, then = _cpu_times(jet.pid), before[jet.sandbox]
        user, kernel = (
            100 * (b - a) / (seconds or 1) for a, b in zip(then, now, strict=True)
        )
        usage.append({"sandbox": jet.sandbox, "user": user, "kernel": kernel})
    total = {key: sum(jet[key] for jet in usage) for key in ("user", "kernel")}
    return json_answer({**total, "jets": usage})


def _cpu_times(pid: int) -> tuple[float, float]:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0, 0.0
    return times.user, times.system


async def _restore(engine: Engine, request: Request) -> web.StreamResponse:
    engine.flow.machine.check(Operation.RESTORE)
    blob = await read_body(request)
    try:
        engine.flow.restore(blob)
    except ProtocolError as exc:
        raise Refusal(403, exc.message) from exc
    return empty_answer()


async def _attach_v1(engine: Engine, request: Request) -> web.StreamResponse:
    named = {"in": 0, "out": 1}
    last = request.path.rstrip("/").rpartition("/")[2]
    slot = named[last] if last in named else slot_of(request)
    return await attach(engine, request, slot)


async def _sample(engine: Engine, request: Request) -> web.StreamResponse:
    count = query_int(request, "n", default=10, minimum=0, maximum=MAX_SAMPLE)
    attached = await opened(engine, request, 0)
    allow = engine.options.allow_exec
    return json_answer(await take_sample(attached, count or 0, allow_exec=allow))


async def _rate(engine: Engine, request: Request) -> web.StreamResponse:
    attached = await opened(engine, request, 0)
    info = await measure_rate(attached, allow_exec=engine.options.allow_exec)
    return json_answer([info.to_wire()])


async def _get_policy(engine: Engine, request: Request) -> web.StreamResponse:
    content_type = request.headers.get("Accept", "")
    return text_answer(
        engine.policies.text(_policy_type(content_type)),
        content_type=mime.bare(content_type),
    )


async def _put_policy(engine: Engine, request: Request) -> web.StreamResponse:
    mtype = _policy_type(request.headers.get("Content-Type", ""))
    body = await read_body(request, 1024 * 1024)
    preinstall = query_bool(request, "preinstall")
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise Refusal(400, "the policy is not UTF-8") from exc
    replaced = engine.policies.put(mtype, text, preinstall=preinstall)
    return empty_answer(204 if replaced else 201)


def _policy_type(content_type: str) -> str:
    try:
        return mime.policy_type_of(content_type)
    except ValueError as exc:
        raise Refusal(400, str(exc)[:200]) from exc


async def _debug_output(engine: Engine, _request: Request) -> web.StreamResponse:
    return json_answer(list(engine.flow.console))
