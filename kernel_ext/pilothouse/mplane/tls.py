"""TlsState: with which certificate we speak, and who the peer is.

Without a configuration there is no TLS, and every peer is nobody in particular. With
one, both sides show certificates signed by the same authorities, and the identity of a
peer is the subject of the certificate that its connection was made with.

Source: contract §6.6. Opens no socket itself; `pool_for` gives a peer that does.
"""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from pilothouse.errors import SettingsError
from pilothouse.mplane import configuration
from pilothouse.mplane.certificate import identity_of, identity_of_pem
from pilothouse.mplane.media import MAX_RESULT_BYTES, NOBODY

if TYPE_CHECKING:
    from pilothouse.transport.http import HttpPeer

__all__ = ["TlsState"]

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_MAX_PEERS = 256


class TlsState:
    """Our side of TLS, and one connection pool for each peer.

    Args:
        config: Anything that `pilothouse.mplane.configuration.read` takes.
        forged_identity: Told to peers that ask nobody for a certificate; none of ours
            believes it.
        anonymous: Speak ``https`` without a certificate of one's own too; without a
            configuration there is none otherwise, as with the published peer.
        verify: How to check the peer's certificate then; as `HttpPeer`.

    Raises:
        SettingsError: If certificate, key or authorities cannot be used.
    """

    def __init__(
        self,
        config: configuration.Readable = None,
        forged_identity: str | None = None,
        *,
        anonymous: bool = False,
        verify: bool | str | None = None,
    ) -> None:
        self._tls = configuration.read(config).tls
        self._anonymous = anonymous
        self._verify = verify if self._tls is None else str(self._tls.ca_chain)
        self._forged = forged_identity
        self._lock = threading.Lock()
        self._peers: dict[str, HttpPeer] = {}
        self._trusted: dict[tuple[str, int | None], bool | str | None] = {}
        self._identity = NOBODY
        self._server_context: ssl.SSLContext | None = None
        if self._tls is not None:
            self._identity = _own_identity(self._tls)
            self._server_context = _server_context(self._tls)

    def __repr__(self) -> str:
        return f"<TlsState {self._identity if self.is_on else 'off'}>"

    @property
    def is_on(self) -> bool:
        """Whether TLS is configured."""
        return self._tls is not None

    def pool_for(
        self, scheme: str | None, host: str, port: int | None = None
    ) -> HttpPeer:
        """Return the connections to a host; the same ones each time.

        Args:
            scheme: ``http``, ``https``; None: whichever fits the configuration.
            host: Name or address.
            port: None: that of the scheme.

        Raises:
            ValueError: If the scheme is another, or needs a key that there is not.
        """
        from pilothouse.transport.http import HttpPeer  # only clients need it
        from pilothouse.transport.retries import Retries

        tls = self._tls
        scheme = scheme or ("http" if tls is None else "https")
        if scheme not in {"http", "https"}:
            raise ValueError(f"{scheme!r} is no scheme of mPlane; known: http, https")
        if scheme == "https" and tls is None and not self._anonymous:
            raise ValueError(
                f"https://{host} needs a certificate and a key of one's own: "
                "configure [TLS]"
            )
        origin = _origin(scheme, host, port)
        with self._lock:
            peer = self._peers.get(origin)
            if peer is None:
                if len(self._peers) >= _MAX_PEERS:
                    self._peers.pop(next(iter(self._peers))).close()
                peer = HttpPeer(
                    origin,
                    timeout=_ANSWER_SECONDS,
                    connect_timeout=_CONNECT_SECONDS,
                    verify=self._verify
                    if tls is not None
                    else self._trusted.get((host, port), self._verify),
                    cert=None if tls is None else (str(tls.cert), str(tls.key)),
                    retries=Retries(attempts=3, total=4.0),
                    max_answer_bytes=MAX_RESULT_BYTES,
                    protocol="mPlane",
                )
                self._peers[origin] = peer
        return peer

    def peer_for(self, url: str) -> tuple[HttpPeer, str]:
        """Return the connections to the host of a URL, and the rest of the URL.

        Raises:
            ValueError: If it names no host, or as `pool_for`.
        """
        parts = _split(url)
        target = parts.path or "/"
        if parts.query:
            target = f"{target}?{parts.query}"
        return self.pool_for(parts.scheme or None, parts.hostname or "", parts.port), (
            target
        )

    def trust(self, url: str, verify: bool | str | None) -> None:
        """Check the certificate of the host of a URL in another way, from now on.

        Without effect where the configuration names the authorities.

        Args:
            url: Any URL there.
            verify: As in the constructor.

        Raises:
            ValueError: If it names no host.
        """
        parts = _split(url)
        host = parts.hostname or ""
        with self._lock:
            if self._trusted.get((host, parts.port), self._verify) == verify:
                return
            self._trusted[host, parts.port] = verify
            peer = self._peers.pop(_origin("https", host, parts.port), None)
        if peer is not None:
            peer.close()

    def get_ssl_options(self) -> ssl.SSLContext | None:
        """Return what a server needs to speak TLS, None without TLS."""
        return self._server_context

    def extract_local_identity(self) -> str:
        """Return who we are."""
        return self._identity

    def extract_peer_identity(self, source: Any) -> str:  # noqa: ANN401 - as documented
        """Return who a peer is.

        Args:
            source: A URL, asked over a connection of ours; or a request that a server
                has received.

        Raises:
            TransportError: If the URL's host cannot be reached.
        """
        if not self.is_on:
            return NOBODY
        if isinstance(source, str):
            peer, target = self.peer_for(source)
            if not peer.certificate:
                peer.call("HEAD", target)
            return identity_of(peer.certificate) or NOBODY
        return identity_of(source.get_ssl_certificate()) or NOBODY

    def identity_at(self, url: str) -> str:
        """Return who answered at a URL before; asks nobody."""
        if not self.is_on:
            return NOBODY
        return identity_of(self.peer_for(url)[0].certificate) or NOBODY

    def forged_identity(self) -> str | None:
        """Return what is told to peers that ask for no certificate."""
        return self._forged

    def close(self) -> None:
        """Close idle connections; may be called twice, and the state used again."""
        with self._lock:
            peers = list(self._peers.values())
        for peer in peers:
            peer.close()


def _origin(scheme: str, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port is None else f"{scheme}://{name}:{port}"


def _split(url: str) -> SplitResult:
    parts = urlsplit(url if "//" in url else f"//{url}")
    if not parts.hostname:
        raise ValueError(f"{url!r} names no host")
    _ = parts.port  # raises ValueError where it is no number
    return parts


def _own_identity(tls: configuration.Tls) -> str:
    try:
        return identity_of_pem(tls.cert.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError) as exc:
        raise SettingsError(
            f"[TLS] cert: {str(tls.cert)!r} cannot be used: {exc}", protocol="mPlane"
        ) from exc


def _server_context(tls: configuration.Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(tls.ca_chain)
    except (OSError, ssl.SSLError) as exc:
        raise SettingsError(
            f"[TLS] ca-chain: {str(tls.ca_chain)!r} cannot be used: {exc}",
            protocol="mPlane",
        ) from exc
    try:
        context.load_cert_chain(tls.cert, tls.key, password="")
    except (OSError, ssl.SSLError, ValueError) as exc:
        raise SettingsError(
            f"[TLS] cert, key: {str(tls.cert)!r} and {str(tls.key)!r} cannot be used: "
            f"{exc}",
            protocol="mPlane",
        ) from exc
    return context
