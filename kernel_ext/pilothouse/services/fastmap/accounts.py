"""Who may call, and what they have spent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from pilothouse.fastmap.wire import token as tokens

from .options import FastmapOptions

__all__ = ["Account", "Accounts"]

_SCHEME = "bearer"


class Account:
    """One token.

    Args:
        token: Its two halves.
        options: Prices, and what may be spent.

    Attributes:
        name: Tells accounts apart, in folder names too; says nothing of the token.
        used: Credits spent.
    """

    def __init__(self, token: tokens.Token, options: FastmapOptions) -> None:
        self.token = token
        self.name = hashlib.sha256(b"fastmap\0" + token.key).hexdigest()[:32]
        self.used = 0.0
        self._options = options

    def price(self, seconds: float, size: int) -> float:
        """Return the price of a batch, in credits.

        Args:
            seconds: Time in the function.
            size: Bytes of results.
        """
        hours, gibs = seconds / 3600, size / 1024**3
        by_time = self._options.price_per_core_hour * hours
        return max(0.0, by_time + self._options.price_per_gib * gibs)

    def charge(self, credits: float) -> None:
        """Note what was spent."""
        self.used += credits

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be spent."""
        return 0 <= self._options.credits <= self.used

    @property
    def balance(self) -> float:
        """What may still be spent; less than 0 when the last batch took more."""
        return self._options.credits - self.used

    def __repr__(self) -> str:
        return f"<Account {self.name[:8]}>"


class Accounts:
    """All tokens of a service.

    Args:
        secrets: Each 64 characters.
        options: Prices.

    Raises:
        ValueError: If one is no token.
    """

    def __init__(self, secrets: Iterable[str], options: FastmapOptions) -> None:
        self._by_digest: dict[bytes, Account] = {}
        for secret in secrets:
            account = Account(tokens.split(secret), options)
            digest = _digest(account.token.bearer)
            if digest in self._by_digest:
                raise ValueError("two tokens have the same first half")
            self._by_digest[digest] = account
        self._nobody = _digest("")

    def find(self, authorization: str | None) -> Account | None:
        """Return whose ``Authorization`` header this is; it takes the same time."""
        scheme, _, bearer = (authorization or "").partition(" ")
        presented = _digest(bearer.strip())
        account = self._by_digest.get(presented)
        expected = self._nobody if account is None else _digest(account.token.bearer)
        is_same = hmac.compare_digest(presented, expected)
        return account if is_same and scheme.lower() == _SCHEME else None


def _digest(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode("utf-8", "surrogateescape")).digest()
