"""A sink that drops everything."""

from __future__ import annotations

from .base import Writer

__all__ = ["DiscardWriter"]


class DiscardWriter(Writer):
    """Drops every record."""

    async def write(self, data: bytes) -> None:
        """Drop a piece."""
