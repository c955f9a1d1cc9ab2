"""One kept-alive requests session for each endpoint, safe to share between threads.

A request is put together as a `PreparedRequest` and handed to the endpoint's adapter
directly: on small answers `requests.Session.request` spends more time on preparing and
merging than the wire takes. Environment (proxies, CA bundle) is read once, when the
peer is made. An answer of any status is returned; what raises is an error of
`pilothouse.errors`, translated here and nowhere else (`translate`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from http.cookies import CookieError, SimpleCookie
from typing import Any, BinaryIO, Self, cast
from urllib.parse import urljoin

import urllib3.exceptions as urllib3_errors
from requests import PreparedRequest, Response
from requests import exceptions as requests_errors
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.util import Timeout

from pilothouse import errors
from pilothouse.secrets import without_traces

from .answer import HttpAnswer, retry_after
from .endpoint import Endpoint
from .failure import ConnectTimedOutError, TlsError, causes, reason, told
from .quick_response import QuickResponse
from .retries import NO_RETRIES, Retries
from .stream import HttpStream

__all__ = ["IDEMPOTENT", "Body", "HttpPeer", "HttpStream", "TlsError", "translate"]

Body = bytes | BinaryIO | Iterable[bytes] | None

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_BUSY = frozenset({502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_CHUNK = 1 << 16


_R, _U = requests_errors, urllib3_errors

TRANSLATIONS: Mapping[type[BaseException], type[errors.TransportError]] = {
    _R.RequestException: errors.TransportError,
    _R.HTTPError: errors.TransportError,
    _R.ConnectionError: errors.ConnectionLostError,
    _R.ProxyError: errors.ConnectError,
    _R.SSLError: TlsError,
    _R.Timeout: errors.AnswerTimeoutError,
    _R.ConnectTimeout: ConnectTimedOutError,
    _R.ReadTimeout: errors.AnswerTimeoutError,
    _R.URLRequired: errors.ConnectError,
    _R.TooManyRedirects: errors.TransportError,
    _R.MissingSchema: errors.ConnectError,
    _R.InvalidSchema: errors.ConnectError,
    _R.InvalidURL: errors.ConnectError,
    _R.InvalidHeader: errors.TransportError,
    _R.InvalidProxyURL: errors.ConnectError,
    _R.InvalidJSONError: errors.TransportError,
    _R.JSONDecodeError: errors.TransportError,
    _R.ChunkedEncodingError: errors.ConnectionLostError,
    _R.ContentDecodingError: errors.ConnectionLostError,
    _R.StreamConsumedError: errors.TransportError,
    _R.RetryError: errors.TransportError,
    _R.UnrewindableBodyError: errors.TransportError,
    _U.HTTPError: errors.TransportError,
    _U.PoolError: errors.TransportError,
    _U.RequestError: errors.TransportError,
    _U.SSLError: TlsError,
    _U.ProxyError: errors.ConnectError,
    _U.DecodeError: errors.ConnectionLostError,
    _U.ProtocolError: errors.ConnectionLostError,
    _U.MaxRetryError: errors.ConnectError,
    _U.HostChangedError: errors.ConnectError,
    _U.TimeoutStateError: errors.TransportError,
    _U.TimeoutError: errors.AnswerTimeoutError,
    _U.ReadTimeoutError: errors.AnswerTimeoutError,
    _U.ConnectTimeoutError: ConnectTimedOutError,
    _U.NewConnectionError: errors.ConnectError,
    _U.NameResolutionError: errors.ConnectError,
    _U.EmptyPoolError: errors.TransportError,
    _U.FullPoolError: errors.TransportError,
    _U.ClosedPoolError: errors.ConnectionLostError,
    _U.LocationValueError: errors.ConnectError,
    _U.LocationParseError: errors.ConnectError,
    _U.URLSchemeUnknown: errors.ConnectError,
    _U.ProxySchemeUnknown: errors.ConnectError,
    _U.ProxySchemeUnsupported: errors.ConnectError,
    _U.ResponseError: errors.TransportError,
    _U.ResponseNotChunked: errors.ConnectionLostError,
    _U.BodyNotHttplibCompatible: errors.ConnectionLostError,
    _U.IncompleteRead: errors.ConnectionLostError,
    _U.InvalidChunkLength: errors.ConnectionLostError,
    _U.InvalidHeader: errors.TransportError,
    _U.HeaderParsingError: errors.TransportError,
    _U.UnrewindableBodyError: errors.TransportError,
    HTTPException: errors.ConnectionLostError,
    TimeoutError: errors.AnswerTimeoutError,
    ConnectionRefusedError: errors.ConnectError,
    socket.gaierror: errors.ConnectError,
    OSError: errors.ConnectionLostError,
}
"""What each exception of the libraries below becomes; the nearest base decides."""


def translate(
    exc: BaseException, *, peer: str, protocol: str = "", timeout: float | None = None
) -> errors.TransportError:
    """Return our error for what a library raised.

    Args:
        exc: What requests, urllib3, http.client or the socket raised.
        peer: Host and port, for the message.
        protocol: The system it concerns.
        timeout: The wait that ran out, in seconds, where one did.
    """
    if isinstance(exc, requests_errors.RequestException):
        exc.request = None  # it holds the headers, and so the credentials
    leaf = next(TRANSLATIONS[c] for c in type(exc).__mro__ if c in TRANSLATIONS)
    without_traces(exc)  # the frames below hold headers and bodies
    chain = list(causes(exc))
    if leaf is errors.ConnectionLostError and any(_never_connected(e) for e in chain):
        leaf = errors.ConnectError
    return told(leaf, reason(chain), peer=peer, protocol=protocol, timeout=timeout)


def _never_connected(exc: BaseException) -> bool:
    kinds = (_U.NewConnectionError, ConnectionRefusedError, socket.gaierror)
    return isinstance(exc, kinds)


class _Headers(dict[str, str]):
    """Headers or proxies by name only, also in a traceback that shows variables."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


class _Prepared(PreparedRequest):
    """A request whose path and query are known already."""

    path_and_query: str = ""


class _Adapter(HTTPAdapter):
    """An adapter for one endpoint: what never changes is worked out once."""

    def __init__(self, peer: HttpPeer, proxy: str | None, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size)
        self._peer = weakref.ref(peer)
        self._pool: HTTPConnectionPool | None = None
        self._lock = threading.Lock()
        self._whole_url = (
            proxy is not None
            and not peer.endpoint.is_secure
            and not proxy.lower().startswith("socks")
        )

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,  # noqa: ANN401 - the base's signature
    ) -> HTTPConnectionPool:
        pool = self._pool  # another thread may close it meanwhile
        if pool is None:
            with self._lock:
                pool = cast(
                    "HTTPConnectionPool",
                    super().get_connection_with_tls_context(
                        request, verify, proxies, cert
                    ),
                )
                cast("Any", super()).cert_verify(pool, request.url, verify, cert)
                pool.ConnectionCls = self._connection_class(pool, bool(verify))
                self._pool = pool
        return pool

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Do nothing: done once, where the pool is made."""

    def request_url(
        self, request: PreparedRequest, proxies: Mapping[str, str] | None
    ) -> str:
        if self._whole_url:
            return request.url or ""
        return cast("_Prepared", request).path_and_query

    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:
        # Not made in the usual way: jars and dicts that nobody asks for.
        response = Response.__new__(Response)
        response.raw = resp
        return response

    def _connection_class(
        self, pool: HTTPConnectionPool, verified: bool
    ) -> type[HTTPConnection]:
        base = cast("type[HTTPConnection]", pool.ConnectionCls)
        peer_ref = self._peer

        class Tracked(base):  # type: ignore[valid-type,misc] # http or https, as the pool
            """A connection that its peer can cut.

            Where not to verify was chosen, it is no reason for a warning.
            """

            response_class = QuickResponse

            def connect(self) -> None:
                super().connect()
                if not verified:
                    self.is_verified = True
                peer = peer_ref()
                if peer is not None:
                    peer._opened(self)

        return Tracked


class HttpPeer:
    """One endpoint, spoken to over kept-alive connections.

    Args:
        url: ``http://`` or ``https://``, host, port and a path below which targets lie.
            Credentials in it become the ``Authorization`` header.
        timeout: Longest wait for the answer to begin, and again for it to end, in
            seconds.
        connect_timeout: Longest wait for a connection, in seconds.
        verify: Check of certificates: True, False, a CA file or folder; None: off for
            this machine, on for every other.
        cert: Files of the certificate and the key to show to a server that asks.
        retries: For idempotent verbs, after a lost connection or 502, 503, 504.
        max_answer_bytes: An answer of `call` that is longer raises.
        protocol: The system spoken to, for the errors.
        pool_size: Connections kept open when idle.

    Raises:
        ValueError: If the URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        verify: bool | str | None = None,
        cert: tuple[str, str] | None = None,
        retries: Retries | None = None,
        max_answer_bytes: int = 1 << 28,
        protocol: str = "",
        pool_size: int = 32,
        user_agent: str = "pilothouse",
    ) -> None:
        self.endpoint = Endpoint.parse(url)
        if self.endpoint.scheme not in {"http", "https"}:
            raise ValueError(f"an HTTP peer needs http or https, got {url!r}")
        self.timeout = timeout
        self.retries = Retries() if retries is None else retries
        self.max_answer_bytes = max_answer_bytes
        self.protocol = protocol
        self._connect_timeout = connect_timeout
        self._verify = _with_environment(self.endpoint.verify(verify))
        self._cert = cert
        self._certificate: Mapping[str, Any] = {}
        proxies = (
            {} if self.endpoint.is_loopback else get_environ_proxies(self.endpoint.url)
        )
        self._proxies = _Headers(proxies)  # they may have passwords
        proxy = select_proxy(self.endpoint.url, self._proxies)
        self._adapter = _Adapter(self, proxy, pool_size)
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._aborted = False
        self._last_wait = timeout, Timeout(connect=connect_timeout, read=timeout)
        self._cookies: dict[str, str] = {}
        self._headers = _Headers({"User-Agent": user_agent})
        if self.endpoint.userinfo:
            self._headers["Authorization"] = self.endpoint.userinfo

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.endpoint.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def verify(self) -> bool | str:
        """What certificates are checked against; False: not at all."""
        return self._verify

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The server's certificate as `ssl` gives it; empty where none was checked."""
        return self._certificate

    @property
    def cookies(self) -> dict[str, str]:
        """A copy of the cookies that the peer has set, by name."""
        return dict(self._cookies)

    def header(self, name: str) -> str | None:
        """Return a header that goes with every request, or None."""
        return self._headers.get(name)

    def set_header(self, name: str, value: str | None) -> None:
        """Send a header with every request from now on; None stops that."""
        with self._lock:
            kept = _Headers(self._headers)
            for given in [key for key in kept if key.lower() == name.lower()]:
                del kept[given]
            if value is not None:
                kept[name] = value
            self._headers = kept

    def clone(self) -> HttpPeer:
        """Return a peer alike, with the same headers and connections of its own."""
        twin = HttpPeer(
            self.endpoint.url,
            timeout=self.timeout,
            connect_timeout=self._connect_timeout,
            verify=self._verify,
            cert=self._cert,
            retries=self.retries,
            max_answer_bytes=self.max_answer_bytes,
            protocol=self.protocol,
        )
        twin._headers = self._headers
        twin._cookies = self._cookies
        return twin

    def call(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        timeout: float | None = None,
        repeat: bool | None = None,
        max_bytes: int | None = None,
    ) -> HttpAnswer:
        """Send one request and return its whole answer, whatever its status.

        Args:
            method: The verb, upper case.
            target: Path and query below the endpoint, percent-encoded.
            headers: More headers; they win over those of the peer.
            body: Bytes, a binary file (sent from its position on) or an iterable of
                bytes. Without a ``Content-Length`` header the last is sent chunked.
            timeout: Instead of the peer's, in seconds.
            repeat: Whether it may be sent again; None: when the verb is idempotent.
            max_bytes: Instead of the peer's ``max_answer_bytes``.

        Raises:
            TransportError: If no usable answer came.
            ProtocolError: If the answer is longer than allowed.
        """
        wait = self.timeout if timeout is None else timeout
        limit = self.max_answer_bytes if max_bytes is None else max_bytes
        again = method in IDEMPOTENT if repeat is None else repeat
        rewind = _rewinder(body)
        retries = self.retries if again and rewind is not None else NO_RETRIES
        request = self._prepare(method, target, headers, body)
        tried, started = 0, time.monotonic()
        while True:
            tried += 1
            failure: errors.TransportError | None = None
            asked: float | None = None
            try:
                answer = self._exchange(request, wait, limit, tried)
            except TlsError:
                raise
            except (errors.ConnectError, errors.ConnectionLostError) as exc:
                failure = exc
            else:
                if answer.status not in _BUSY:
                    return answer
                asked = retry_after(answer.headers)
            pause = retries.pause(tried, asked)
            if self._aborted or not retries.allows(
                tried, time.monotonic() - started, pause
            ):
                if failure is not None:
                    raise failure
                return answer
            time.sleep(pause)
            if rewind is not None:
                rewind()

    @contextmanager
    def stream(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        timeout: float | None = None,
    ) -> Iterator[HttpStream]:
        """Send one request, once, and give its answer with the body still to be read.

        The connection goes back to the pool when the body was read to its end, and is
        closed otherwise.

        Raises:
            TransportError: If no usable answer came, also while the body is read.
        """
        wait = self.timeout if timeout is None else timeout
        raw = self._send(self._prepare(method, target, headers, body), wait)
        try:
            yield HttpStream(raw, lambda: self._translated(wait))
        except BaseException:
            raw.close()
            raise
        if raw.length_remaining == 0 or method == "HEAD":
            raw.release_conn()
        else:
            raw.close()

    def abort(self) -> None:
        """Cut every connection, also those that another thread waits on, for good."""
        with self._lock:
            self._aborted = True
            connections = list(self._connections)
        for connection in connections:
            _cut(connection)
        self.close()

    def close(self) -> None:
        """Close the idle connections; may be called twice, and the peer used again."""
        self._adapter.close()
        pool = self._adapter._pool
        self._adapter._pool = None
        if pool is not None:
            pool.close()

    def _opened(self, connection: HTTPConnection) -> None:
        shown: Mapping[str, Any] | None = getattr(
            connection.sock, "getpeercert", dict
        )()
        with self._lock:
            self._certificate = shown or {}
            self._connections.add(connection)
            aborted = self._aborted
        if aborted:
            _cut(connection)

    def _prepare(
        self, method: str, target: str, headers: Mapping[str, str] | None, body: Body
    ) -> _Prepared:
        request = _Prepared()
        request.method = method
        request.path_and_query = self.endpoint.path + target or "/"
        request.url = self.endpoint.origin + request.path_and_query
        merged = _Headers(self._headers)
        if headers:
            merged.update(headers)
        if isinstance(body, bytes):
            merged["Content-Length"] = str(len(body))
        request.body = cast("Any", body)
        # A plain dict does: the adapter looks "Content-Length" up under that very name.
        request.headers = cast("Any", merged)
        return request

    def _send(self, request: _Prepared, wait: float) -> HTTPResponse:
        with self._translated(wait):
            if self._aborted:
                raise ConnectionAbortedError("stopped by the caller")
            for _ in range(_MAX_REDIRECTS + 1):
                response = self._adapter.send(
                    request,
                    stream=True,
                    timeout=cast("Any", self._timeout_of(wait)),
                    verify=self._verify,
                    cert=self._cert,
                    proxies=self._proxies,
                )
                raw = cast("HTTPResponse", response.raw)
                if "Set-Cookie" in raw.headers:
                    self._keep_cookies(raw.headers.getlist("Set-Cookie"))
                if raw.status not in _REDIRECTS or not self._follow(request, raw):
                    return raw
                raw.drain_conn()
            raise requests_errors.TooManyRedirects(
                f"more than {_MAX_REDIRECTS} redirects"
            )

    def _timeout_of(self, wait: float) -> Timeout:
        known, timeout = self._last_wait
        if wait != known:
            timeout = Timeout(connect=self._connect_timeout, read=wait)
            self._last_wait = wait, timeout
        return timeout

    def _follow(self, request: _Prepared, raw: HTTPResponse) -> bool:
        """Turn the request to where a redirect points; only a read, on this origin."""
        location = raw.headers.get("Location")
        if request.method not in {"GET", "HEAD"} or not location:
            return False
        url = urljoin(request.url or "", location)
        origin = self.endpoint.origin
        if not url.startswith(origin + "/"):
            return False
        request.url = url.partition("#")[0]
        request.path_and_query = request.url[len(origin) :]
        return True

    def _exchange(
        self, request: _Prepared, wait: float, limit: int, tried: int
    ) -> HttpAnswer:
        raw = self._send(request, wait)
        try:
            with self._translated(wait):
                data = self._read(raw, time.monotonic() + wait, limit)
        except BaseException:
            raw.close()
            raise
        raw.release_conn()
        return HttpAnswer(raw.status, raw.reason or "", raw.headers, data, tried)

    def _read(self, raw: HTTPResponse, deadline: float, limit: int) -> bytes:
        data = raw.read1(_CHUNK, decode_content=True)
        if raw.length_remaining == 0:
            return data
        parts, size = [data], len(data)
        while data:
            if size > limit:
                raise errors.ProtocolError(
                    f"the answer of {self.endpoint.authority} is longer than "
                    f"{limit} bytes",
                    protocol=self.protocol,
                )
            if time.monotonic() > deadline:
                raise TimeoutError("the answer did not end")
            data = raw.read1(_CHUNK * 16, decode_content=True)
            parts.append(data)
            size += len(data)
        return b"".join(parts)

    def _keep_cookies(self, lines: list[str]) -> None:
        with self._lock:
            kept = dict(self._cookies)
            for line in lines:
                with suppress(CookieError):
                    for name, morsel in SimpleCookie(line).items():
                        kept.pop(name, None)
                        if morsel["max-age"] != "0" and morsel.coded_value:
                            kept[name] = morsel.coded_value
            self._cookies = kept

    def _translated(self, timeout: float) -> _Translated:
        return _Translated(self, timeout)


class _Translated:
    """Turns what the libraries raise in a ``with`` block into our errors."""

    __slots__ = ("_peer", "_timeout")

    def __init__(self, peer: HttpPeer, timeout: float) -> None:
        self._peer = peer
        self._timeout = timeout

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if exc is None or isinstance(exc, errors.PilothouseError):
            return
        if isinstance(exc, tuple(TRANSLATIONS)):
            peer = self._peer
            limit = (
                peer._connect_timeout
                if isinstance(exc, _R.ConnectTimeout | _U.ConnectTimeoutError)
                else self._timeout
            )
            raise translate(
                exc,
                peer=peer.endpoint.authority,
                protocol=peer.protocol,
                timeout=limit,
            ) from exc


def _with_environment(verify: bool | str) -> bool | str:
    if verify is not True:
        return verify
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return next((os.environ[n] for n in names if os.environ.get(n)), True)


def _rewinder(body: Body) -> Any:  # noqa: ANN401 - a function of no argument, or None
    """Return what brings a body back to its beginning, None when nothing can."""
    if body is None or isinstance(body, bytes):
        return lambda: None
    seek = getattr(body, "seek", None)
    if seek is None:
        return None
    start = cast("BinaryIO", body).tell()
    return lambda: seek(start)


def _cut(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
