"""Model Manage: models, and schemas, streams and sensors by name (contract §2.4).

Attachments and snapshots of models are in modules of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import orjson
from aiohttp import web

from pilothouse.fastscore.wire.load import read_source
from pilothouse.fastscore.wire.mime import model_mime, model_type_of
from pilothouse.fastscore.wire.values import JSON, unquoted
from pilothouse.services.web import (
    Handler,
    Param,
    Refusal,
    Request,
    Route,
    empty_answer,
    json_answer,
    query_int,
    read_body,
    read_json,
    text_answer,
)

from .attachment_files import GRACE_SECONDS
from .attachments import attachment_routes
from .instance import Instance
from .snapshots import snapshot_routes
from .store import AssetKind

__all__ = ["ModelManage"]

_JSON = "application/json"
_PAGE = (
    Param("offset", "integer", "Leave out so many"),
    Param("limit", "integer", "At most so many"),
)
_ASSET_KINDS: tuple[AssetKind, ...] = ("schema", "stream", "sensor")
_MODEL_FIELDS = ("name", "type", "attachments", "metadata")


class ModelManage(Instance):
    """The instance that keeps things; whether they make sense is the engine's job."""

    api: ClassVar[str] = "model-manage"
    _purging: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work."""
        await super().start()
        self._purging = asyncio.create_task(self._purge())

    async def stop(self) -> None:
        """End; may be called twice."""
        await super().stop()
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)
            self._purging = None

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(GRACE_SECONDS)
            await asyncio.to_thread(self.suite.store.purge)

    def routes(self) -> Sequence[Route]:
        """Return the common routes and Model Manage's own."""
        found = [*super().routes(), *self._model_routes()]
        found += attachment_routes(self.suite)
        found += snapshot_routes(self.suite.store)
        for kind in _ASSET_KINDS:
            found += self._asset_routes(kind)
        return found

    def _model_routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/1/model",
                self._list_models,
                "Names of models; with return= some of their fields.",
                {200: "[name] or [{name, ...}]", 403: "Bad parameter"},
                (Param("return", summary="type, attachments, metadata"), *_PAGE),
                produces=_JSON,
            ),
            Route(
                "GET",
                "/1/model/{model}",
                self._get_model,
                "Source of a model; the content type is the model type.",
                {200: "Source", 404: "No such model"},
                produces="text/plain",
            ),
            Route(
                "PUT",
                "/1/model/{model}",
                self._put_model,
                "Save a model; the content type is the model type.",
                {201: "Created", 204: "Replaced", 400: "Unknown type, or no text"},
                consumes="application/vnd.fastscore.model-python3",
            ),
            Route(
                "DELETE",
                "/1/model/{model}",
                self._delete_model,
                "Delete a model, its attachments and snapshots.",
                {204: "Deleted", 404: "No such model"},
            ),
        ]

    def _asset_routes(self, kind: AssetKind) -> list[Route]:
        path = f"/1/{kind}/{{name}}"
        missing = f"No such {kind}"
        return [
            Route(
                "GET",
                f"/1/{kind}",
                self._asset_lister(kind),
                f"Names: {kind}.",
                {200: "[name]", 400: "Bad parameter"},
                _PAGE,
                produces=_JSON,
            ),
            Route(
                "GET",
                path,
                self._asset_getter(kind),
                f"One {kind}.",
                {200: "Any JSON value", 404: missing},
                produces=_JSON,
            ),
            Route(
                "PUT",
                path,
                self._asset_putter(kind),
                f"Save a {kind}.",
                {201: "Created", 204: "Replaced", 400: "Not JSON"},
                consumes=_JSON,
            ),
            Route(
                "DELETE",
                path,
                self._asset_deleter(kind),
                f"Delete a {kind}.",
                {204: "Deleted", 404: missing},
            ),
        ]

    # models

    async def _list_models(self, request: Request) -> web.StreamResponse:
        infos = await asyncio.to_thread(self.suite.store.model_infos)
        page = _page(request, infos)
        if "return" not in request.query:
            return json_answer([info.name for info in page])
        fields = _fields(request.query["return"])
        rows = []
        for info in page:
            row: dict[str, Any] = {"name": info.name}
            if "type" in fields:
                row["type"] = info.mtype
            if "attachments" in fields:
                row["attachments"] = await asyncio.to_thread(
                    self.suite.store.attachment_names, info.name
                )
            if "metadata" in fields:
                row["metadata"] = {}
            rows.append(row)
        return json_answer(rows)

    async def _get_model(self, request: Request) -> web.StreamResponse:
        name = request.match_info["model"]
        model = await asyncio.to_thread(self.suite.store.get_model, name)
        return text_answer(model.source, content_type=model_mime(model.mtype))

    async def _put_model(self, request: Request) -> web.StreamResponse:
        try:
            mtype = model_type_of(request.headers.get("Content-Type", ""))
        except ValueError as exc:
            raise Refusal(400, str(exc)) from exc
        source = read_source(mtype, await read_body(request))
        replaced = await asyncio.to_thread(
            self.suite.store.put_model, request.match_info["model"], mtype, source
        )
        return empty_answer(204 if replaced else 201)

    async def _delete_model(self, request: Request) -> web.StreamResponse:
        name = request.match_info["model"]
        await asyncio.to_thread(self.suite.store.delete_model, name)
        return empty_answer()

    # schemas, streams, sensors

    def _asset_lister(self, kind: AssetKind) -> Handler:
        async def list_names(request: Request) -> web.StreamResponse:
            names = await asyncio.to_thread(self.suite.store.names, kind)
            return json_answer(_page(request, names))

        return list_names

    def _asset_getter(self, kind: AssetKind) -> Handler:
        async def get_asset(request: Request) -> web.StreamResponse:
            name = request.match_info["name"]
            return json_answer(
                await asyncio.to_thread(self.suite.store.get, kind, name)
            )

        return get_asset

    def _asset_putter(self, kind: AssetKind) -> Handler:
        async def put_asset(request: Request) -> web.StreamResponse:
            value = _unpacked(await read_json(request, empty={}))
            replaced = await asyncio.to_thread(
                self.suite.store.put, kind, request.match_info["name"], value
            )
            return empty_answer(204 if replaced else 201)

        return put_asset

    def _asset_deleter(self, kind: AssetKind) -> Handler:
        async def delete_asset(request: Request) -> web.StreamResponse:
            name = request.match_info["name"]
            await asyncio.to_thread(self.suite.store.delete, kind, name)
            return empty_answer()

        return delete_asset


def _unpacked(value: JSON) -> JSON:
    """Return the JSON in a JSON string: so the real SDK sends a schema it has as text.

    It also drops falsy bodies, so an empty one stands for ``{}``.
    """
    try:
        inner = unquoted(value)
        orjson.dumps(inner)  # what gets in must get out
    except (RecursionError, TypeError, ValueError) as exc:
        raise Refusal(400, "the JSON in the body is nested too deep") from exc
    return inner


def _page(request: Request, items: Sequence[Any]) -> list[Any]:
    """Return the part of a list that offset and limit ask for; all by default."""
    offset = query_int(request, "offset", default=0) or 0
    limit = query_int(request, "limit")
    return list(items[offset:] if limit is None else items[offset : offset + limit])


def _fields(wanted: str) -> set[str]:
    fields = {field.strip() for field in wanted.split(",") if field.strip()}
    for field in fields:
        if field not in _MODEL_FIELDS:
            raise Refusal(403, f"unknown field {field[:40]!r}")
    return fields
