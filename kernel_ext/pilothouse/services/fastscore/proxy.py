"""The proxy of a suite: from a request to the handler of an instance (contract §1).

    /1/login                                        -> a session
    /api/1/service/<instance>/<version>/<resource>  -> that instance's route

Everything but the login needs credentials.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qs

from aiohttp import web

from pilothouse.services.auth import Credentials, set_cookie
from pilothouse.services.routing import Found, Router
from pilothouse.services.web import (
    Refusal,
    Request,
    answer_of,
    decoded,
    path_segments,
    read_text,
    text_answer,
)

from .instance import Instance

__all__ = ["Proxy"]

_PREFIX = ["api", "1", "service"]
_MAX_REMEMBERED = 4096


class Proxy:
    """Handles every request to a suite.

    Args:
        instances: The instances; their routes are read once.
        credentials: What callers must show.
    """

    def __init__(self, instances: Iterable[Instance], credentials: Credentials) -> None:
        self._credentials = credentials
        self._routers = {
            instance.name: Router(instance.routes()) for instance in instances
        }
        self._remembered: dict[tuple[str, str], Found] = {}

    async def handle(self, request: Request) -> web.StreamResponse:
        """Answer a request; never raises a refusal."""
        return await answer_of(request, self._answer)

    async def _answer(self, request: Request) -> web.StreamResponse:
        if not self._credentials.allow(request.headers):
            return await self._answer_stranger(request)
        raw = request.raw_path.partition("?")[0]
        key = (request.method, raw)
        found = self._remembered.get(key)
        if found is None:
            segments = path_segments(request)
            if segments == ["1", "login"]:
                return await self._login(request)
            found = self._find(request.method, segments)
            self._remember(key, found)
        request.match_info = found.match_info
        return await found.handler(request)

    async def _answer_stranger(self, request: Request) -> web.StreamResponse:
        if path_segments(request) == ["1", "login"]:
            return await self._login(request)
        headers = {"WWW-Authenticate": 'Basic realm="pilothouse"'}
        raise Refusal(401, "no or wrong credentials", headers)

    def _find(self, method: str, segments: list[str]) -> Found:
        if segments[:3] != _PREFIX or len(segments) < 4:
            raise Refusal(404, "nothing lies here; services lie below /api/1/service")
        name = decoded(segments[3])
        router = self._routers.get(name)
        if router is None:
            known = ", ".join(self._routers)
            raise Refusal(404, f"no instance is named {name!r}; there are {known}")
        return router.find(method, segments[4:])

    def _remember(self, key: tuple[str, str], found: Found) -> None:
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = found

    async def _login(self, request: Request) -> web.StreamResponse:
        if request.method != "POST":
            raise Refusal(405, "log in with POST", {"Allow": "POST"})
        form = await _read_form(request)
        session = self._credentials.login(
            form.get("username", ""), form.get("password", "")
        )
        if session is None:
            raise Refusal(401, "wrong user name or password")
        cookie = set_cookie(session, is_secure=request.secure)
        return text_answer("OK", headers={"Set-Cookie": cookie})


async def _read_form(request: Request) -> dict[str, str]:
    body = await read_text(request, max_bytes=64 * 1024)
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=100)
    except ValueError as exc:
        raise Refusal(400, "the form has too many fields") from exc
    return {key: values[0] for key, values in fields.items()}
