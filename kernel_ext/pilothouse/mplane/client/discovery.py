"""Discovery: messages at a URL, also behind the links of a page."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from pilothouse.errors import PilothouseError
from pilothouse.mplane import model
from pilothouse.mplane.exchange import fetch
from pilothouse.mplane.media import Message
from pilothouse.mplane.tls import TlsState

from .crawl import CrawlParser

__all__ = ["Found", "discover", "root_of"]

log = logging.getLogger(__name__)

_MAX_PAGES = 2_000
_MAX_DEPTH = 8
_PATHS = ("/capability", "/capabilities")


@dataclass(frozen=True, slots=True)
class Found:
    """A message and where it was.

    Attributes:
        message: What a component shows: no envelope.
        url: Where it was fetched.
        identity: Who has shown it.
    """

    message: Message
    url: str
    identity: str


def discover(tls: TlsState, url: str, seen: Iterable[str] = ()) -> Iterator[Found]:
    """Yield what is at a URL, and behind the links of a page there.

    Each link is fetched from the host that it names; a link that cannot be fetched is
    logged, and the others are followed.

    Args:
        tls: Connections.
        url: A message, an envelope, or a page with links to such.
        seen: What was fetched on the way here.

    Raises:
        TransportError: If no usable answer came from `url` itself.
        RemoteError: If that refuses.
        ProtocolError: If that is no mPlane message.
    """
    known = {*seen, url}
    todo = [(url, 0)]
    while todo:
        at, depth = todo.pop(0)
        try:
            answered = fetch(tls, at, prefer="withdrawals")
        except (PilothouseError, ValueError) as exc:
            if at == url:
                raise
            log.warning("cannot fetch %s: %s", at, exc)
            continue
        if answered.message is not None:
            identity = tls.identity_at(at)
            for message in _flat(answered.message):
                yield Found(message, at, identity)
        elif depth < _MAX_DEPTH:
            for link in _links(answered.text, at) or _usual(at, url):
                if link not in known and len(known) < _MAX_PAGES:
                    known.add(link)
                    todo.append((link, depth + 1))


def root_of(url: str) -> str:
    """Return where messages go for capabilities that were found at a URL."""
    path = urlsplit(url).path
    for known in _PATHS:
        head, found, _ = path.partition(known)
        if found:
            return urljoin(url, head + "/")
    return urljoin(url, path or "/")


def _links(page: str, url: str) -> list[str]:
    parser = CrawlParser()
    parser.feed(page)
    links = [urljoin(url, each).partition("#")[0] for each in parser.urls]
    return [link for link in links if urlsplit(link).scheme in {"http", "https"}]


def _usual(at: str, url: str) -> list[str]:
    """Return where the links are of a component whose first page has none."""
    is_root = at == url and urlsplit(at).path in {"", "/"}
    return [urljoin(at, "/capability")] if is_root else []


def _flat(message: Message) -> Iterator[Message]:
    if isinstance(message, model.Envelope):
        for one in message.messages():
            yield from _flat(one)
    else:
        yield message
