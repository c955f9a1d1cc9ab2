"""How one Connect speaks with its suite: one HTTP peer, one set of credentials.

Two gateways share nothing, so two suites in one process do not mix.

Source: contract of the real SDK 1.10.3: routes below ``/api/1/service/<instance>``,
credentials as ``Authorization`` or ``Cookie``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import index
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlencode

import orjson

from pilothouse.errors import PilothouseError, ProtocolError
from pilothouse.secrets import Covered, Secret
from pilothouse.transport.answer import HttpAnswer
from pilothouse.transport.download import Progress, download
from pilothouse.transport.endpoint import Endpoint
from pilothouse.transport.http import Body, HttpPeer
from pilothouse.transport.retries import Retries

from .errors import (
    FastScoreError,
    FastScoreNotAuthorizedError,
    FastScoreProtocolError,
    FastScoreUsageError,
    of_branch,
    refused,
)
from .wire import mime

__all__ = [
    "Gateway",
    "SecretText",
    "gateway_of",
    "json_of",
    "make_newest",
    "quoted",
    "reveal",
    "slot_number",
]

SecretText = str | Secret
SESSION = "connect.sid"
_JSON_HEADERS = {"Accept": "application/json"}
_JSON_BODY = {"Accept": "application/json", "Content-Type": mime.JSON_MIME}


def quoted(name: object) -> str:
    """Return a path parameter, percent-encoded with an empty safe set.

    Raises:
        FastScoreUsageError: If it is no name.
    """
    if not isinstance(name, str | int):
        raise FastScoreUsageError(f"a name is text, not {type(name).__name__}")
    return quote(str(name), safe="")


def slot_number(slot: object) -> int:
    """Return the number of a slot.

    Raises:
        FastScoreUsageError: If it is none.
    """
    if isinstance(slot, str) or not hasattr(slot, "__index__"):
        raise FastScoreUsageError(f"a slot is a number, not {slot!r}")
    return index(slot)


def _form(username: str, password: Secret) -> bytes:
    form = {"username": username, "password": password.reveal()}
    return Covered(urlencode(form).encode())


def reveal(secret: SecretText | None) -> str | None:
    """Return the text of a secret, for the wire."""
    return secret.reveal() if isinstance(secret, Secret) else secret


class Gateway:
    """The proxy of one suite, with what it takes to be let in.

    Args:
        prefix: For instance ``"https://localhost:8000"``.
        verify: As `pilothouse.transport.endpoint.Endpoint.verify`.
        timeout: Longest wait for one answer, in seconds.
        retries: For idempotent calls.

    Attributes:
        peer: The connections, and the headers that go with every request.
        has_pneumo: False once a websocket was refused: a score asks for none then.

    Raises:
        FastScoreUsageError: If the prefix is no URL.
    """

    def __init__(
        self,
        prefix: str,
        *,
        verify: bool | str | None = None,
        timeout: float = 30.0,
        retries: Retries | None = None,
    ) -> None:
        try:
            self.peer = HttpPeer(
                prefix,
                verify=verify,
                timeout=timeout,
                retries=retries,
                protocol="FastScore",
            )
        except ValueError as exc:
            raise FastScoreUsageError(str(exc)) from None
        self.has_pneumo = True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.prefix}>"

    @property
    def prefix(self) -> str:
        """The address of the proxy, without credentials and trailing slash."""
        return self.endpoint.url

    @property
    def endpoint(self) -> Endpoint:
        """The address, taken apart."""
        return self.peer.endpoint

    def route(self, instance: str, resource: str) -> str:
        """Return the path of a resource of an instance, such as ``1/health``."""
        return f"/api/1/service/{quoted(instance)}/{resource}"

    def call(
        self,
        what: str,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        accept: frozenset[int] = frozenset(),
        timeout: float | None = None,
        repeat: bool | None = None,
        not_found: str = "",
    ) -> HttpAnswer:
        """Send one request and return its answer, if it is a success.

        Args:
            what: What cannot be done when it fails: ``"Unable to ..."``.
            method: The verb.
            target: Path and query.
            headers: More headers.
            body: As `HttpPeer.call`.
            accept: Statuses beside those of success that are no failure.
            timeout: Instead of the gateway's, in seconds.
            repeat: As `HttpPeer.call`.
            not_found: Said instead of ``what`` when the answer is 404.

        Raises:
            FastScoreError: If there was no answer, or it is a refusal.
        """
        try:
            answer = self.peer.call(
                method,
                target,
                headers=headers,
                body=body,
                timeout=timeout,
                repeat=repeat,
            )
        except PilothouseError as exc:
            raise of_branch(what, exc) from exc
        if answer.ok or answer.status in accept:
            return answer
        if answer.status == 404:
            # A first DELETE whose answer got lost has done its work.
            if method == "DELETE" and answer.attempts > 1:
                return answer
            raise refused(not_found or what, answer)
        raise refused(what, answer)

    def get_json(self, what: str, target: str, *, not_found: str = "") -> Any:  # noqa: ANN401
        """Return the JSON value that a GET answers.

        Raises:
            FastScoreError: If there was none.
        """
        answer = self.call(
            what, "GET", target, headers=_JSON_HEADERS, not_found=not_found
        )
        return json_of(what, answer)

    def send_json(
        self,
        what: str,
        method: str,
        target: str,
        value: object,
        *,
        headers: Mapping[str, str] | None = None,
        repeat: bool | None = None,
        not_found: str = "",
    ) -> HttpAnswer:
        """Send a JSON value, also a falsy one.

        Raises:
            FastScoreError: If it was refused, or is no JSON value.
        """
        try:
            body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError as exc:
            raise FastScoreUsageError(f"{what}: {exc}") from exc
        merged = {**_JSON_BODY, **headers} if headers else _JSON_BODY
        return self.call(
            what,
            method,
            target,
            headers=merged,
            body=body,
            repeat=repeat,
            not_found=not_found,
        )

    def download(
        self,
        what: str,
        target: str,
        sink: BinaryIO,
        *,
        headers: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> HttpAnswer:
        """Write the body of a GET to a file; a broken connection is taken up again.

        Raises:
            FastScoreError: If the whole could not be had.
        """
        try:
            answer = download(
                self.peer, target, sink, headers=headers, progress=progress
            )
        except PilothouseError as exc:
            raise of_branch(what, exc) from exc
        if not answer.ok:
            raise refused(what, answer)
        return answer

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turn what reading an answer raises into an error of this client."""
        try:
            yield
        except ProtocolError as exc:
            raise FastScoreProtocolError(what, exc) from exc

    def login(self, username: str, password: SecretText) -> None:
        """Open a session; later calls carry it.

        Raises:
            FastScoreNotAuthorizedError: If the suite does not know the pair.
        """
        # frames show their variables in some tracebacks: none holds the text itself
        password = Secret(reveal(password) or "")
        self.peer.set_header("Cookie", None)
        try:
            answer = self.peer.call(
                "POST",
                "/1/login",
                headers={"Content-Type": mime.FORM_MIME},
                body=_form(username, password),
            )
        except PilothouseError as exc:
            raise of_branch("Unable to log in", exc) from exc
        session = self.peer.cookies.get(SESSION)
        if answer.status in {401, 403}:
            raise FastScoreNotAuthorizedError(
                "Access denied", refused("", answer).caused_by
            )
        if not answer.ok:
            raise refused("Unable to log in", answer)
        if session is None:
            raise FastScoreProtocolError("The suite opened no session at login")
        self.peer.set_header("Cookie", f"{SESSION}={session}")

    def set_authorization(self, value: SecretText | None) -> None:
        """Send an ``Authorization`` header as it is given; None: none."""
        self.peer.set_header("Authorization", reveal(value))

    def set_session(self, secret: SecretText | None) -> None:
        """Carry a session by its secret, ``s:<id>.<signature>``; None: none."""
        text = reveal(secret)
        cookie = None if text is None else f"{SESSION}={quote(unquote(text))}"
        self.peer.set_header("Cookie", cookie)

    def set_cookie(self, cookie: SecretText | None) -> None:
        """Send a ``Cookie`` header as it is given; None: none."""
        self.peer.set_header("Cookie", reveal(cookie))

    def pneumo_headers(self) -> dict[str, str]:
        """Return the credentials of a websocket handshake: one header, never both."""
        for name in ("Authorization", "Cookie"):
            value = self.peer.header(name)
            if value is not None:
                return {name: value}
        return {}


def json_of(what: str, answer: HttpAnswer) -> Any:  # noqa: ANN401 - JSON comes in
    """Return the JSON value of an answer.

    Raises:
        FastScoreProtocolError: If it holds none.
    """
    try:
        return orjson.loads(answer.body)
    except ValueError as exc:
        raise FastScoreProtocolError(f"{what}: the answer is no JSON", exc) from exc


_newest: list[Gateway] = []


def make_newest(gateway: Gateway) -> None:
    """Let instances that are made without a Connect belong to this one."""
    _newest[:] = [gateway]


def gateway_of(connect: Any) -> Gateway:  # noqa: ANN401 - Connect, which imports this
    """Return the gateway of a Connect; None: of the one made last.

    Raises:
        FastScoreError: If none was made yet.
    """
    if connect is not None:
        gateway: Gateway = connect.gateway
        return gateway
    if not _newest:
        raise FastScoreError(
            "no Connect has been made yet", hint="Connect('https://localhost:8000')"
        )
    return _newest[0]
