"""Collections of an instance: mappings whose content lies on the other side.

Each look asks the instance; nothing is cached, so nothing goes stale. Assignment is
refused: what is created or changed says so by a method of its own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, NoReturn, TypeVar

from .errors import FastScoreNotFoundError, FastScoreUsageError
from .tables import facts, table

__all__ = ["IdMapping", "InfoDict", "InfoList", "RemoteMapping"]

K = TypeVar("K")
V = TypeVar("V")


class RemoteMapping(Generic[K, V]):
    """What an instance holds, by name; the base of models, schemata and so on.

    ``in``, ``len``, ``names()``, ``keys()``, ``values()``, ``items()``, ``get()``,
    ``[name]`` and ``del [name]`` ask the instance. Iteration yields what the real SDK's
    collections yield: the things, not their names.
    """

    kind = "things"

    @abstractmethod
    def keys(self) -> list[K]:
        """Return the names, sorted as the instance lists them."""

    @abstractmethod
    def __getitem__(self, key: K) -> V:
        """Return one.

        Raises:
            FastScoreNotFoundError: If there is none of that name.
        """

    @abstractmethod
    def __delitem__(self, key: K) -> None:
        """Delete one.

        Raises:
            FastScoreNotFoundError: If there is none of that name.
        """

    def names(self) -> list[K]:
        """Return the names."""
        return self.keys()

    def values(self) -> Iterator[V]:
        """Yield the things, fetched one by one."""
        return (self[key] for key in self.keys())

    def items(self) -> Iterator[tuple[K, V]]:
        """Yield names and things, fetched one by one."""
        return ((key, self[key]) for key in self.keys())

    def get(self, key: K, default: Any = None) -> Any:  # noqa: ANN401 - as dict.get
        """Return one, or the default if there is none of that name."""
        try:
            return self[key]
        except FastScoreNotFoundError:
            return default

    def page(self, offset: int = 0, count: int = 100) -> list[K]:
        """Return some of the names: ``count`` of them from the ``offset``-th on."""
        if offset < 0 or count < 0:
            raise FastScoreUsageError("offset and count must not be negative")
        return self.keys()[offset : offset + count]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.keys())

    def __setitem__(self, key: K, value: V) -> NoReturn:
        raise FastScoreUsageError(
            f"{self.kind} cannot be assigned: make one and call its update()"
        )

    def __repr__(self) -> str:
        keys = self.keys()
        shown = ", ".join(map(str, keys[:10])) + (", …" if len(keys) > 10 else "")
        return f"<{len(keys)} {self.kind}: {shown}>" if keys else f"<no {self.kind}>"

    def _repr_html_(self) -> str:
        columns, rows = self._table()
        return table(columns, rows, caption=self.kind, empty=f"no {self.kind}")

    def _table(self) -> tuple[list[str], list[list[object]]]:
        return ["name"], [[key] for key in self.keys()]


class IdMapping(dict[K, V]):
    """What an instance listed at one moment, by id: a dict with ``ids()``.

    Source: developer interface, ``active_sensors.keys()`` and ``active_sensors.ids()``.
    """

    kind = "things"

    def ids(self) -> list[K]:
        """Return the ids."""
        return list(self)

    def names(self) -> list[K]:
        """Return the ids."""
        return list(self)

    def _repr_html_(self) -> str:
        columns, rows = self._table()
        return table(columns, rows, caption=self.kind, empty=f"no {self.kind}")

    def _table(self) -> tuple[list[str], list[list[object]]]:
        return ["id", "value"], [[key, value] for key, value in self.items()]


class InfoDict(dict[str, Any]):
    """A dict whose keys are attributes too, as the real SDK's answers have them.

    Source: developer interface shows dicts, the real SDK gives objects with
    ``to_dict()``.
    """

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a JSON value
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__} has no {name!r}; it has {', '.join(self)}"
            ) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict."""
        return dict(self)

    def _repr_html_(self) -> str:
        return facts("", self.items())


class InfoList(list[InfoDict]):
    """A list of answers with a table."""

    columns: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        columns = list(self.columns or (self[0] if self else ()))
        return table(columns, ([info.get(c) for c in columns] for info in self))
