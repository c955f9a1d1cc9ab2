"""gzip: written without a time stamp, opened with a bound on what comes out."""

from __future__ import annotations

import zlib
from typing import Final

from pilothouse.errors import ProtocolError

__all__ = ["bounded_gunzip", "gzip"]

_GZIP: Final = 31  # the window size that means "with a gzip header", in zlib's words
_FEED_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 4 * 2**20  # zlib doubles its own buffer, up to twice the limit


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
    view = memoryview(data)
    pieces: list[bytes] = []
    opened = fed = 0
    try:
        while not reader.eof:
            taken = reader.unconsumed_tail or view[fed : fed + _FEED_BYTES]
            if not reader.unconsumed_tail:
                fed += len(taken)
            piece = reader.decompress(taken, _PIECE_BYTES)
            opened += len(piece)
            if opened > limit:
                raise _wrong(f"it opens to more than {limit:,} bytes")
            if not (taken or piece):
                raise _wrong("the gzip member is cut off")
            pieces.append(piece)
    except zlib.error as exc:
        raise _wrong(f"not gzip: {exc}") from None
    if reader.unused_data or fed < len(data):
        raise _wrong("there are bytes behind the gzip member")
    del view, data  # before all of it is there twice
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _wrong(what: str) -> ProtocolError:
    return ProtocolError(what, protocol="Fastmap")
