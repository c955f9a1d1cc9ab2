"""Who may call: one random token for each start of the services (contract §1.2).

    Authorization: <token>                     ; real SDK, oauth
    Authorization: Bearer ... Bearer <token>   ; any number of them: real SDK, Pneumo
    Authorization: Basic base64(user:token)    ; parts URL-quoted or raw: real CLI
    Cookie: connect.sid=<quoted session>       ; after a login
    Cookie: connect.sid=<session>
    Cookie: <session>                          ; real SDK after ldap_login
    session = "s:" hex "." signature           ; none of = ; + , in it

A session is signed, not stored: any number of logins takes no memory, and no session
outlives the process.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

__all__ = ["USER", "Credentials", "set_cookie"]

USER = "pilothouse"
"""The user name for Basic and for a login."""

COOKIE = "connect.sid"


class Credentials:
    """What a caller must show.

    Args:
        token: The token of this start; ``None`` lets everybody in (tests only).
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()
        self._key = secrets.token_bytes(32)

    @classmethod
    def random(cls) -> tuple[Credentials, str]:
        """Return new credentials and their token."""
        token = secrets.token_urlsafe(32)
        return cls(token), token

    def allow(self, headers: CIMultiDictProxy[str]) -> bool:
        """Return whether the headers of a request hold valid credentials."""
        if self._token is None:
            return True
        authorization = headers.get("Authorization")
        if authorization is not None and self._allow_authorization(authorization):
            return True
        return "Cookie" in headers and self._allow_cookies(headers.getall("Cookie"))

    def login(self, username: str, password: str) -> str | None:
        """Return the value of a new session cookie, or ``None``."""
        if not self._is_token(password) or not _same(username, USER):
            return None
        session_id = secrets.token_hex(16)
        return f"s:{session_id}.{self._signature(session_id)}"

    def _allow_authorization(self, value: str) -> bool:
        words = value.split()
        while words and words[0].lower() == "bearer":
            del words[0]
        if len(words) == 2 and words[0].lower() == "basic":
            return self._allow_basic(words[1])
        return len(words) == 1 and self._is_token(words[0])

    def _allow_basic(self, coded: str) -> bool:
        try:
            pair = base64.b64decode(coded, validate=True).decode()
        except (binascii.Error, ValueError):
            return False
        user, _, password = pair.partition(":")
        return any(
            _same(name, USER) and self._is_token(word)
            for name, word in ((user, password), (unquote(user), unquote(password)))
        )

    def _allow_cookies(self, values: Iterable[str]) -> bool:
        pieces = [piece.strip() for value in values for piece in value.split(";")]
        return any(
            self._is_session(unquote(piece.removeprefix(f"{COOKIE}=")))
            for piece in pieces[:100]
        )

    def _is_session(self, session: str) -> bool:
        session_id, _, signature = session.removeprefix("s:").partition(".")
        return session.startswith("s:") and _same(
            signature, self._signature(session_id)
        )

    def _signature(self, session_id: str) -> str:
        digest = hmac.digest(self._key, _bytes(session_id), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _is_token(self, word: str) -> bool:
        if self._token is None:
            return True
        return hmac.compare_digest(_bytes(word), self._token)


def set_cookie(session: str, *, is_secure: bool) -> str:
    """Return the value of ``Set-Cookie`` for a session."""
    secure = "; Secure" if is_secure else ""
    value = quote(session, safe="")
    return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(_bytes(given), expected.encode())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
