"""What one client has been told of the state, and the patch that brings it up to date.

A patch is made from what has changed since, never by comparing everything. Keys of both
maps are texts: real clients take them for that, and lose the connection otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .engine import Engine
from .entries import Instance

__all__ = ["View"]


class View:
    """The state as one client knows it.

    Args:
        engine: Whose state.
        slim: Whether the client can do without the instances' bytes.
    """

    def __init__(self, engine: Engine, *, slim: bool) -> None:
        self._engine = engine
        self._slim = slim
        self._models: dict[int, Instance] = {}
        self._actions: dict[int, Mapping[str, Any]] = {}
        self._changed: dict[tuple[str, int], None] = {}

    @property
    def is_stale(self) -> bool:
        """Whether the client lacks a change."""
        return bool(self._changed)

    def mark(self, kind: str, number: int) -> None:
        """Note that an instance or an action has changed."""
        self._changed[kind, number] = None

    def whole(self) -> list[dict[str, Any]]:
        """Return the patch that makes the whole state, whatever was there."""
        self._changed.clear()
        self._models = dict(self._engine.instances)
        self._actions = {n: action.entry for n, action in self._engine.actions.items()}
        value = {
            "models": {
                str(n): instance.to_wire(slim=self._slim)
                for n, instance in self._models.items()
            },
            "actions": {str(n): entry for n, entry in self._actions.items()},
        }
        return [{"op": "replace", "path": "", "value": value}]

    def patch(self) -> list[dict[str, Any]]:
        """Return the patch of all that has changed since."""
        changed, self._changed = self._changed, {}
        diff: list[dict[str, Any]] = []
        for kind, number in changed:
            diff += self._model(number) if kind == "models" else self._action(number)
        return diff

    def _model(self, number: int) -> list[dict[str, Any]]:
        before, now = self._models.get(number), self._engine.instances.get(number)
        path = f"/models/{number}"
        if now is before:
            return []
        if now is None:
            del self._models[number]
            return [{"op": "remove", "path": path}]
        self._models[number] = now
        if before is None:
            return [{"op": "add", "path": path, "value": now.to_wire(slim=self._slim)}]
        return _replaced(
            path, before.to_wire(slim=self._slim), now.to_wire(slim=self._slim)
        )

    def _action(self, number: int) -> list[dict[str, Any]]:
        action = self._engine.actions.get(number)
        before = self._actions.get(number)
        path = f"/actions/{number}"
        if action is None:
            if before is None:
                return []
            del self._actions[number]
            return [{"op": "remove", "path": path}]
        self._actions[number] = action.entry
        if before is None:
            return [{"op": "add", "path": path, "value": action.entry}]
        return _replaced(path, before, action.entry)


def _replaced(
    path: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the changes of an object's members; none of ours ever goes away."""
    return [
        {
            "op": "replace" if key in before else "add",
            "path": f"{path}/{key}",
            "value": value,
        }
        for key, value in now.items()
        if key not in before or (before[key] is not value and before[key] != value)
    ]
