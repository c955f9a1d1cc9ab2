"""gzip: written without a time stamp, opened with a bound on what comes out."""

from __future__ import annotations

import zlib
from typing import Final

from pilothouse.errors import ProtocolError

__all__ = ["bounded_gunzip", "gzip"]

_GZIP: Final = 31  # the window size that means "with a gzip header", in zlib's words


def gzip(data: bytes, level: int = 1) -> bytes:
    """Return data as one gzip member; the same data gives the same bytes.

    Args:
        data: What to compress.
        level: 0 stores, 1 is fast, 9 is small.
    """
    return zlib.compress(data, level, wbits=_GZIP)


def bounded_gunzip(data: bytes, limit: int) -> bytes:
    """Return what one gzip member holds; never more than the limit is opened.

    Args:
        data: One whole member, nothing behind it.
        limit: Most bytes to come out.

    Raises:
        ProtocolError: If it is something else, is cut off, or opens to more.
    """
    reader = zlib.decompressobj(wbits=_GZIP)
    try:
        opened = reader.decompress(data, limit + 1)
    except zlib.error as exc:
        raise _wrong(f"not gzip: {exc}") from None
    if len(opened) > limit:
        raise _wrong(f"it opens to more than {limit:,} bytes")
    if not reader.eof:
        raise _wrong("the gzip member is cut off")
    if reader.unused_data:
        raise _wrong("there are bytes behind the gzip member")
    return opened


def _wrong(what: str) -> ProtocolError:
    return ProtocolError(what, protocol="Fastmap")
