"""Which cell made which source, so that an error can name the cell's own line."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Cell", "Cells", "below", "lines_before"]

_FRAME = re.compile(
    r'^(?P<indent>\s*)File "(?P<path>(?:<(?:model )?(?P<name>[^"]*)>)?[^"]*)", '
    r"line (?P<line>\d+)(?P<rest>.*)$"
)
_NUMBER = re.compile(r"In\[(\d+)\]")
_BEFORE: ContextVar[int] = ContextVar("pilothouse_lines_before", default=1)


def lines_before() -> int:
    """Return how many lines of its cell stand before the body of a magic."""
    return _BEFORE.get()


@contextmanager
def below(lines: int) -> Iterator[None]:
    """Let the body of a magic begin below so many lines, in this thread."""
    token = _BEFORE.set(lines)
    try:
        yield
    finally:
        _BEFORE.reset(token)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a cell magic.

    Attributes:
        execution: The number in ``In [n]``.
        source: The cell's body, without the line of the magic.
        before: Lines of the cell that come before the source.
    """

    execution: int
    source: str
    before: int = 1

    def line(self, number: int) -> int:
        """Return the line in the cell of a line in the body, both from 1."""
        return number + self.before

    def excerpt(self, number: int, around: int = 2) -> list[str]:
        """Return the lines around body line ``number``, the one marked."""
        lines = self.source.splitlines()
        first, last = max(1, number - around), min(len(lines), number + around)
        return [
            f"{'---->' if n == number else '     '} {self.line(n):>3} {lines[n - 1]}"
            for n in range(first, last + 1)
        ]


class Cells:
    """The latest cell of each name, and the cells that the shell has compiled.

    Args:
        compiled: Returns what the shell calls a compiled cell, by its file's name:
            ``("Cell", "In[5]")``; ``None`` for any other file.
    """

    def __init__(
        self, compiled: Callable[[str], tuple[str, str] | None] = lambda path: None
    ) -> None:
        self._cells: dict[str, Cell] = {}
        self._compiled = compiled

    def note(self, name: str, execution: int, source: str) -> Cell:
        """Remember that this cell made ``name``."""
        self._cells[name] = cell = Cell(execution, source, lines_before())
        return cell

    def get(self, name: str, source: str | None = None) -> Cell | None:
        """Return the cell of ``name``, if ``source`` is still what it held."""
        cell = self._cells.get(name)
        if cell is None or (source is not None and cell.source != source):
            return None
        return cell

    def relocate(self, traceback: str) -> str:
        """Return a remote traceback with the lines of the cells that it came from.

        A frame ``File "<model scorer>", line 7, in action`` becomes ``Cell In[5],
        line 8, in action`` with the lines around it, and so does one of a function
        that was defined in a cell; other frames stay as they are.
        """
        out: list[str] = []
        skip_code = False
        for line in traceback.splitlines():
            found = _FRAME.match(line)
            cell = self._of(found) if found else None
            if found and cell is not None:
                number = int(found["line"])
                place = f"Cell In[{cell.execution}], line {cell.line(number)}"
                out.append(f"{found['indent']}{place}{found['rest']}")
                excerpt = cell.excerpt(number)
                out.extend(f"{found['indent']}{each}" for each in excerpt)
                skip_code = bool(excerpt)
                continue
            is_code = line.startswith("    ") and not line.lstrip().startswith("File ")
            if skip_code and is_code:
                continue
            skip_code = False
            out.append(line)
        return "\n".join(out)

    def _of(self, found: re.Match[str]) -> Cell | None:
        """Return the cell that a frame is of."""
        named = self.get(found["name"]) if found["name"] else None
        if named is not None:
            return named
        number = _NUMBER.search(" ".join(self._compiled(found["path"]) or ()))
        source = "".join(linecache.getlines(found["path"])) if number else ""
        return Cell(int(number[1]), source, before=0) if number and source else None
