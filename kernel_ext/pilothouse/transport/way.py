"""The way to an address, step by step: proxy, name, port, TLS, an HTTP answer.

`look` goes it once, sends nothing but a ``HEAD`` without credentials, and says at which
step it ended and why, in words that name no host.
"""

from __future__ import annotations

import enum
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .endpoint import Endpoint

__all__ = ["Step", "Way", "look"]

_EXPIRED, _NOT_YET, _NAMES, _UNKNOWN = {10}, {9}, {62, 64}, {18, 19, 20, 21, 2}
_LONGEST_HEAD = 16 * 1024


class Step(enum.Enum):
    """Where the way ends."""

    OPEN = "open"
    PROXY = "proxy"
    NAME = "name"
    REFUSED = "refused"
    SILENT = "silent"
    EXPIRED = "expired"
    NOT_YET = "not yet valid"
    OTHER_NAME = "other name"
    UNKNOWN_CA = "unknown authority"
    NO_TLS = "no TLS there"
    TLS_THERE = "TLS there"
    TLS = "TLS"
    NO_HTTP = "no HTTP"


@dataclass(frozen=True, slots=True)
class Way:
    """How far one comes.

    Attributes:
        step: Where it ends.
        found: Why, in words; empty when it is open.
        date: What the peer takes for the time, as its answer says; may be empty.
    """

    step: Step
    found: str = ""
    date: str = ""


def look(url: str, verify: bool | str | None = None, *, timeout: float = 2.0) -> Way:
    """Return how far one comes on the way to a URL.

    Args:
        url: ``http``, ``https``, ``ws`` or ``wss``.
        verify: As `Endpoint.verify`.
        timeout: Longest wait at each step, in seconds.

    Raises:
        ValueError: If the URL is none.
    """
    endpoint = Endpoint.parse(url)
    if not endpoint.is_loopback:
        proxy = _proxy_of(endpoint)
        if proxy:
            return _by_proxy(proxy, timeout)
    parts = urlsplit(endpoint.url)
    port = parts.port or (443 if endpoint.is_secure else 80)
    place = (parts.hostname or "", port)
    try:
        with socket.create_connection(place, timeout) as sock:
            if not endpoint.is_secure:
                return _spoken_to(sock, place, timeout)
            context = _context(endpoint.verify(verify))
            with context.wrap_socket(sock, server_hostname=place[0]) as secure:
                return _spoken_to(secure, None, timeout)
    except socket.gaierror:
        return Way(Step.NAME, "its name is not known here")
    except ssl.SSLError as exc:
        return _of_tls(exc)
    except ConnectionRefusedError:
        return Way(Step.REFUSED, "nothing listens there")
    except TimeoutError:
        return Way(Step.SILENT, f"no answer within {timeout:g} s")
    except OSError as exc:
        return Way(Step.SILENT, exc.strerror or type(exc).__name__)


def _proxy_of(endpoint: Endpoint) -> str | None:
    given = getproxies()
    kind = "https" if endpoint.is_secure else "http"
    proxy = given.get(kind) or given.get("all")
    host = urlsplit(endpoint.url).hostname or ""
    return None if proxy is None or proxy_bypass(host) else proxy


def _by_proxy(proxy: str, timeout: float) -> Way:
    parts = urlsplit(proxy)
    try:
        place = (parts.hostname or "", parts.port or 8080)
        socket.create_connection(place, timeout).close()
    except (OSError, ValueError):
        return Way(Step.PROXY, "the proxy on the way does not answer")
    return Way(Step.OPEN)


def _context(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif isinstance(verify, str):
        is_folder = Path(verify).is_dir()
        context.load_verify_locations(**{"capath" if is_folder else "cafile": verify})
    return context


def _spoken_to(
    sock: socket.socket, place: tuple[str, int] | None, timeout: float
) -> Way:
    """Ask for the head of the first page; try TLS at ``place`` when that fails."""
    try:
        sock.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            if not (part := sock.recv(4096)):
                break
            head += part
    except OSError:
        head = b""
    if head.startswith(b"HTTP/"):
        return Way(Step.OPEN, date=_date(head))
    if place is not None and _speaks_tls(place, timeout):
        return Way(Step.TLS_THERE, "it speaks TLS, and the address says it does not")
    return Way(Step.NO_HTTP, "what answers speaks no HTTP")


def _speaks_tls(place: tuple[str, int], timeout: float) -> bool:
    try:
        with socket.create_connection(place, timeout) as sock:
            _context(verify=False).wrap_socket(sock).close()
    except OSError:
        return False
    return True


def _date(head: bytes) -> str:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "date":
            return value.strip()
    return ""


def _of_tls(exc: ssl.SSLError) -> Way:
    if isinstance(exc, ssl.SSLCertVerificationError):
        code = exc.verify_code
        if code in _EXPIRED:
            return Way(Step.EXPIRED, "its certificate has expired")
        if code in _NOT_YET:
            return Way(Step.NOT_YET, "its certificate is not valid yet")
        if code in _NAMES:
            return Way(Step.OTHER_NAME, "its certificate is for another name")
        if code in _UNKNOWN:
            return Way(Step.UNKNOWN_CA, "nobody known has signed its certificate")
        return Way(Step.TLS, "its certificate was refused")
    if exc.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return Way(Step.NO_TLS, "it speaks no TLS, and the address says it does")
    return Way(Step.TLS, f"no TLS with it: {exc.reason or type(exc).__name__}")
