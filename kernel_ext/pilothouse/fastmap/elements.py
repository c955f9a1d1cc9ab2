"""The results of a map, one by one, out of the lists in which they come. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

__all__ = ["Elements"]


class Elements(Iterator[Any]):
    """An iterator over lists, for loops that have a million turns.

    Whoever iterates over it has the interpreter's own `chain`: no Python code runs
    between two results of one list.

    Args:
        lists: The lists of results.
    """

    def __init__(self, lists: Generator[list[Any], None, None]) -> None:
        self._lists = lists
        self._elements = chain.from_iterable(lists)

    def __iter__(self) -> Iterator[Any]:
        return self._elements

    def __next__(self) -> Any:  # noqa: ANN401  whatever the function gives
        return next(self._elements)

    def close(self) -> None:
        """End all that the map has begun."""
        self._lists.close()
