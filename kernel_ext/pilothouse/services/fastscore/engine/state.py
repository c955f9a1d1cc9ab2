"""Cells and pools: what the jets of an engine share.

The engine owns them; a jet asks over its socket and waits for the reply. An update is
atomic across jets: the jet holds the item while it computes the new value. The engine
never looks into a value: it is a text that the runtime inside the jet has made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from pilothouse.fastscore.runtime.state import LocalState

__all__ = ["SNAPSHOT_TYPE", "SharedState"]

SNAPSHOT_TYPE: Final = "pilothouse-json"

Reply: TypeAlias = Callable[[dict[str, Any]], None]
Item: TypeAlias = tuple[str | None, str]  # pool (None: a cell), key


class SharedState:
    """The cells and pools of one engine."""

    def __init__(self) -> None:
        self._values = LocalState()
        self._holders: dict[Item, object] = {}
        self._waiting: dict[Item, deque[tuple[object, Reply]]] = {}

    def ask(self, asker: object, request: dict[str, Any], reply: Reply) -> None:
        """Answer one request of a jet, now or when the item is free.

        Args:
            asker: The jet.
            request: ``op`` (get, set, hold, put, drop), ``pool``, ``key``, ``value``.
            reply: Takes ``{"value": ...}`` or ``{"error": text}``.
        """
        pool, key, value = request.get("pool"), request.get("key"), request.get("value")
        if not isinstance(key, str) or not isinstance(pool, str | None):
            reply({"error": "a cell, a pool and a key have names"})
            return
        item = (pool, key)
        operation = request.get("op")
        if operation in ("set", "put") and not isinstance(value, str):
            reply({"error": "a value is kept as text"})
        elif operation == "get":
            reply({"value": self._values.get(pool, key)})
        elif operation == "hold":
            self._hold(asker, item, reply)
        elif operation == "set":
            self._set(asker, item, str(value), reply)
        elif operation in ("put", "drop") and self._holders.get(item) is asker:
            if operation == "put":
                self._values.set(pool, key, str(value))
            self._free(item)
            reply({"value": None})
        else:
            reply({"error": f"cannot {operation!r} {key!r} now"})

    def release(self, asker: object) -> None:
        """Free what a jet holds or waits for: it has gone."""
        for item in list(self._waiting):
            left = deque(w for w in self._waiting[item] if w[0] is not asker)
            self._waiting[item] = left
        for item in [i for i, holder in self._holders.items() if holder is asker]:
            self._free(item)

    def clear(self) -> None:
        """Forget all cells and pools."""
        self._values.clear()
        self._holders.clear()
        self._waiting.clear()

    def snapshot(self) -> bytes:
        """Return everything as UTF-8 text."""
        return self._values.to_blob()

    def restore(self, blob: bytes) -> None:
        """Replace everything by what a snapshot holds.

        Raises:
            ProtocolError: If it is no snapshot of an engine.
        """
        self._values.replace(LocalState.from_blob(blob))

    def _hold(self, asker: object, item: Item, reply: Reply) -> None:
        if item not in self._holders:
            self._holders[item] = asker
            reply({"value": self._values.get(*item)})
        elif self._holders[item] is asker:
            reply({"error": f"{item[1]!r} is being updated already"})
        else:
            self._waiting.setdefault(item, deque()).append((asker, reply))

    def _set(self, asker: object, item: Item, value: str, reply: Reply) -> None:
        if self._holders.get(item, asker) is asker:
            self._values.set(*item, value)
            reply({"value": None})
            return

        def granted(_current: dict[str, Any]) -> None:
            self._values.set(*item, value)
            reply({"value": None})
            self._free(item)

        # Somebody updates it: the new value comes after that.
        self._waiting.setdefault(item, deque()).append((asker, granted))

    def _free(self, item: Item) -> None:
        self._holders.pop(item, None)
        waiting = self._waiting.get(item)
        if waiting:
            asker, reply = waiting.popleft()
            self._holders[item] = asker
            reply({"value": self._values.get(*item)})
        elif waiting is not None:
            del self._waiting[item]
