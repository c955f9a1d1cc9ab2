"""The way to an address, step by step: proxy, name, port, TLS, an HTTP answer.

`look` goes it once, sends nothing but a ``HEAD`` without credentials (a proxy gets what
its own address holds), and says at which step it ended and why, in words that name no
host.
"""

from __future__ import annotations

import base64
import enum
import socket
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .endpoint import Endpoint

__all__ = ["Step", "Way", "look"]

_EXPIRED, _NOT_YET, _NAMES, _UNKNOWN = {10}, {9}, {62, 64}, {18, 19, 20, 21, 2}
_LONGEST_HEAD = 16 * 1024
_BY_PROXIES = {403, 407, 502, 503, 504}
"""What a proxy answers in the place of a service."""


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
        status: Of its answer; 0 without one.
    """

    step: Step
    found: str = ""
    date: str = ""
    status: int = 0


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
    proxy = None if endpoint.is_loopback else _proxy_of(endpoint)
    if proxy is None:
        return _directly(endpoint, verify, timeout)
    way = _by_proxy(proxy, endpoint, verify, timeout)
    if way.step is not Step.OPEN or way.status not in _BY_PROXIES:
        return way
    # Where the service itself says the same, the proxy has only passed it on.
    if _directly(endpoint, verify, timeout).status == way.status:
        return way
    return Way(Step.PROXY, f"the proxy on the way answers {way.status}")


def _directly(endpoint: Endpoint, verify: bool | str | None, timeout: float) -> Way:
    place = _place_of(endpoint)
    try:
        with socket.create_connection(place, timeout) as sock:
            if not endpoint.is_secure:
                return _spoken_to(sock, place, timeout)
            return _securely(sock, endpoint, verify, timeout)
    except socket.gaierror:
        return Way(Step.NAME, "its name is not known here")
    except ConnectionRefusedError:
        return Way(Step.REFUSED, "nothing listens there")
    except OSError as exc:
        return _silent(exc, timeout)


def _place_of(endpoint: Endpoint) -> tuple[str, int]:
    parts = urlsplit(endpoint.url)
    return parts.hostname or "", parts.port or (443 if endpoint.is_secure else 80)


def _securely(
    sock: socket.socket, endpoint: Endpoint, verify: bool | str | None, timeout: float
) -> Way:
    host, _ = place = _place_of(endpoint)
    context = _context(endpoint.verify(verify))
    try:
        with context.wrap_socket(sock, server_hostname=host) as secure:
            return _spoken_to(secure, None, timeout)
    except ssl.SSLError as exc:
        way = _of_tls(exc)
    if way.step in (Step.EXPIRED, Step.NOT_YET):  # or is it a clock that is wrong?
        return replace(way, date=_date_at(place, timeout))
    return way


def _date_at(place: tuple[str, int], timeout: float) -> str:
    """Return what a peer takes for the time, whoever it is."""
    try:
        with (
            socket.create_connection(place, timeout) as sock,
            _context(verify=False).wrap_socket(sock) as secure,
        ):
            return _spoken_to(secure, None, timeout).date
    except OSError:
        return ""


def _silent(exc: OSError, timeout: float) -> Way:
    if isinstance(exc, TimeoutError):
        return Way(Step.SILENT, f"no answer within {timeout:g} s")
    return Way(Step.SILENT, exc.strerror or type(exc).__name__)


def _proxy_of(endpoint: Endpoint) -> str | None:
    given = getproxies()
    kind = "https" if endpoint.is_secure else "http"
    proxy = given.get(kind) or given.get("all")
    host = urlsplit(endpoint.url).hostname or ""
    return None if proxy is None or proxy_bypass(host) else proxy


def _by_proxy(
    proxy: str, endpoint: Endpoint, verify: bool | str | None, timeout: float
) -> Way:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        place = (parts.hostname or "", parts.port or 8080)
        with socket.create_connection(place, timeout) as sock:
            if parts.scheme != "http":  # it speaks something else than we do here
                return Way(Step.OPEN)
            if not endpoint.is_secure and endpoint.url.startswith("http:"):
                target = f"{endpoint.url.rstrip('/')}/"
                return _spoken_to(sock, None, timeout, target, _known_to(parts))
            status = _tunnel(sock, endpoint, _known_to(parts))
            if status // 100 != 2:
                says = f"answers {status}" if status else "does not answer"
                return Way(Step.PROXY, f"the proxy on the way {says}")
            if not endpoint.is_secure:
                return _spoken_to(sock, None, timeout)
            return _securely(sock, endpoint, verify, timeout)
    except (OSError, ValueError):
        return Way(Step.PROXY, "the proxy on the way does not answer")


def _known_to(proxy: SplitResult) -> str:
    """Return the line that a proxy wants to see of who is known to it."""
    if proxy.username is None:
        return ""
    known = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(known.encode()).decode()}\r\n"


def _tunnel(sock: socket.socket, endpoint: Endpoint, known: str) -> int:
    """Ask a proxy for the way to a service; return the status, 0 without one."""
    host, port = _place_of(endpoint)
    there = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    ask = f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n{known}\r\n"
    return _status(_head_of(sock, ask))


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
    sock: socket.socket,
    place: tuple[str, int] | None,
    timeout: float,
    target: str = "/",
    more: str = "",
) -> Way:
    """Ask for the head of a page; try TLS at ``place`` when that fails."""
    host = urlsplit(target).netloc or "localhost"
    ask = f"HEAD {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"
    head = _head_of(sock, ask)
    if head.startswith(b"HTTP/"):
        return Way(Step.OPEN, date=_date(head), status=_status(head))
    if place is not None and _speaks_tls(place, timeout):
        return Way(Step.TLS_THERE, "it speaks TLS, and the address says it does not")
    return Way(Step.NO_HTTP, "what answers speaks no HTTP")


def _head_of(sock: socket.socket, ask: str) -> bytes:
    """Send a request; return the head of the answer, empty without one."""
    head = b""
    try:
        sock.sendall(ask.encode())
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            if not (part := sock.recv(4096)):
                break
            head += part
    except OSError:
        return b""
    return head


def _status(head: bytes) -> int:
    words = head.split(maxsplit=2)
    is_http = len(words) > 1 and head.startswith(b"HTTP/")
    return int(words[1]) if is_http and words[1].isdigit() else 0


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
