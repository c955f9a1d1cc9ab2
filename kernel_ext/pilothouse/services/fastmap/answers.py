"""Replies: a status word, an exact content type, signatures.

Every reply has ``X-Status``; a MessagePack body unless it holds results. Real clients
compare the content type for equality: no ``; charset=`` may follow (contract §0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from pilothouse.fastmap.wire import headers, token
from pilothouse.fastmap.wire.answers import Reason
from pilothouse.fastmap.wire.words import Status, Vocabulary, word_for

from .accounts import Account

__all__ = ["Caller", "Refused", "Reply", "legacy_response", "to_response"]

_HEADER_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered, before words and signatures are put to it.

    Attributes:
        status: What it says.
        body: MessagePack, or results.
        code: HTTP status.
        is_results: Whether the body holds results.
        headers: Further headers.
        warning: For ``X-Server-Warning``; may be empty.
    """

    status: Status
    body: bytes = field(default=b"\x80", repr=False)
    code: int = 200
    is_results: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    warning: str = ""


class Refused(Exception):  # noqa: N818  (a refusal is an answer, not a fault)
    """A request that is understood, and refused.

    Args:
        code: HTTP status.
        status: What the reply says.
        reason: One sentence for the caller.
        body: Instead of the reason.
        headers: Further headers.
    """

    def __init__(
        self,
        code: int,
        status: Status,
        reason: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.status = status
        self.reason = reason
        self.body = body
        self.headers = headers or {}

    def reply(self) -> Reply:
        """Return it as a reply."""
        body = Reason(reason=self.reason).to_bytes() if self.body is None else self.body
        told = {headers.REASON: _plain(self.reason)} if self.reason else {}
        return Reply(
            status=self.status,
            body=body,
            code=self.code,
            headers={**told, **self.headers},
        )


@dataclass(slots=True)
class Caller:
    """What of a request decides how it is answered.

    Attributes:
        version: Its ``X-Client-Version``.
        signature: Its ``X-Content-Signature``, once that was checked; else empty.
        account: Whose request it is, once that is known.
        wants_bound: Whether it asked for a bound signature.
        vocabulary: Whose words.
    """

    version: str | None = None
    signature: str = ""
    account: Account | None = None
    wants_bound: bool = False
    vocabulary: Vocabulary = "auto"

    @property
    def is_release(self) -> bool:
        """Whether it is a client of the era, that knows nothing of our additions."""
        return self.version is not None and self.version.startswith("0.0.")


def to_response(reply: Reply, caller: Caller) -> web.Response:
    """Return a reply as a response, in the caller's words, signed if it is known."""
    word = word_for(reply.status, caller.version, caller.vocabulary)
    sent = dict(reply.headers)
    sent[headers.STATUS] = word
    sent["Content-Type"] = headers.OCTET_STREAM if reply.is_results else headers.MSGPACK
    if reply.warning:
        sent[headers.SERVER_WARNING] = _plain(reply.warning)
    if caller.account is not None:
        key = caller.account.token.key
        sent[headers.CONTENT_SIGNATURE] = token.sign(key, reply.body)
        if caller.wants_bound and caller.signature:
            sent[headers.BOUND_SIGNATURE] = token.bound_signature(
                key, caller.signature, word, sent.get(headers.CREDITS, ""), reply.body
            )
    return web.Response(body=reply.body, status=reply.code, headers=sent)


def legacy_response() -> web.Response:
    """Return what release 0.0.4 understands: JSON, and that it is out of date."""
    reason = "this service speaks the Fastmap API v1; update fastmap to 0.0.5 or newer"
    return web.Response(
        body=b'{"reason": "%s"}' % reason.encode(),
        status=410,
        headers={
            "Content-Type": "application/json",
            headers.STATUS: Status.DISCONTINUED.value,
            headers.REASON: reason,
        },
    )


def _plain(text: str) -> str:
    """Return text that may stand in a header: one line of ASCII, bounded."""
    one_line = " ".join(text.split())
    printable = "".join(c if c.isprintable() else " " for c in one_line)
    return printable.encode("ascii", "replace").decode()[:_HEADER_CHARACTERS]
