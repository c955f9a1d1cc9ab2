"""What every HTTP service here is made of: requests, refusals, answers, bounds.

A handler is ``async (Request) -> StreamResponse``. It reads, decides, answers; it
refuses by raising:

    Refusal(status, text)           that status, one line of text
    pilothouse.errors.NotFoundError 404
    pilothouse.errors.ProtocolError 400: what came in breaks its grammar

`answer_of` turns them into answers. A peer never sees a traceback; a fault of our own
is a 500 with one line, and its traceback goes to the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote

import orjson
from aiohttp import web

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.fastscore.wire.values import JSON

from .storage import is_storage_full

__all__ = [
    "EMPTY_BODY",
    "MAX_BODY_BYTES",
    "MAX_JSON_BYTES",
    "MAX_NAME_CHARS",
    "MAX_TEXT_CHARS",
    "Handler",
    "Param",
    "Refusal",
    "Request",
    "Route",
    "answer_of",
    "decoded",
    "empty_answer",
    "json_answer",
    "path_segments",
    "query_bool",
    "query_int",
    "read_body",
    "read_json",
    "read_text",
    "refusal_answer",
    "text_answer",
    "whole_number",
]

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Longest body that is held in memory; attachments are streamed instead."""

MAX_JSON_BYTES = 16 * 1024 * 1024
"""Longest JSON document that is parsed."""

MAX_NAME_CHARS = 255
"""Longest name in a path."""

MAX_TEXT_CHARS = 4000
"""Longest text of a refusal."""

EMPTY_BODY: JSON = object()
"""Default of `read_json`: an empty body is refused."""


class Request(web.BaseRequest):
    """One request, with the decoded parameters of its path.

    Attributes:
        match_info: ``{"slot": "0"}`` for the route ``/1/job/input/{slot}``; percent
            codes are resolved, so a value may hold ``/``.
    """

    match_info: Mapping[str, str] = {}


Handler: TypeAlias = Callable[[Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Param:
    """A query parameter of a route, for its documentation.

    Attributes:
        type: ``"string"``, ``"integer"`` or ``"boolean"``.
    """

    name: str
    type: str = "string"
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Args:
        method: ``"GET"``, ``"PUT"``, ... A ``GET`` also answers ``HEAD``.
        path: Relative to the instance: ``"/2/active/stream/{slot}"``.
        handler: Called with the `Request`.
        summary: One line for the OpenAPI document.
        answers: Status -> meaning, for the OpenAPI document.
        query: Parameters after ``?``.
        consumes: Content type of the body; empty if it has none.
        produces: Content type of a good answer; empty if it has no body.
    """

    method: str
    path: str
    handler: Handler
    summary: str = ""
    answers: Mapping[int, str] = field(default_factory=dict)
    query: tuple[Param, ...] = ()
    consumes: str = ""
    produces: str = ""


class Refusal(Exception):  # noqa: N818  (a refusal is an answer, not a fault)
    """A request that is understood, and refused.

    Args:
        status: HTTP status, 300 to 599.
        text: One line for the caller.
        headers: Further headers of the answer.
    """

    def __init__(
        self, status: int, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def json_answer(value: JSON, status: int = 200) -> web.Response:
    """Return an answer that holds a JSON value."""
    return web.Response(
        body=orjson.dumps(value), status=status, content_type="application/json"
    )


def text_answer(
    text: str,
    status: int = 200,
    content_type: str = "text/plain",
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return an answer that holds UTF-8 text, its content type bare.

    The real SDK compares content types for equality: no ``; charset=`` may follow.
    """
    return web.Response(
        body=text.encode("utf-8", "replace"),
        status=status,
        headers={**(headers or {}), "Content-Type": content_type},
    )


def empty_answer(status: int = 204) -> web.Response:
    """Return an answer without a body."""
    return web.Response(status=status)


async def read_body(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the whole body.

    Raises:
        Refusal: 413 if it is longer than `max_bytes`, 400 if it breaks off.
    """
    declared = request.content_length
    if declared is not None and declared > max_bytes:
        raise Refusal(413, f"body longer than {max_bytes} bytes")
    body = await request.read()
    if len(body) > max_bytes:
        raise Refusal(413, f"body longer than {max_bytes} bytes")
    return body


async def read_json(
    request: Request, *, empty: JSON = EMPTY_BODY, max_bytes: int = MAX_JSON_BYTES
) -> JSON:
    """Return the body as a JSON value.

    Args:
        request: The request.
        empty: What an empty body stands for: the real SDK drops falsy bodies, so
            ``scale(0)`` and ``{}`` arrive empty.
        max_bytes: Longest body.

    Raises:
        Refusal: 400 if it is not JSON or nested too deep, 413 if it is too long.
    """
    body = await read_body(request, max_bytes)
    if not body and empty is not EMPTY_BODY:
        return empty
    try:
        value = orjson.loads(body)
        orjson.dumps(value)  # its depth limit is lower: what gets in must get out
    except orjson.JSONDecodeError as exc:
        raise Refusal(400, f"the body is not JSON: {exc}") from exc
    except (TypeError, ValueError) as exc:
        raise Refusal(400, "the JSON body is nested too deep") from exc
    return value


async def read_text(request: Request, max_bytes: int = MAX_BODY_BYTES) -> str:
    """Return the body as text.

    Raises:
        Refusal: 400 if it is not UTF-8, 413 if it is too long.
    """
    body = await read_body(request, max_bytes)
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise Refusal(400, f"the body is not UTF-8 (byte {exc.start})") from exc


def query_bool(request: Request, name: str) -> bool:
    """Return a boolean of the query, in any case; absent is ``False``.

    Raises:
        Refusal: 400 if it is neither true nor false.
    """
    word = request.query.get(name, "false").strip().lower()
    if word in ("true", "1", "yes"):
        return True
    if word in ("false", "0", "no", ""):
        return False
    raise Refusal(400, f"{name} must be true or false, not {word[:40]!r}")


def query_int(
    request: Request,
    name: str,
    *,
    default: int | None = None,
    minimum: int = 0,
    maximum: int = 2**31 - 1,
) -> int | None:
    """Return an integer of the query, or `default` when it is absent.

    Raises:
        Refusal: 400 if it is no integer or out of range.
    """
    word = request.query.get(name)
    if word is None:
        return default
    return whole_number(word, name, minimum=minimum, maximum=maximum)


def whole_number(word: str, name: str, *, minimum: int, maximum: int) -> int:
    """Return a decimal number in a range.

    Raises:
        Refusal: 400 if it is none.
    """
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise Refusal(400, f"{name} must be an integer, not {word[:40]!r}")
    number = int(word)
    if not minimum <= number <= maximum:
        raise Refusal(400, f"{name} must be {minimum} to {maximum}, not {number}")
    return number


def path_segments(request: web.BaseRequest) -> list[str]:
    """Return the segments of the raw path, still percent-encoded.

    Split before decoding, so that a name may hold ``/``. Slashes in front collapse:
    with a trailing slash in its prefix the real SDK sends ``//api/...``.
    """
    raw = request.raw_path
    if not raw.startswith("/"):  # absolute form, or "*"
        raw = request.rel_url.raw_path
    return raw.partition("?")[0].lstrip("/").split("/")


def decoded(segment: str) -> str:
    """Return a path segment as text.

    Raises:
        Refusal: 400 if it is not UTF-8, holds control characters or is too long.
    """
    try:
        text = unquote(segment, errors="strict") if "%" in segment else segment
    except UnicodeDecodeError:
        raise Refusal(400, "the path is not UTF-8") from None
    if not text.isprintable() or len(text) > MAX_NAME_CHARS:
        raise Refusal(400, "a name in the path has control characters or is too long")
    return text


async def answer_of(request: Request, handler: Handler) -> web.StreamResponse:
    """Return what a handler answers; a refusal becomes status and text."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal_answer(refusal.status, refusal.text, refusal.headers)
    except NotFoundError as exc:
        return refusal_answer(404, exc.message)
    except ProtocolError as exc:
        return refusal_answer(400, exc.message)
    except web.HTTPException as exc:
        return refusal_answer(exc.status, exc.text or exc.reason, _kept(exc.headers))
    except (asyncio.CancelledError, ConnectionError):
        raise
    except web.PayloadAccessError:  # the peer has gone away while it sent its body
        return refusal_answer(400, "the body broke off")
    except Exception as exc:
        if is_storage_full(exc):
            log.error("storage is full: %s", exc)  # noqa: TRY400  (no fault of ours)
            return refusal_answer(507, "storage is full: nothing was saved")
        log.exception("%s %s failed", request.method, request.path)
        return refusal_answer(500, "internal error; the service's log has the details")


def refusal_answer(
    status: int, text: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a refusal: bounded text, no control characters but line ends."""
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return text_answer(clean[:MAX_TEXT_CHARS], status, headers=headers)


def _kept(headers: MutableMapping[str, str]) -> dict[str, str]:
    return {key: headers[key] for key in ("Allow", "Content-Range") if key in headers}
