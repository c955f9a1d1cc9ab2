"""Cells and pools: named values that all jets of an engine share.

Source: vendor manual, "Shared state"; real SDK 1.10.3.

    cells(name)  -> .value, .set(v), .update(f)
    pools(name)  -> .get(k), .set(k, v), .update(k, f)

A fresh cell, and a key that a pool does not have, is ``None``. `update` is atomic: of
two that run at once, the second sees what the first has made.

Where the values live is the affair of a `StateBackend`. It holds texts, not objects: a
service that keeps them never has to unpickle what a model has stored.
"""

from __future__ import annotations

import base64
import json
import pickle
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.values import Fields, Value

_FORMAT: Final = "pilothouse-state-1"
_PICKLE: Final = "$pickle"


class StateBackend(Protocol):
    """Holds packed values; `pool` is ``None`` for a cell."""

    def get(self, pool: str | None, key: str) -> str | None:
        """Return a packed value, or ``None`` if there is none."""

    def set(self, pool: str | None, key: str, packed: str) -> None:
        """Replace a packed value."""

    def update(
        self, pool: str | None, key: str, change: Callable[[str | None], str]
    ) -> str:
        """Replace a packed value by what `change` makes of it, atomically.

        Returns:
            The new one. `change` may be called again if another jet came first.
        """


class Cell:
    """One named value."""

    __slots__ = ("_backend", "name")

    def __init__(self, backend: StateBackend, name: str) -> None:
        self._backend = backend
        self.name = name

    def __repr__(self) -> str:
        return f"cells({self.name!r})"

    @property
    def value(self) -> Value:
        """The value; ``None`` if nothing was set yet."""
        return unpack(self._backend.get(None, self.name))

    @value.setter
    def value(self, value: Value) -> None:
        self.set(value)

    def get(self) -> Value:
        """Return the value."""
        return self.value

    def set(self, value: Value) -> None:
        """Replace the value."""
        self._backend.set(None, self.name, pack(value))

    def update(self, change: Callable[[Value], Value]) -> Value:
        """Replace the value by what a function makes of it, and return that."""
        return _update(self._backend, None, self.name, change)


class Pool:
    """Named values, by keys."""

    __slots__ = ("_backend", "name")

    def __init__(self, backend: StateBackend, name: str) -> None:
        self._backend = backend
        self.name = name

    def __repr__(self) -> str:
        return f"pools({self.name!r})"

    def get(self, key: object) -> Value:
        """Return the value of a key; ``None`` if it has none."""
        return unpack(self._backend.get(self.name, str(key)))

    def set(self, key: object, value: Value) -> None:
        """Replace the value of a key."""
        self._backend.set(self.name, str(key), pack(value))

    def update(self, key: object, change: Callable[[Value], Value]) -> Value:
        """Replace the value of a key by what a function makes of it."""
        return _update(self._backend, self.name, str(key), change)


@dataclass
class LocalState:
    """The state of one process, and the form in which a snapshot keeps it.

    Attributes:
        cells: Name -> packed value.
        pools: Name -> key -> packed value.
    """

    cells: dict[str, str] = field(default_factory=dict)
    pools: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()

    def get(self, pool: str | None, key: str) -> str | None:
        """Return a packed value, or ``None``."""
        with self._lock:
            return self._table(pool).get(key)

    def set(self, pool: str | None, key: str, packed: str) -> None:
        """Replace a packed value."""
        with self._lock:
            self._writable(pool)[key] = packed

    def update(
        self, pool: str | None, key: str, change: Callable[[str | None], str]
    ) -> str:
        """Replace a packed value by what `change` makes of it, under a lock."""
        with self._lock:
            packed = change(self._table(pool).get(key))
            self._writable(pool)[key] = packed
            return packed

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.cells.clear()
            self.pools.clear()

    def to_blob(self) -> bytes:
        """Return a snapshot: UTF-8 text, since the real SDK reads it as text."""
        with self._lock:
            image = {"format": _FORMAT, "cells": self.cells, "pools": self.pools}
            return json.dumps(image, separators=(",", ":")).encode()

    @classmethod
    def from_blob(cls, blob: bytes) -> LocalState:
        """Return the state that a snapshot holds.

        Raises:
            ProtocolError: If it is no snapshot of this kind.
        """
        try:
            image = Fields(json.loads(blob), "snapshot")
        except (ValueError, RecursionError) as exc:
            raise ProtocolError("the snapshot is corrupted: it is no text") from exc
        if image.raw("format", None) != _FORMAT:
            raise ProtocolError("the snapshot is corrupted, or of another engine")
        pools = image.mapping("pools")
        return cls(
            cells=_texts(image.mapping("cells")),
            pools={name: _texts(pool) for name, pool in pools.items()},
        )

    def replace(self, other: LocalState) -> None:
        """Take over all that another state holds."""
        with self._lock:
            self.cells = dict(other.cells)
            self.pools = {name: dict(pool) for name, pool in other.pools.items()}

    def _table(self, pool: str | None) -> Mapping[str, str]:
        return self.cells if pool is None else self.pools.get(pool, {})

    def _writable(self, pool: str | None) -> dict[str, str]:
        return self.cells if pool is None else self.pools.setdefault(pool, {})


def pack(value: Value) -> str:
    """Return a value as text: JSON where that says it all, else pickled.

    Raises:
        TypeError: If the value cannot be pickled.
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        if _same(json.loads(text), value) and not _looks_pickled(value):
            return text
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        data = pickle.dumps(value)
    except Exception as exc:
        raise TypeError(f"{type(value).__name__} cannot be shared: {exc}") from exc
    return json.dumps({_PICKLE: base64.b64encode(data).decode()})


def unpack(packed: str | None) -> Value:
    """Return the value that a text stands for; ``None`` for none.

    Only for the process that runs the model: it may unpickle.
    """
    if packed is None:
        return None
    value = json.loads(packed)
    if _looks_pickled(value):
        return pickle.loads(base64.b64decode(value[_PICKLE]))
    return value


def _update(
    backend: StateBackend,
    pool: str | None,
    key: str,
    change: Callable[[Value], Value],
) -> Value:
    def changed(packed: str | None) -> str:
        return pack(change(unpack(packed)))

    return unpack(backend.update(pool, key, changed))


def _looks_pickled(value: Value) -> bool:
    return isinstance(value, dict) and len(value) == 1 and _PICKLE in value


def _same(read: Value, value: Value) -> bool:
    """Tell whether JSON has kept a value with all its types; a tuple is no list."""
    if type(read) is not type(value):
        return False
    if isinstance(read, list):
        return len(read) == len(value) and all(
            _same(one, other) for one, other in zip(read, value, strict=True)
        )
    if isinstance(read, dict):
        return list(read) == list(value) and all(
            _same(inner, value[key]) for key, inner in read.items()
        )
    return bool(read == value)


def _texts(table: Any) -> dict[str, str]:  # noqa: ANN401 - JSON comes in
    if not isinstance(table, dict) or not all(
        isinstance(value, str) for value in table.values()
    ):
        raise ProtocolError("the snapshot is corrupted: a value is no text")
    return dict(table)
