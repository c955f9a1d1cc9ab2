"""Where a peer is: a URL taken apart, without its credentials.

endpoint = scheme "://" [user [":" password] "@"] host [":" port] [path]
"""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["Endpoint", "is_loopback"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name alone (nothing is resolved)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A peer's address.

    Attributes:
        scheme: ``http``, ``https``, ``ws`` or ``wss``.
        host: Name or address, an IPv6 address without its brackets.
        port: Given, or the scheme's own.
        path: Begins with ``/`` or is empty; never ends with ``/``.
        userinfo: ``Basic`` credentials that stood in the URL, or ``""``; never shown.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    userinfo: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            ValueError: If it has no scheme of the four, no host or no valid port; the
                text never quotes credentials.
        """
        if "://" not in url:
            raise ValueError(
                f"{_without_userinfo(url)!r} is no URL; expected something like "
                "'https://localhost:8000'"
            )
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as exc:
            raise ValueError(f"{_without_userinfo(url)!r} is no URL: {exc}") from None
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise ValueError(
                f"{scheme!r} is no known scheme; known: http, https, ws, wss"
            )
        if not parts.hostname:
            raise ValueError(f"{_without_userinfo(url)!r} names no host")
        return cls(
            scheme=scheme,
            host=parts.hostname,
            port=port or _DEFAULT_PORTS[scheme],
            path=parts.path.rstrip("/"),
            userinfo=_basic(parts),
        )

    @property
    def authority(self) -> str:
        """Host and port, the port left out when it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        own = self.port == _DEFAULT_PORTS[self.scheme]
        return host if own else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The whole address without credentials."""
        return self.origin + self.path

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in {"https", "wss"}

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        return is_loopback(self.host)

    def verify(self, wish: bool | str | None) -> bool | str:
        """Return whether, and against what, certificates are checked.

        Args:
            wish: True, False, the path of a CA file or folder, or None for the default:
                off for this machine, on for every other.
        """
        return not self.is_loopback if wish is None else wish

    def websocket(self, path: str = "") -> str:
        """Return the websocket URL of a path below this endpoint."""
        scheme = _WEBSOCKET_SCHEMES[self.scheme]
        return f"{scheme}://{self.authority}{self.path}{path}"


def _basic(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _without_userinfo(url: str) -> str:
    head, sep, rest = url.partition("://")
    if not sep:
        head, rest = "", url
    return head + sep + rest.rpartition("@")[2]
