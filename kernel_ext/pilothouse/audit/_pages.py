"""The texts of a document laid out as pages: bounded, overlapping, each place known.

A page is what the rules read. It holds many short texts or a part of a long one; what
stands at its edges is seen again, with what is around it, on the next page:

    page = [ seen before ] body [ also on the next page ]

A finding belongs to the page whose body it begins in, so nothing is found twice and
nothing is missed that is shorter than an edge.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ._stream import Path

__all__ = ["EDGE", "Page", "Pages", "Place"]

EDGE: Final = 8 * 1024
"""How much of its neighbours a page shows, in characters."""

_SIZE: Final = 256 * 1024
_MARKS: Final = "\"'\n ,:>"
"""What stands before a run of base64."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text of the document is.

    Attributes:
        path: Keys and indices to it.
        line: Its line in a text of several, from 1.
        is_code: Whether it is the source of a code cell.
    """

    path: Path
    line: int = 1
    is_code: bool = False


@dataclass(slots=True)
class Page:
    """Some of the document's text, and where each part of it is from.

    Attributes:
        text: What the rules read.
        begin: Where its body begins.
        end: Where its body ends.
    """

    text: str
    begin: int
    end: int
    starts: list[int] = field(repr=False)
    places: list[Place] = field(repr=False)

    def place(self, at: int) -> Place:
        """Return where the character ``at`` is from."""
        index = bisect_right(self.starts, at) - 1
        place = self.places[index]
        passed = self.text.count("\n", self.starts[index], at)
        return Place(place.path, place.line + passed, place.is_code)


class Pages:
    """Takes texts in order, gives pages."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._begin = 0
        self._starts: list[int] = []
        self._places: list[Place] = []

    def add(self, text: str, place: Place) -> Iterator[Page]:
        """Take a text; yield a page when one is full."""
        if not text:
            return
        self._starts.append(self._length)
        self._places.append(place)
        self._parts.append(text)
        self._length += len(text)
        if self._length >= _SIZE:
            page = self._page(self._length - EDGE)
            yield page
            self._turn(page)

    def finish(self) -> Iterator[Page]:
        """Yield the last page."""
        if self._length:
            yield self._page(self._length)

    def _page(self, end: int) -> Page:
        text = "".join(self._parts)
        return Page(text, self._begin, end, self._starts, self._places)

    def _turn(self, page: Page) -> None:
        """Begin the next page with the end of the last one.

        Inside of a run of base64 it begins where four characters do, so that the run
        can be decoded from there.
        """
        cut = max(0, page.end - EDGE)
        run = max(page.text.rfind(mark, 0, cut) for mark in _MARKS) + 1
        cut -= (cut - run) % 4
        first = bisect_right(page.starts, cut) - 1
        self._places = [page.place(cut), *page.places[first + 1 :]]
        self._starts = [0, *(at - cut for at in page.starts[first + 1 :])]
        self._parts = [page.text[cut:]]
        self._length = len(page.text) - cut
        self._begin = page.end - cut
