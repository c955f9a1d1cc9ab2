"""Connect: the fleet, the configuration, and Pneumo (contract §2.3, §5)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import WSCloseCode, web

from pilothouse.errors import NotFoundError
from pilothouse.fastscore.wire.messages import InstanceInfo
from pilothouse.fastscore.wire.values import JSON
from pilothouse.services.web import (
    Param,
    Refusal,
    Request,
    Route,
    empty_answer,
    json_answer,
    query_int,
    read_text,
    text_answer,
)

from .bus import HISTORY_LENGTH, Subscription
from .configuration import dump_yaml, find_section, parse_configuration
from .instance import Instance

__all__ = ["Connect"]

_JSON = "application/json"
_YAML = "application/x-yaml"
_CONFIG = "suite"
_FIELDS = ("id", "name", "api", "host", "port", "release", "built_on", "health")
_PING_SECONDS = 30.0
_MAX_CONFIG_BYTES = 256 * 1024
_MAX_PEER_MESSAGE = 64 * 1024


class Connect(Instance):
    """The instance that knows the others; it does not list itself."""

    api: ClassVar[str] = "connect"

    def routes(self) -> Sequence[Route]:
        """Return the common routes and Connect's own."""
        return [*super().routes(), *self._fleet_routes(), *self._pneumo_routes()]

    def _fleet_routes(self) -> list[Route]:
        filters = tuple(Param(name) for name in (*_FIELDS[1:], "return"))
        return [
            Route(
                "GET",
                "/1/connect",
                self._get_fleet,
                "The fleet, filtered.",
                {200: "[InstanceInfo]", 403: "Bad parameter"},
                filters,
                produces=_JSON,
            ),
            Route(
                "GET",
                "/1/config",
                self._get_config,
                "The configuration, or one section of it.",
                {200: "Configuration", 404: "Not set, or no such section"},
                (Param("q", summary="Name of a section"),),
                produces=_JSON,
            ),
            Route(
                "PUT",
                "/1/config",
                self._put_config,
                "Set the configuration.",
                {201: "Set", 204: "Replaced", 400: "Malformed"},
                consumes=_YAML,
            ),
        ]

    def _pneumo_routes(self) -> list[Route]:
        count = Param("count", "integer", "At most so many, the newest")
        return [
            Route(
                "GET",
                "/2/pneumo",
                self._get_pneumo,
                "The last messages; with Upgrade: websocket, those to come.",
                {101: "Messages to come", 200: "[PneumoMessage]", 400: "Bad parameter"},
                (Param("src"), Param("type"), count),
                produces=_JSON,
            )
        ]

    def fleet(self) -> list[InstanceInfo]:
        """Return what is known of every other instance."""
        others = self.suite.instances.values()
        return [self._info(other) for other in others if other is not self]

    def _info(self, instance: Instance) -> InstanceInfo:
        return InstanceInfo(
            id=instance.id,
            name=instance.name,
            api=instance.api,
            host=self.suite.host,
            port=self.suite.port,
            release=instance.release,
            built_on=instance.built_on,
            health="ok" if instance.is_healthy else "fail",
        )

    async def _get_fleet(self, request: Request) -> web.StreamResponse:
        query = request.query
        if unknown := set(query) - {*_FIELDS, "return"}:
            raise Refusal(403, f"unknown parameter {min(unknown)[:40]!r}")
        rows = [info.to_wire() for info in self.fleet()]
        for key in _FIELDS:
            if key in query:
                wanted = set(query.getall(key))
                rows = [row for row in rows if str(row[key]) in wanted]
        if "return" in query:
            rows = _only(rows, query["return"])
        return json_answer(rows)

    async def _get_config(self, request: Request) -> web.StreamResponse:
        try:
            config = await asyncio.to_thread(self.suite.store.get, "config", _CONFIG)
        except NotFoundError:
            raise Refusal(404, "no configuration is set") from None
        section = request.query.get("q")
        if section is not None:
            config = find_section(config, section)
        return _in_form_of(request.headers.get("Accept", ""), config)

    async def _put_config(self, request: Request) -> web.StreamResponse:
        text = await read_text(request, _MAX_CONFIG_BYTES)
        config = await asyncio.to_thread(parse_configuration, text)
        replaced = await asyncio.to_thread(
            self.suite.store.put, "config", _CONFIG, config
        )
        return empty_answer(204 if replaced else 201)

    async def _get_pneumo(self, request: Request) -> web.StreamResponse:
        src, kind = request.query.get("src"), request.query.get("type")
        if "websocket" in request.headers.get("Upgrade", "").lower():
            return await self._serve_socket(request, src, kind)
        count = query_int(request, "count", maximum=HISTORY_LENGTH)
        frames = self.suite.bus.frames(src, kind, count)
        body = "[" + ",".join(frame.text for frame in frames) + "]"
        return text_answer(body, content_type=_JSON)

    async def _serve_socket(
        self, request: Request, src: str | None, kind: str | None
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            heartbeat=_PING_SECONDS, compress=False, max_msg_size=_MAX_PEER_MESSAGE
        )
        subscription = self.suite.bus.subscribe(src, kind)  # before the peer knows
        try:
            await socket.prepare(request)
            await _send_until_closed(socket, subscription)
        finally:
            subscription.close()
        return socket


async def _send_until_closed(
    socket: web.WebSocketResponse, subscription: Subscription
) -> None:
    """Send what is published until the peer, or the suite, ends it."""
    sender = asyncio.create_task(_send(socket, subscription))
    try:
        async for _ in socket:  # a peer sends nothing but control frames
            pass
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sender


async def _send(socket: web.WebSocketResponse, subscription: Subscription) -> None:
    async for text in subscription:
        await socket.send_str(text)
    await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the suite stops")


def _only(rows: Sequence[Mapping[str, Any]], fields: str) -> list[dict[str, Any]]:
    wanted = [field.strip() for field in fields.split(",") if field.strip()]
    for field in wanted:
        if field not in _FIELDS:
            raise Refusal(403, f"unknown field {field[:40]!r}")
    return [{field: row[field] for field in wanted} for row in rows]


def _in_form_of(accept: str, config: JSON) -> web.Response:
    """Return a configuration as JSON unless only YAML or text is accepted."""
    if "json" in accept or "*/*" in accept or not accept:
        return json_answer(config)
    if "yaml" in accept:
        return text_answer(dump_yaml(config), content_type=_YAML)
    if "text/" in accept:
        return text_answer(dump_yaml(config))
    return json_answer(config)
