"""Pneumo: what the instances of a suite tell about themselves, live and of late.

Source: developer interface, "Pneumo".
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from pilothouse.errors import PilothouseError, ProtocolError
from pilothouse.transport.retries import Retries
from pilothouse.transport.websocket import FOREVER, Socket, SocketState

from .catching_up import CatchUp
from .errors import FastScoreProtocolError, FastScoreUsageError, of_branch
from .gateway import Gateway, SecretText
from .tables import table
from .wire.pneumo import (
    EngineConfigMsg,
    EngineStateMsg,
    HealthMsg,
    LogMsg,
    ModelConsoleMsg,
    ModelErrorMsg,
    ModelInputInfo,
    OtherMsg,
    PneumoMsg,
    SensorReportMsg,
    message_type,
    read_message,
)

__all__ = [
    "EngineConfigMsg",
    "EngineStateMsg",
    "HealthMsg",
    "LogMsg",
    "ModelConsoleMsg",
    "ModelErrorMsg",
    "ModelInputInfo",
    "OtherMsg",
    "Pneumo",
    "PneumoHistory",
    "PneumoMsg",
    "PneumoSock",
    "SensorReportMsg",
]

_ROUTE = "2/pneumo"
_WHAT = "Unable to receive Pneumo messages"


class PneumoSock:
    """The Pneumo websocket; connected when made, and again when it gets lost.

    What was told while the connection was lost is taken from the history, as far as
    that reaches back.

    Args:
        proxy_prefix: The suite, for instance ``"https://localhost:8000"``.
        timeout: Longest wait of `recv`, in seconds; None: for ever.
        src: Only messages of this instance.
        type: Only messages of this type, for instance ``"log"``.
        on_message: Called with each message on the reading thread, instead of `recv`.
        on_state: Called with each state of the connection.
        max_queue: Most messages that wait for `recv`; then the oldest are dropped.
        reconnect: How a lost connection is made anew; None: not at all.
        auth_secret: And the three others: credentials, as `Connect` takes them.
        verify: Check of certificates, as `Connect` takes it.

    Raises:
        FastScoreError: If there is no connection, or it is refused.
    """

    def __init__(
        self,
        proxy_prefix: str,
        timeout: float | None = None,
        src: str | None = None,
        type: str | None = None,
        *,
        on_message: Callable[[PneumoMsg], object] | None = None,
        on_state: Callable[[SocketState], object] | None = None,
        max_queue: int = 10_000,
        reconnect: Retries | None = FOREVER,
        auth_secret: SecretText | None = None,
        ldap_secret: SecretText | None = None,
        basic_auth_secret: SecretText | None = None,
        oauth_secret: SecretText | None = None,
        session_cookie: SecretText | None = None,
        verify: bool | str | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        if gateway is None:
            gateway = Gateway(proxy_prefix, verify=verify)
            if (ldap := ldap_secret or auth_secret) is not None:
                gateway.set_session(ldap)
            if session_cookie is not None:
                gateway.set_cookie(session_cookie)
            if (authorization := oauth_secret or basic_auth_secret) is not None:
                gateway.set_authorization(authorization)
        self.timeout = timeout
        self.src = src
        self.type = type
        self._on_message = on_message
        self._catch_up = CatchUp(gateway, src, type)
        # A socket with a callback lives on; another one ends when it is forgotten.
        owner = weakref.ref(self) if on_message is None else lambda: self
        query = urlencode([(k, v) for k, v in (("src", src), ("type", type)) if v])
        route = gateway.route("connect", _ROUTE)
        url = gateway.endpoint.websocket(route) + (f"?{query}" if query else "")
        self._socket = Socket(
            url,
            headers=gateway.pneumo_headers,
            origin=gateway.endpoint.origin,
            verify=gateway.peer.verify,
            on_text=lambda text: _handed_to(owner(), text),
            on_state=on_state,
            on_open=lambda socket: _opened(owner(), socket),
            max_queue=max_queue,
            reconnect=reconnect,
            protocol="FastScore",
        )
        try:
            self._socket.open()
        except PilothouseError as exc:
            raise of_branch("Unable to open the Pneumo websocket", exc) from exc
        # Left behind, a socket would go on reading for nobody.
        self._finalizer = weakref.finalize(self, Socket.close, self._socket)

    def __repr__(self) -> str:
        wanted = [f"{k}={v}" for k, v in (("src", self.src), ("type", self.type)) if v]
        return " ".join(["<PneumoSock", *wanted, f"{self.state}>"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def state(self) -> SocketState:
        """What the connection is doing."""
        return self._socket.state

    @property
    def dropped(self) -> int:
        """Messages that a full queue has dropped."""
        return self._socket.dropped

    def recv(self, timeout: float | None = None) -> PneumoMsg:
        """Return the next message.

        Args:
            timeout: Instead of the socket's own, in seconds.

        Raises:
            FastScoreTimeoutError: If none came in time; also a ``TimeoutError``.
            FastScoreConnectionLostError: If the socket is closed.
        """
        if self._on_message is not None:
            raise FastScoreUsageError("on_message takes the messages of this socket")
        wait = self.timeout if timeout is None else timeout
        try:
            text = self._socket.recv(wait)
        except PilothouseError as exc:
            raise of_branch(_WHAT, exc) from exc
        return _read(text)

    def __iter__(self) -> Iterator[PneumoMsg]:
        """Yield messages until the socket is closed or its timeout passes."""
        while True:
            try:
                yield self.recv()
            except (TimeoutError, PilothouseError) as exc:
                if isinstance(exc, ProtocolError):
                    raise
                return

    def close(self) -> None:
        """End the connection; may be called twice."""
        self._socket.close()

    def _arrived(self, text: str) -> None:
        if self._catch_up.is_new(text):
            self._take(text)

    def _take(self, text: str) -> None:
        if self._on_message is None:
            self._socket.put(text)
        else:
            self._on_message(_read(text))


def _handed_to(owner: PneumoSock | None, text: str) -> None:
    if owner is not None:
        owner._arrived(text)


def _opened(owner: PneumoSock | None, socket: Socket) -> None:
    """After a loss, take from the history what was missed."""
    if owner is not None and socket.connections > 1:
        for text in owner._catch_up.missed():
            owner._take(text)


class PneumoHistory(list[PneumoMsg]):
    """Messages of late, the newest last."""

    def _repr_html_(self) -> str:
        rows = [
            [f"{m.timestamp:%H:%M:%S}", m.src, message_type(m), _summary(m)]
            for m in self
        ]
        return table(["time", "source", "type", ""], rows, caption="Pneumo")


class Pneumo:
    """Pneumo of one Connect: ``connect.pneumo.socket()``, or ``connect.pneumo()``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __repr__(self) -> str:
        return f"<Pneumo at {self._gateway.prefix}>"

    def __call__(self, **options: Any) -> PneumoSock:  # noqa: ANN401 - as `socket`
        """Open a websocket; as `socket`."""
        return self.socket(**options)

    def socket(self, **options: Any) -> PneumoSock:  # noqa: ANN401 - of PneumoSock
        """Open a websocket, with the credentials of this Connect.

        Args:
            options: ``timeout``, ``src``, ``type`` and the others of `PneumoSock`.

        Raises:
            FastScoreError: If there is no connection, or it is refused.
        """
        socket = PneumoSock(self._gateway.prefix, gateway=self._gateway, **options)
        self._gateway.has_pneumo = True
        return socket

    def history(
        self,
        asjson: bool = False,
        *,
        src: str | None = None,
        type: str | None = None,
        count: int | None = None,
    ) -> PneumoHistory | list[dict[str, Any]]:
        """Return the messages of late, at most 60, the newest last.

        Args:
            asjson: Return them as they came, as dicts.
            src: Only those of this instance.
            type: Only those of this type.
            count: Only so many of the newest.

        Raises:
            FastScoreError: If they cannot be had.
        """
        what = "Unable to retrieve Pneumo history"
        found = self._gateway.get_json(what, self._gateway.route("connect", _ROUTE))
        with self._gateway.reading(what):
            pairs = [(item, read_message(item)) for item in found]
        # Filtered here: a real suite knows no filters for its history.
        kept = [
            pair
            for pair in pairs
            if (src is None or pair[1].src == src)
            and (type is None or message_type(pair[1]) == type)
        ]
        if count is not None:
            kept = kept[-count:] if count > 0 else []
        if asjson:
            return [item for item, _ in kept]
        return PneumoHistory(message for _, message in kept)


def _read(text: str) -> PneumoMsg:
    try:
        return read_message(orjson.loads(text))
    except (ValueError, ProtocolError) as exc:
        raise FastScoreProtocolError("A Pneumo message cannot be read", exc) from exc


def _summary(message: PneumoMsg) -> str:
    wire = message.to_wire()
    for key in ("src", "timestamp", "type"):
        wire.pop(key, None)
    return "  ".join(f"{key}: {value}" for key, value in wire.items())
