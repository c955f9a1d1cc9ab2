"""mPlane messages as HTTP bodies: the media type, the identities, the limits.

Source: contract §6; real peers compare the whole Content-Type header, so it is written
without any parameter.

    body  = one JSON object, UTF-8
    type  = "application/x-mplane+json"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pilothouse.errors import PilothouseError, ProtocolError
from pilothouse.mplane import model

__all__ = [
    "COMPONENT_PORT",
    "LISTENER_PORT",
    "MAX_MESSAGE_BYTES",
    "MAX_RESULT_BYTES",
    "MEDIA_TYPE",
    "NOBODY",
    "Message",
    "Preferences",
    "body_of",
    "is_media_type",
    "message_of",
]

MEDIA_TYPE = "application/x-mplane+json"
NOBODY = "Identity.Unauthenticated.Default"
"""Who a peer without a certificate is."""

COMPONENT_PORT = 1228
LISTENER_PORT = 8888
MAX_MESSAGE_BYTES = 1 << 20
"""Longest specification, redemption or interrupt that a component reads."""
MAX_RESULT_BYTES = 1 << 27
"""Longest message with results that a client reads."""

_MAX_TEXT = 300

Message: TypeAlias = "model.Statement | model.Exception | model.Envelope"


def is_media_type(header: str | None) -> bool:
    """Tell whether a Content-Type is that of mPlane, whatever its parameters."""
    return (header or "").partition(";")[0].strip().lower() == MEDIA_TYPE


def message_of(body: bytes) -> Message:
    """Read a message.

    Raises:
        ProtocolError: If it is none; the text says why.
    """
    try:
        return model.parse_json(body.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise ProtocolError(f"not UTF-8: {exc}", protocol="mPlane") from None
    except Exception as exc:
        # A registry may be missing, a name unknown, a nesting too deep: the sender gets
        # an answer in any case.
        text = exc.message if isinstance(exc, PilothouseError) else str(exc)
        text = text or type(exc).__name__
        raise ProtocolError(
            f"not an mPlane message: {text[:_MAX_TEXT]}", protocol="mPlane"
        ) from exc


def body_of(message: Message, *, token_only: bool = False) -> bytes:
    """Write a message."""
    return model.unparse_json(message, token_only=token_only).encode("utf-8")


class Preferences:
    """What our clients ask beyond the protocol, in a ``Prefer`` header (RFC 7240).

    Real peers neither send nor need any of it.

    Attributes:
        partial_rows: Show the rows so far, from this one on; None: do not.
        respond_async: Answer a specification with its receipt soon.
        withdrawals: List withdrawn capabilities too.
        again: Repeat an answer that may have got lost on its way.
    """

    __slots__ = ("again", "partial_rows", "respond_async", "withdrawals")

    def __init__(self, header: str = "") -> None:
        found: dict[str, str] = {}
        for part in header.split(","):
            name, _, value = part.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
        rows = found.get("partial-results")
        self.partial_rows = (
            None if rows is None else int(rows) if _is_count(rows) else 0
        )
        self.respond_async = "respond-async" in found
        self.withdrawals = "withdrawals" in found
        self.again = "again" in found

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Preferences:
        """Return what a request prefers."""
        return cls(headers.get("Prefer", ""))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
