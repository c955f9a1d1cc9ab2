"""A shelf: things by token, and by label where they have one. No I/O, no locks."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Shelf"]

T = TypeVar("T")


class Shelf(Generic[T]):
    """Things by token, and by label where they have one."""

    def __init__(self) -> None:
        self._things: dict[str, T] = {}
        self._tokens: dict[str, str] = {}
        self._labels: dict[str, str] = {}

    def put(self, token: str, label: str | None, thing: T) -> None:
        """Keep something; this label leads to it from now on, no earlier one."""
        self._things[token] = thing
        if label is not None:
            if self._labels.get(token) != label:
                self._forget_label(token)
            self._tokens[label] = token
            self._labels[token] = label

    def drop(self, token: str) -> T | None:
        """Forget something."""
        self._forget_label(token)
        return self._things.pop(token, None)

    def _forget_label(self, token: str) -> None:
        label = self._labels.pop(token, None)
        if label is not None and self._tokens.get(label) == token:
            del self._tokens[label]

    def find(self, tol: str) -> str | None:
        """Return the token that a token or label means."""
        return tol if tol in self._things else self._tokens.get(tol)

    def get(self, tol: str) -> T | None:
        """Return what a token or label means."""
        token = self.find(tol)
        return None if token is None else self._things[token]

    def label(self, token: str) -> str | None:
        """Return the label that something was kept under."""
        return self._labels.get(token)

    def tokens(self) -> tuple[str, ...]:
        """Return all tokens in the order of their coming."""
        return tuple(self._things)

    def labels(self) -> tuple[str, ...]:
        """Return all labels in the order of their coming."""
        return tuple(self._tokens)
