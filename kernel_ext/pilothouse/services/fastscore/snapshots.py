"""Snapshots of models over HTTP.

The multipart form, for a whole snapshot in one request or answer:

    multipart/mixed = metadata contents
    metadata        = application/json: {"type": str, ["created_on": ISO-8601]}
    contents        = application/octet-stream
"""

from __future__ import annotations

import asyncio
import datetime
import re
import secrets
from typing import Any

import orjson
from aiohttp import BodyPartReader, MultipartReader, web

from pilothouse.errors import NotFoundError
from pilothouse.fastscore.wire.messages import SnapshotInfo
from pilothouse.fastscore.wire.pneumo import read_timestamp
from pilothouse.fastscore.wire.values import JSON
from pilothouse.services.web import (
    Param,
    Refusal,
    Request,
    Route,
    empty_answer,
    json_answer,
    query_int,
)

from .snapshot_store import AmbiguousError, ExistsError, SnapshotStore

__all__ = ["MAX_SNAPSHOT_BYTES", "snapshot_routes"]

MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024
_MAX_METADATA_BYTES = 64 * 1024
_JSON = "application/json"
_BYTES = "application/octet-stream"
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


def snapshot_routes(store: SnapshotStore) -> list[Route]:
    """Return the routes of Model Manage that deal with snapshots."""
    handlers = _Snapshots(store)
    path = "/1/model/{model}/snapshot/{snapshot}"
    found = {300: "Several begin so", 404: "No such model or snapshot"}
    return [
        Route(
            "GET",
            "/1/model/{model}/snapshot",
            handlers.list,
            "Snapshots of a model, newest first.",
            {200: "[SnapshotInfo]", 400: "Bad parameter", 403: "No such model"},
            (
                Param("count", "integer", "At most so many"),
                Param(
                    "date-range", summary="<ISO-8601>--<ISO-8601>, ends may be empty"
                ),
            ),
            produces=_JSON,
        ),
        Route(
            "GET",
            path,
            handlers.get,
            "A snapshot: metadata and contents.",
            {200: "multipart/mixed", **found},
            produces="multipart/mixed",
        ),
        Route(
            "PUT",
            path,
            handlers.put,
            "Save a snapshot: metadata and contents.",
            {201: "Created", 400: "Malformed, or exists", 404: "No such model"},
            consumes="multipart/mixed",
        ),
        Route(
            "DELETE",
            path,
            handlers.delete,
            "Delete a snapshot.",
            {204: "Done", **found},
        ),
        Route(
            "GET",
            f"{path}/metadata",
            handlers.get_metadata,
            "What is known of a snapshot.",
            {200: "SnapshotInfo", **found},
            produces=_JSON,
        ),
        Route(
            "GET",
            f"{path}/contents",
            handlers.get_contents,
            "The state that a snapshot holds.",
            {200: "Bytes", **found},
            produces=_BYTES,
        ),
    ]


class _Snapshots:
    def __init__(self, store: SnapshotStore) -> None:
        self._store = store

    async def list(self, request: Request) -> web.StreamResponse:
        since, until = _date_range(request.query.get("date-range"))
        count = query_int(request, "count")
        try:
            infos = await asyncio.to_thread(
                self._store.snapshot_infos,
                request.match_info["model"],
                since=since,
                until=until,
                count=count,
            )
        except NotFoundError as exc:
            raise Refusal(403, exc.message) from exc
        return json_answer([info.to_wire() for info in infos])

    async def get(self, request: Request) -> web.StreamResponse:
        info, contents = await self._contents(request)
        boundary = secrets.token_hex(12)
        body = b"".join(
            (
                _part(boundary, _JSON, orjson.dumps(info.to_wire())),
                _part(boundary, _BYTES, contents),
                f"--{boundary}--\r\n".encode(),
            )
        )
        content_type = f"multipart/mixed; boundary={boundary}"
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def get_metadata(self, request: Request) -> web.StreamResponse:
        try:
            info: SnapshotInfo = await asyncio.to_thread(
                self._store.find_snapshot, *_names(request)
            )
        except AmbiguousError as exc:
            raise Refusal(300, exc.message) from exc
        return json_answer(info.to_wire())

    async def get_contents(self, request: Request) -> web.StreamResponse:
        _, contents = await self._contents(request)
        return web.Response(body=contents, content_type=_BYTES)

    async def put(self, request: Request) -> web.StreamResponse:
        model, snapshot_id = _names(request)
        if not _ID.fullmatch(snapshot_id):
            raise Refusal(400, "a snapshot id has letters, digits, - and _, at most 64")
        metadata, contents = await _read_form(request)
        stype, created_on = _read_metadata(metadata)
        try:
            await asyncio.to_thread(
                self._store.put_snapshot,
                model,
                stype,
                contents,
                snapshot_id=snapshot_id,
                created_on=created_on,
            )
        except ExistsError as exc:
            raise Refusal(400, exc.message) from exc
        return empty_answer(201)

    async def delete(self, request: Request) -> web.StreamResponse:
        try:
            await asyncio.to_thread(self._store.delete_snapshot, *_names(request))
        except AmbiguousError as exc:
            raise Refusal(300, exc.message) from exc
        return empty_answer()

    async def _contents(self, request: Request) -> tuple[SnapshotInfo, bytes]:
        try:
            return await asyncio.to_thread(
                self._store.snapshot_contents, *_names(request)
            )
        except AmbiguousError as exc:
            raise Refusal(300, exc.message) from exc


def _names(request: Request) -> tuple[str, str]:
    return request.match_info["model"], request.match_info["snapshot"]


def _part(boundary: str, content_type: str, body: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n"
    return head.encode() + body + b"\r\n"


def _date_range(
    text: str | None,
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    if text is None:
        return None, None
    first, found, last = text.partition("--")
    if not found:
        raise Refusal(400, "date-range must be <date>--<date>; either may be empty")
    return _moment(first), _moment(last)


def _moment(text: str) -> datetime.datetime | None:
    if not text.strip():
        return None
    # In a query that was not encoded, the + of a time zone arrives as a space.
    when = read_timestamp(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()))
    try:
        return when.astimezone(datetime.UTC)
    except OverflowError as exc:
        raise Refusal(400, f"{text[:40]!r} is out of range") from exc


async def _read_form(request: Request) -> tuple[Any, bytes]:
    """Return the metadata and the contents of a multipart body."""
    if not request.content_type.startswith("multipart/"):
        raise Refusal(400, "send multipart/mixed: metadata, then contents")
    metadata: JSON = None
    contents: bytes | None = None
    try:
        reader = MultipartReader(request.headers, request.content)
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise Refusal(400, "a part may not be multipart itself")
            if part.headers.get("Content-Type", "").startswith(_JSON):
                metadata = orjson.loads(await _read_part(part, _MAX_METADATA_BYTES))
            else:
                contents = await _read_part(part, MAX_SNAPSHOT_BYTES)
    except (ValueError, AssertionError, RuntimeError) as exc:
        raise Refusal(400, f"malformed multipart body: {exc}") from exc
    if contents is None:
        raise Refusal(400, "the multipart body has no contents")
    return metadata, contents


async def _read_part(part: BodyPartReader, max_bytes: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(256 * 1024):
        data += chunk
        if len(data) > max_bytes:
            raise Refusal(413, f"a part is longer than {max_bytes} bytes")
    return bytes(data)


def _read_metadata(metadata: JSON) -> tuple[str, datetime.datetime | None]:
    given = {} if metadata is None else metadata
    if not isinstance(given, dict):
        raise Refusal(400, "the metadata must be an object")
    stype, created_on = given.get("type", "ETS1"), given.get("created_on")
    if not isinstance(stype, str) or not 0 < len(stype) <= 64:
        raise Refusal(400, "the type of a snapshot is a short word")
    if created_on is None:
        return stype, None
    if not isinstance(created_on, str):
        raise Refusal(400, "created_on must be ISO-8601 text")
    return stype, _moment(created_on)
