"""The token of 64 characters: who asks, and the key that signs bodies.

    token      = bearer key
    bearer     = 32 * ( %x30-39 / %x61-7A )       ; travels with every request
    key        = 32 * ( %x30-39 / %x61-7A )       ; never travels; used as ASCII text
    signature  = lower-hex HMAC-SHA256(key, body)
    bound      = lower-hex HMAC-SHA256(key, "v1" LF request-signature LF status-word LF
                 credits LF lower-hex SHA-256(body))

Source: seed, "Authorization", "X-Content-Signature"; the real client 0.0.6 accepts
``[0-9a-z]{64}``. The bound signature is of this project (contract §5.3): it ties an
answer to its request, its word and its price.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

__all__ = [
    "Token",
    "bound_signature",
    "new_token",
    "same",
    "sign",
    "split",
    "verify",
]

_TOKEN: Final = re.compile(r"[0-9a-z]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A token, in its two halves; neither shows.

    Attributes:
        bearer: The half that travels.
        key: The half that signs.
    """

    bearer: str
    key: bytes

    def __repr__(self) -> str:
        return "Token(********)"


def new_token() -> str:
    """Return a token of 32 random bytes."""
    return secrets.token_hex(32)


def split(token: object) -> Token:
    """Return the two halves of a token.

    Raises:
        ValueError: If it is none; the message does not show it.
    """
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ValueError("a Fastmap token has 64 characters, digits and lower case")
    return Token(token[:32], token[32:].encode("ascii"))


def sign(key: bytes, *pieces: bytes) -> str:
    """Return the signature of a body, whole or in pieces."""
    if len(pieces) == 1:
        return hmac.digest(key, pieces[0], "sha256").hex()
    made = hmac.new(key, digestmod="sha256")
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()


def same(expected: str, given: str | None) -> bool:
    """Tell in constant time whether a signature is the expected one."""
    if given is None or not _SIGNATURE.fullmatch(given):
        return False
    return hmac.compare_digest(expected.encode(), given.encode())


def verify(key: bytes, body: bytes, signature: str | None) -> bool:
    """Tell in constant time whether a body has that signature."""
    return same(sign(key, body), signature)


def bound_signature(
    key: bytes, request_signature: str, status: str, credits: str, body: bytes
) -> str:
    """Return the signature that ties an answer to its request.

    Args:
        key: The second half of the token.
        request_signature: ``X-Content-Signature`` of the request.
        status: ``X-Status`` of the answer, as sent.
        credits: ``X-Credits`` of the answer, as sent; empty without one.
        body: Of the answer.
    """
    digest = hashlib.sha256(body).hexdigest()
    lines = "\n".join(("v1", request_signature, status, credits, digest))
    return sign(key, lines.encode())
