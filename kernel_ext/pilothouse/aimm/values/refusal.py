"""The refusal of a value that cannot travel, with its place in the call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.errors import PilothouseError

__all__ = ["CannotTravelError", "at", "at_attribute", "at_item"]


class CannotTravelError(PilothouseError, ValueError):
    """A value has no form on this wire; nothing of the call was sent.

    Attributes:
        path: Where the value stands, for instance ``args[0]["a"]``.
        what: What it is, and what is wrong with it.
    """

    def __init__(self, what: str, *, hint: str | None = None, path: str = "") -> None:
        self.what = what
        self.path = path
        text = f"{path} cannot travel: {what}" if path else f"cannot travel: {what}"
        super().__init__(text, protocol="AIMM", hint=hint)

    def inside(self, place: str) -> CannotTravelError:
        """Return the same refusal, one level further out."""
        return CannotTravelError(
            self.what, hint=self.hint or None, path=place + self.path
        )


@contextmanager
def at(place: str) -> Iterator[None]:
    """Say of a refusal inside where it happened."""
    try:
        yield
    except CannotTravelError as exc:
        raise exc.inside(place) from None


def at_item(key: int | str) -> str:
    """Return how an element or a value is written: ``[3]`` or ``["a"]``."""
    return f"[{key if isinstance(key, int) else json.dumps(key)}]"


def at_attribute(name: str) -> str:
    """Return how an attribute is written: ``.columns``."""
    return f".{name}"
