"""What a stream is read from and written to."""

from __future__ import annotations

from pilothouse.errors import PilothouseError

__all__ = ["CHUNK_BYTES", "Reader", "StreamError", "Writer"]

CHUNK_BYTES = 256 * 1024
"""What is read at a time."""


class StreamError(PilothouseError):
    """A stream cannot be opened, or broke."""

    def __init__(self, message: str) -> None:
        super().__init__(message, protocol="FastScore")


class Reader:
    """A source of bytes, or of records where the transport keeps them apart."""

    async def open(self) -> None:
        """Begin.

        Raises:
            StreamError: If that is not possible.
        """

    async def read(self) -> list[bytes] | None:
        """Return what is there next, ``None`` at the end.

        Records one by one if the transport keeps their bounds, else pieces of one
        byte stream.

        Raises:
            StreamError: If the stream broke.
        """
        raise StreamError("this transport cannot be read")

    async def close(self) -> None:
        """Let go; may be called twice, and without `open`."""


class Writer:
    """A sink of bytes, or of records where the transport keeps them apart."""

    async def open(self) -> None:
        """Begin.

        Raises:
            StreamError: If that is not possible.
        """

    async def write(self, data: bytes) -> None:
        """Write a piece, or one record.

        Raises:
            StreamError: If the stream broke.
        """
        raise StreamError("this transport cannot be written")

    async def close(self) -> None:
        """End in order: what was written is there. May be called twice."""
