"""The head of an HTTP answer, read without the parser for e-mail.

The standard library hands the header lines of every answer to its parser for mail
messages; on a small answer that is a quarter of all the time a call takes. Here they
are cut at their first colon. What the rest of the answer is made of is left to the
standard library. Source: RFC 9112, sections 4 to 6.
"""

from __future__ import annotations

from http.client import (
    HTTPException,
    HTTPMessage,
    HTTPResponse,
    LineTooLong,
    UnknownProtocol,
)
from typing import Any, cast

__all__ = ["QuickResponse", "read_headers"]

_MAX_LINE = 65536
_MAX_HEADERS = 100
_NO_BODY = frozenset({204, 304})


class QuickResponse(HTTPResponse):
    """An answer of `http.client` whose headers are read here."""

    def begin(self) -> None:
        """Read status and headers; called by the connection."""
        private = cast("Any", self)
        if private.headers is not None:
            return
        while True:
            version, status, reason = private._read_status()
            headers = read_headers(self.fp)
            if status >= 200 or status == 101:
                break
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise UnknownProtocol(version)
        private.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if version in {"HTTP/1.0", "HTTP/0.9"} else 11
        self.headers = self.msg = headers
        coding = headers.get("transfer-encoding", "")
        private.chunked = coding.lower() == "chunked"
        private.chunk_left = None
        self.will_close = private._check_close()
        self.length = None if private.chunked else _length(headers)
        if status in _NO_BODY or status < 200 or private._method == "HEAD":
            self.length = 0
        if not self.will_close and not private.chunked and self.length is None:
            self.will_close = True


def read_headers(file: Any) -> HTTPMessage:  # noqa: ANN401 - a buffered reader
    """Read header lines up to the empty line.

    Raises:
        HTTPException: If a line has no colon, or there are too many of them.
    """
    found = HTTPMessage()
    name, value = "", ""
    for _ in range(_MAX_HEADERS + 1):
        line = file.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise LineTooLong("header line")
        text = line.decode("iso-8859-1")
        if text[:1] in {" ", "\t"} and name:
            value += " " + text.strip()  # a folded line: the old form of a long value
            continue
        if name:
            found.set_raw(name, value)
        if line in {b"\r\n", b"\n", b""}:
            return found
        name, colon, value = text.partition(":")
        if not colon or not name or name != name.strip():
            raise HTTPException(f"not a header line: {text.strip()[:80]!r}")
        value = value.strip()
    raise HTTPException(f"more than {_MAX_HEADERS} headers")


def _length(headers: HTTPMessage) -> int | None:
    given = headers.get("content-length")
    if given is None or not (given.isascii() and given.isdigit()):
        return None
    return int(given)
