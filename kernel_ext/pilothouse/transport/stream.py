"""An answer whose body is still on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from urllib3 import HTTPResponse

from .answer import HttpAnswer

__all__ = ["HttpStream"]

_CHUNK = 1 << 16


class HttpStream:
    """An answer whose body is still on its way.

    Args:
        raw: The answer.
        translated: Makes a context that turns errors of the libraries into ours.

    Attributes:
        status: For instance 200.
        reason: The peer's words for it.
        headers: Looked up without regard to case.
    """

    def __init__(
        self, raw: HTTPResponse, translated: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.status = raw.status
        self.reason = raw.reason or ""
        self.headers: Mapping[str, str] = raw.headers
        self._raw = raw
        self._translated = translated

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    def chunks(self, size: int = _CHUNK) -> Iterator[bytes]:
        """Yield the body as it comes, at most ``size`` bytes at a time.

        Raises:
            TransportError: If it stops before its end.
        """
        with self._translated():
            while data := self._raw.read1(size, decode_content=True):
                yield data

    def read(self, limit: int = _CHUNK) -> bytes:
        """Return the body, of which at most ``limit`` bytes are taken."""
        kept = bytearray()
        for chunk in self.chunks():
            kept += chunk[: limit - len(kept)]
            if len(kept) >= limit:
                break
        return bytes(kept)

    def answer(self) -> HttpAnswer:
        """Return the whole as an answer; meant for a refusal, whose text is short."""
        return HttpAnswer(self.status, self.reason, self.headers, self.read())
