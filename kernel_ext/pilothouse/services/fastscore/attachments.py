"""Attachments of models over HTTP, streamed both ways in bounded memory.

A download may be resumed: ``Range`` with ``If-Range`` and the ``ETag`` of the first
answer; a replaced attachment has another tag and starts anew.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from pilothouse.errors import NotFoundError
from pilothouse.fastscore.wire.mime import (
    attachment_mime,
    attachment_type_of,
    attachment_type_of_name,
    bare,
)
from pilothouse.services.storage import is_storage_full
from pilothouse.services.web import (
    Refusal,
    Request,
    Route,
    empty_answer,
    json_answer,
)

from .attachment_files import Upload

if TYPE_CHECKING:
    from .suite import Suite

__all__ = ["attachment_routes"]

_BLOCK_BYTES = 1024 * 1024
_UNTYPED = ("", "application/octet-stream")


def attachment_routes(suite: Suite) -> list[Route]:
    """Return the routes of Model Manage that deal with attachments."""
    handlers = _Attachments(suite)
    path = "/1/model/{model}/attachment/{attachment}"
    missing = "No such model or attachment"
    zip_type = "application/zip"
    return [
        Route(
            "GET",
            "/1/model/{model}/attachment",
            handlers.list,
            "Names of a model's attachments.",
            {200: "[name]", 403: "No such model"},
            produces="application/json",
        ),
        Route(
            "GET",
            path,
            handlers.get,
            "An attachment; HEAD tells its type and size, Range gets a part.",
            {200: "Bytes", 206: "Part", 404: missing, 416: "No such part"},
            produces=zip_type,
        ),
        Route(
            "PUT",
            path,
            handlers.put,
            "Save an attachment.",
            {201: "Created", 204: "Replaced", 400: "Unknown type", 404: missing},
            consumes=zip_type,
        ),
        Route(
            "DELETE",
            path,
            handlers.delete,
            "Delete an attachment.",
            {204: "Deleted", 404: missing},
        ),
    ]


class _Attachments:
    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._store = suite.store

    async def list(self, request: Request) -> web.StreamResponse:
        model = request.match_info["model"]
        try:
            names = await asyncio.to_thread(self._store.attachment_names, model)
        except NotFoundError as exc:
            raise Refusal(403, exc.message) from exc
        return json_answer(names)

    async def get(self, request: Request) -> web.StreamResponse:
        found = await asyncio.to_thread(self._store.attachment, *_names(request))
        headers = {"Content-Type": attachment_mime(found.atype)}
        return web.FileResponse(found.path, chunk_size=_BLOCK_BYTES, headers=headers)

    async def put(self, request: Request) -> web.StreamResponse:
        model, name = _names(request)
        atype = _type_of(request, name)
        upload = await asyncio.to_thread(self._store.begin_attachment, model)
        try:
            await self._receive(request, upload)
            replaced = await asyncio.to_thread(
                self._store.put_attachment, model, name, atype, upload
            )
        except OSError as exc:
            if is_storage_full(exc):  # the next try may find room
                await asyncio.to_thread(self._store.purge, 0)
            raise
        finally:
            await asyncio.to_thread(upload.discard)
        return empty_answer(204 if replaced else 201)

    async def delete(self, request: Request) -> web.StreamResponse:
        await asyncio.to_thread(self._store.delete_attachment, *_names(request))
        return empty_answer()

    async def _receive(self, request: Request, upload: Upload) -> None:
        limit = self._suite.options.max_attachment_bytes
        declared = request.content_length
        if declared is not None and declared > limit:
            raise Refusal(413, f"an attachment has at most {limit} bytes")
        block = bytearray()
        async for chunk in request.content.iter_any():
            block += chunk
            if upload.size + len(block) > limit:
                raise Refusal(413, f"an attachment has at most {limit} bytes")
            if len(block) >= _BLOCK_BYTES:
                await asyncio.to_thread(upload.write, bytes(block))
                block.clear()
        await asyncio.to_thread(upload.write, bytes(block))


def _names(request: Request) -> tuple[str, str]:
    return request.match_info["model"], request.match_info["attachment"]


def _type_of(request: Request, name: str) -> str:
    content_type = request.headers.get("Content-Type", "")
    try:
        if bare(content_type) in _UNTYPED:
            return attachment_type_of_name(name)
        return attachment_type_of(content_type)
    except ValueError as exc:
        raise Refusal(400, str(exc)) from exc
