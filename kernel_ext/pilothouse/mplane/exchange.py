"""One message to a peer and its answer back, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.errors import (
    NotAuthorizedError,
    NotFoundError,
    ProtocolError,
    RemoteError,
)
from pilothouse.mplane import model
from pilothouse.mplane.media import (
    MEDIA_TYPE,
    Message,
    body_of,
    is_media_type,
    message_of,
)
from pilothouse.mplane.tls import TlsState
from pilothouse.transport.answer import HttpAnswer

__all__ = ["Answered", "fetch", "get", "post", "send"]

_MAX_SHOWN = 300
_ACCEPT = f"{MEDIA_TYPE}, text/html;q=0.5"


@dataclass(frozen=True, slots=True)
class Answered:
    """A component's answer.

    Attributes:
        message: The message; None where it sent none (a page, or nothing).
        text: The page; empty where it sent a message.
        partial_first: The component shows rows so far, from this one on; None: it
            gives the plain answer.
    """

    message: Message | None
    text: str = ""
    partial_first: int | None = None


def post(
    tls: TlsState,
    url: str,
    message: Message,
    *,
    prefer: str = "",
    repeat: bool = False,
    timeout: float | None = None,
) -> Answered:
    """Send a message and return the answer.

    Args:
        tls: Connections.
        url: Where to.
        message: What.
        prefer: What is asked beyond the protocol.
        repeat: It may be sent again when the connection breaks.
        timeout: Longest wait for the answer, in seconds.

    Raises:
        TransportError: If no usable answer came.
        RemoteError: If it is a refusal by status.
        ProtocolError: If it is no mPlane message.
    """
    answer = send(tls, url, message, prefer=prefer, repeat=repeat, timeout=timeout)
    return _read(answer, url)


def send(
    tls: TlsState,
    url: str,
    message: Message,
    *,
    prefer: str = "",
    repeat: bool = False,
    timeout: float | None = None,
) -> HttpAnswer:
    """Send a message and return the answer as it came, whatever its status.

    Raises:
        TransportError: If no usable answer came.
    """
    peer, target = tls.peer_for(url)
    headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
    if prefer:
        headers["Prefer"] = prefer
    forged = tls.forged_identity()
    if forged is not None and not tls.is_on:
        headers["Forged-MPlane-Identity"] = forged
    return peer.call(
        "POST",
        target,
        headers=headers,
        body=body_of(message),
        repeat=repeat,
        timeout=timeout,
    )


def fetch(tls: TlsState, url: str, *, prefer: str = "") -> Answered:
    """Fetch capabilities, or a page with links to them.

    Raises:
        TransportError: As `post`, and so the others.
    """
    return _read(get(tls, url, prefer=prefer), url)


def get(tls: TlsState, url: str, *, prefer: str = "") -> HttpAnswer:
    """Fetch something and return the answer as it came, whatever its status.

    Raises:
        TransportError: If no usable answer came.
    """
    peer, target = tls.peer_for(url)
    headers = {"Accept": _ACCEPT}
    if prefer:
        headers["Prefer"] = prefer
    return peer.call("GET", target, headers=headers)


def _read(answer: HttpAnswer, url: str) -> Answered:
    content_type = answer.headers.get("Content-Type", "")
    message = message_of(answer.body) if is_media_type(content_type) else None
    if not answer.ok:
        raise _refusal(answer, url, message)
    if message is None and content_type.partition(";")[0].strip() == "text/html":
        return Answered(None, text=answer.text)
    if message is None and answer.body:
        raise ProtocolError(
            f"{url} answers {content_type or 'without a type'}, not {MEDIA_TYPE}",
            protocol="mPlane",
            hint="is it an mPlane component?",
        )
    return Answered(message, partial_first=_first_of(answer.headers))


def _first_of(headers: Mapping[str, str]) -> int | None:
    name, _, value = headers.get("Preference-Applied", "").partition("=")
    if name.strip().lower() != "partial-results":
        return None
    return int(value) if value.isascii() and value.isdigit() else 0


def _refusal(answer: HttpAnswer, url: str, message: Message | None) -> RemoteError:
    if isinstance(message, model.Exception):
        why = message.errmsg()
    else:
        why = answer.reason or "no reason given"
    kind = {
        401: NotAuthorizedError,
        403: NotAuthorizedError,
        404: NotFoundError,
    }.get(answer.status, RemoteError)
    return kind(f"{url} answers {answer.status}: {why[:_MAX_SHOWN]}", protocol="mPlane")
