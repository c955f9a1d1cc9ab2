"""Cells and pools as a model sees them: the engine holds them for all jets."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.fastscore.wire.values import Value

from .link import Link

__all__ = ["EngineBackend"]


class EngineBackend:
    """Asks the engine for every value; `update` holds the item meanwhile."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, pool: str | None, key: str) -> str | None:
        """Return a packed value, or ``None``."""
        value: str | None = self.raw("get", pool, key)
        return value

    def set(self, pool: str | None, key: str, packed: str) -> None:
        """Replace a packed value."""
        self.raw("set", pool, key, value=packed)

    def update(
        self, pool: str | None, key: str, change: Callable[[str | None], str]
    ) -> str:
        """Replace a packed value by what `change` makes of it."""
        old = self.raw("hold", pool, key)
        try:
            new = change(old)
        except BaseException:
            self.raw("drop", pool, key)
            raise
        self.raw("put", pool, key, value=new)
        return new

    def raw(self, operation: str, pool: str | None, key: str, **more: Value) -> Value:
        """Ask for one operation: get, set, hold, put or drop."""
        return self._link.ask({"op": operation, "pool": pool, "key": key, **more})
