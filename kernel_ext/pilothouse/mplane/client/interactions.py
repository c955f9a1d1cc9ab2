"""The handlers of a client that components come to.

Source: reference documentation, ``mplane.client.InteractionsHandler``; contract §6.4.

    POST register/capability     an envelope of capabilities
    GET  show/specification      what waits for the component that asks
    POST register/result         receipt, result, exception or envelope

Where registration and results have the same path, the kind of the message decides.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tornado.iostream import StreamClosedError

from pilothouse.mplane import model
from pilothouse.mplane.media import MEDIA_TYPE
from pilothouse.mplane.web import MessageHandler, RefusedError

if TYPE_CHECKING:
    from .listener import HttpListenerClient

__all__ = ["InteractionsHandler", "MPlaneHandler"]

log = logging.getLogger(__name__)

_MAX_SHOWN = 100


class MPlaneHandler(MessageHandler):
    """Base of the handlers; answers with a message, or with a refusal."""

    client: HttpListenerClient

    def initialize(self, *, client: HttpListenerClient, **_: Any) -> None:  # noqa: ANN401
        """Take what the application was made with."""
        self.client = client

    def identity(self) -> str:
        """Return who asks: the subject of the certificate, or nobody."""
        return self.client.tls_state.extract_peer_identity(self.request)


class InteractionsHandler(MPlaneHandler):
    """Registers components, hands specifications out and takes results."""

    async def get(self, *_: str) -> None:
        """Hand out what waits for the component that asks.

        Raises:
            RefusedError: If specifications are somewhere else.
        """
        if self._path() != self.client.paths.specification_path:
            raise RefusedError(401, f"nothing to fetch at {self._shown()!r}")
        identity = self.identity()
        waiting = self.client.take_waiting(identity)
        envelope = model.Envelope()
        try:
            for message in waiting:
                self._link(message)
                envelope.append_message(message)
            await self.respond(envelope)
        except StreamClosedError:
            log.info("%s has gone before its specifications came", identity)
            self.client.put_back(identity, waiting)

    async def post(self, *_: str) -> None:
        """Take capabilities or results.

        Raises:
            RefusedError: If it is neither.
        """
        if self.request.headers.get("Content-Type", "") != MEDIA_TYPE:
            raise RefusedError(400, f"Invalid format: {MEDIA_TYPE} is needed")
        message = self.read_message()
        paths, path = self.client.paths, self._path()
        is_result = _is_result(message)
        if path == paths.registration_path and not (
            path == paths.result_path and is_result
        ):
            if not isinstance(message, model.Envelope):
                raise RefusedError(400, "an envelope of capabilities is needed")
            self.generate_response(message)
        elif path == paths.result_path:
            if not is_result:
                raise RefusedError(401, f"{type(message).__name__} is no result")
            try:
                self.client.handle_message(message, self.identity())
            except ValueError as exc:
                raise RefusedError(400, str(exc)) from exc
            self.send_body(b"", "text/html")
        else:
            raise RefusedError(401, f"nothing is taken at {self._shown()!r}")

    def generate_response(self, env: model.Envelope) -> None:
        """Register capabilities, and answer what became of each of them."""
        identity = self.identity()
        told: dict[str, dict[str, str]] = {}
        for message in env.messages():
            name = message.get_label() or message.get_token() or "?"
            if isinstance(message, model.Capability):
                self.client.handle_message(message, identity)
                told[name] = {"registered": "ok"}
            elif isinstance(message, model.Withdrawal):
                self.client.handle_message(message, identity)
                told[name] = {"registered": "no", "reason": "Withdrawn"}
            else:
                told[name] = {"registered": "no", "reason": "Not a capability"}
        self.client.note_registration(identity, list(told))
        self.send_body(json.dumps(told).encode())

    def _path(self) -> str:
        return self.request.path.strip("/")

    def _shown(self) -> str:
        return self.request.path[:_MAX_SHOWN]

    def _link(self, message: object) -> None:
        """Tell where the result goes: what is configured, or where we were asked."""
        if not isinstance(message, model.Specification) or message.get_link():
            return
        link = self.client.paths.link
        if not link and urlsplit(f"//{self.request.host}").hostname:
            path = self.client.paths.result_path
            link = f"{self.request.protocol}://{self.request.host}/{path}"
        message.set_link(link)


def _is_result(message: object) -> bool:
    if isinstance(message, model.Envelope):
        return message.get_token() is not None or any(
            _is_result(one) for one in message.messages()
        )
    return isinstance(message, model.Receipt | model.Result | model.Exception)
