"""A download that goes on where it broke off.

Source: RFC 9110 section 14 (range requests) and 13.1.5 (``If-Range``): the rest is
asked for only under the strong validator of the part that is there, so that two
versions of a file never get mixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import BinaryIO

from pilothouse import errors

from .answer import HttpAnswer, range_start
from .failure import TlsError
from .http import HttpPeer
from .retries import Retries
from .stream import HttpStream

__all__ = ["download"]

Progress = Callable[[int, int | None], None]


def download(
    peer: HttpPeer,
    target: str,
    sink: BinaryIO,
    *,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    retries: Retries | None = None,
    max_bytes: int | None = None,
) -> HttpAnswer:
    """Write the body of a GET to a file, in bounded memory.

    A connection that breaks is taken up again where it broke; tries are counted anew
    after each one that brought something.

    Args:
        peer: Whom to ask.
        target: Path and query below the peer's endpoint.
        sink: Seekable; what it holds is overwritten.
        headers: More headers.
        progress: Called with the bytes that are there and the whole size, if known.
        retries: Instead of the peer's.
        max_bytes: A longer body raises.

    Returns:
        The answer, with an empty body when it is a success, or else a refusal with its
        text.

    Raises:
        TransportError: If the rest could not be had.
        ProtocolError: If the body is longer than ``max_bytes``.
    """
    part = _Part(sink, max_bytes, progress, peer.protocol)
    policy = peer.retries if retries is None else retries
    tried, since = 0, time.monotonic()
    while True:
        tried += 1
        before = part.size
        try:
            with peer.stream(
                "GET", target, headers={**(headers or {}), **part.headers()}
            ) as answer:
                if not part.begin(answer):
                    return answer.answer()
                part.take(answer)
                return HttpAnswer(answer.status, answer.reason, answer.headers, b"")
        except TlsError:
            raise
        except (errors.ConnectError, errors.ConnectionLostError):
            if part.size > before:
                tried, since = 1, time.monotonic()
            pause = policy.pause(tried)
            if not policy.allows(tried, time.monotonic() - since, pause):
                raise
        time.sleep(pause)


class _Part:
    """The part of a file that is there already."""

    def __init__(
        self,
        sink: BinaryIO,
        max_bytes: int | None,
        progress: Progress | None,
        protocol: str,
    ) -> None:
        self.size = 0
        self._sink = sink
        self._max_bytes = max_bytes
        self._progress = progress
        self._protocol = protocol
        self._etag = ""
        self._total: int | None = None

    def headers(self) -> dict[str, str]:
        """Return what to ask with: for the rest, if it can be asked for safely."""
        if not self.size or not self._etag:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._etag}

    def begin(self, answer: HttpStream) -> bool:
        """Set the file up for the body of an answer; False when it is a refusal."""
        if answer.status == 206 and range_start(answer.headers) == self.size:
            return True
        if answer.status == 416:
            self._restart(answer)
            raise errors.ConnectionLostError(
                "the file changed while it was fetched", protocol=self._protocol
            )
        if answer.status != 200:
            return False
        self._restart(answer)
        return True

    def take(self, answer: HttpStream) -> None:
        """Write the body of an answer."""
        for chunk in answer.chunks(1 << 18):
            self._sink.write(chunk)
            self.size += len(chunk)
            if self._max_bytes is not None and self.size > self._max_bytes:
                raise errors.ProtocolError(
                    f"the file is longer than {self._max_bytes} bytes",
                    protocol=self._protocol,
                )
            if self._progress is not None:
                self._progress(self.size, self._total)
        if self._total is not None and self.size != self._total:
            raise errors.ConnectionLostError(
                f"{self.size} of {self._total} bytes came", protocol=self._protocol
            )

    def _restart(self, answer: HttpStream) -> None:
        self.size = 0
        self._sink.seek(0)
        self._sink.truncate()
        etag = answer.headers.get("ETag", "")
        self._etag = "" if etag.startswith("W/") else etag
        length = answer.headers.get("Content-Length", "")
        self._total = int(length) if length.isdigit() else None
