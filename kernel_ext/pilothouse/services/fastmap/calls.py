"""The checks of one request, in their order (contract §5.1), before its endpoint.

    path, method, origin, length  ->  bearer  ->  body  ->  signature  ->  endpoint

Nothing is decoded before its signature held. A refusal drains what is left of the
body first, within bounds: else the client would see a broken connection instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire import headers, token
from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.wire.limits import BODY_BYTES
from pilothouse.fastmap.wire.words import Status
from pilothouse.services.storage import is_storage_full
from pilothouse.services.web import Request, path_segments

from .accounts import Account, Accounts
from .answers import Caller, Refused, Reply, legacy_response, to_response
from .options import FastmapOptions

__all__ = ["Call", "Door", "Endpoint", "refusal_of"]

log = logging.getLogger(__name__)

_SMALL_BODY: Final = 64 * 1024
_DRAIN_BYTES: Final = 128 * 1024 * 1024
_DRAIN_SECONDS: Final = 10.0
_PREFIX: Final = ("api", "v1")


@dataclass(slots=True)
class Call:
    """One request that has passed the checks.

    Attributes:
        account: Whose it is.
        body: Its body; the signature held. Emptied once it was read.
        caller: How it is answered.
        python: The client's interpreter.
        began: Loop time of its first byte.
    """

    account: Account
    body: bytes
    caller: Caller
    python: PythonVersion
    began: float


Endpoint = Callable[[Call], Awaitable[Reply]]


class Door:
    """Lets requests in, one check after the other.

    Args:
        accounts: Who may come.
        endpoints: Last segment of the path -> who answers.
        options: Bounds.
    """

    def __init__(
        self,
        accounts: Accounts,
        endpoints: Mapping[str, Endpoint],
        options: FastmapOptions,
    ) -> None:
        self._accounts = accounts
        self._endpoints = endpoints
        self._options = options

    async def handle(self, request: Request) -> web.StreamResponse:
        """Answer one request."""
        if headers.FUNC_HASH in request.headers:  # release 0.0.4, another protocol
            await _drain(request)
            return legacy_response()
        caller = Caller(
            version=request.headers.get(headers.CLIENT_VERSION),
            wants_bound=request.headers.get(headers.BIND) == "1",
            vocabulary=self._options.vocabulary,
        )
        try:
            reply = await self._reply(request, caller)
        except Refused as refused:
            reply = refused.reply()
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as exc:
            reply = _fault(exc).reply()
        response = to_response(reply, caller)
        if reply.code == 408:  # the rest may never come
            response.force_close()
        elif not request.content.at_eof():
            await _drain(request)
        return response

    async def _reply(self, request: Request, caller: Caller) -> Reply:
        began = asyncio.get_running_loop().time()
        endpoint, limit = self._endpoint(request)
        length = _length(request, limit)
        account = self._accounts.find(request.headers.get(headers.AUTHORIZATION))
        if account is None:
            raise Refused(401, Status.UNAUTHORIZED, "the token is not known here")
        body = await self._body(request, length)
        signature = request.headers.get(headers.CONTENT_SIGNATURE)
        if not token.verify(account.token.key, body, signature):
            raise Refused(403, Status.INVALID_SIGNATURE, "", body=b"\x80")
        assert signature is not None
        caller.account, caller.signature = account, signature
        try:
            banner = request.headers.get(headers.PYTHON_VERSION)
            python = PythonVersion.parse(banner)
            call = Call(account, body, caller, python, began)
            del body  # a request may wait for long: no need to keep what it brought
            return await endpoint(call)
        except ProtocolError as exc:
            raise Refused(400, Status.BAD_REQUEST, exc.message) from exc

    def _endpoint(self, request: Request) -> tuple[Endpoint, int]:
        segments = path_segments(request)
        endpoint = None
        if tuple(segments[:2]) == _PREFIX and len(segments) == 3:
            endpoint = self._endpoints.get(segments[2])
        if endpoint is None:
            raise Refused(404, Status.NOT_FOUND, "nothing lies at this path")
        if request.method != "POST":
            allow = {"Allow": "POST"}
            reason = f"{request.method[:20]} is not allowed here; POST is"
            raise Refused(405, Status.BAD_REQUEST, reason, headers=allow)
        if "Origin" in request.headers:  # a page in a browser, not a client
            reason = "requests of browser pages are refused"
            raise Refused(400, Status.BAD_REQUEST, reason)
        limits = {"init": BODY_BYTES, "map": self._options.body_bytes}
        return endpoint, limits.get(segments[2], _SMALL_BODY)

    async def _body(self, request: Request, length: int) -> bytes:
        pieces, size = [], 0
        try:
            async with asyncio.timeout(self._options.read_seconds):
                while size < length:
                    piece = await request.content.readany()
                    if not piece:
                        break
                    pieces.append(piece)
                    size += len(piece)
        except TimeoutError:
            limit = f"the body did not come in within {self._options.read_seconds:g} s"
            raise Refused(408, Status.BAD_REQUEST, limit) from None
        except web.PayloadAccessError:
            size = -1
        if size != length:
            raise Refused(400, Status.BAD_REQUEST, "the body broke off")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def refusal_of(code: int) -> web.Response:
    """Return how the HTTP layer refuses what is no request, in MessagePack too."""
    status = Status.INTERNAL_ERROR if code == 500 else Status.BAD_REQUEST
    if code == 503:
        status = Status.UNAVAILABLE
    reasons = {503: "the service is stopping", 500: "internal error"}
    reason = reasons.get(code, "this is no request that the service understands")
    response = to_response(Refused(code, status, reason).reply(), Caller())
    response.force_close()
    return response


def _length(request: Request, limit: int) -> int:
    """Return the announced length of the body, if it is under the limit."""
    words = request.headers.getall("Content-Length", [])
    if "Transfer-Encoding" in request.headers or len(words) != 1:
        reason = "the request needs a Content-Length, and no chunks"
        raise Refused(411, Status.BAD_REQUEST, reason)
    length = request.content_length
    if length is None or length > limit:
        reason = f"a body of {length} bytes; this service takes {limit}"
        raise Refused(413, Status.TOO_LARGE, reason, body=b"\x80")
    return length


async def _drain(request: Request) -> None:
    """Read on, within bounds, so that the client gets to reading the answer."""
    size = 0
    with contextlib.suppress(TimeoutError, web.PayloadAccessError, ConnectionError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAIN_BYTES and not request.content.at_eof():
                size += len(await request.content.readany())


def _fault(exc: Exception) -> Refused:
    if is_storage_full(exc):
        log.error("storage is full: %s", exc)
        return Refused(507, Status.UNAVAILABLE, "storage is full: nothing was saved")
    log.error("a call failed", exc_info=exc)
    reason = "internal error; the service's log has the details"
    return Refused(500, Status.INTERNAL_ERROR, reason)
