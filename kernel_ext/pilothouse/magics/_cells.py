"""Which cell made which source, so that an error can name the cell's own line."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Cell", "Cells"]

_FRAME = re.compile(
    r'^(?P<indent>\s*)File "<(?:model )?(?P<name>[^"]*)>", line (?P<line>\d+)'
    r"(?P<rest>.*)$"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a cell magic.

    Attributes:
        execution: The number in ``In [n]``.
        source: The cell's body, without the line of the magic.
    """

    execution: int
    source: str

    def line(self, number: int) -> int:
        """Return the line in the cell of a line in the body, both from 1."""
        return number + 1

    def excerpt(self, number: int, around: int = 2) -> list[str]:
        """Return the lines around body line ``number``, the one marked."""
        lines = self.source.splitlines()
        first, last = max(1, number - around), min(len(lines), number + around)
        return [
            f"{'---->' if n == number else '     '} {self.line(n):>3} {lines[n - 1]}"
            for n in range(first, last + 1)
        ]


class Cells:
    """The latest cell of each name."""

    def __init__(self) -> None:
        self._cells: dict[str, Cell] = {}

    def note(self, name: str, execution: int, source: str) -> Cell:
        """Remember that this cell made ``name``."""
        self._cells[name] = cell = Cell(execution, source)
        return cell

    def get(self, name: str, source: str | None = None) -> Cell | None:
        """Return the cell of ``name``, if ``source`` is still what it held."""
        cell = self._cells.get(name)
        if cell is None or (source is not None and cell.source != source):
            return None
        return cell

    def relocate(self, traceback: str) -> str:
        """Return a remote traceback with the lines of the cells that made the models.

        A frame ``File "<model scorer>", line 7, in action`` becomes ``Cell In[5],
        line 8, in action`` with the lines around it; other frames stay as they are.
        """
        out: list[str] = []
        skip_code = False
        for line in traceback.splitlines():
            found = _FRAME.match(line)
            cell = self.get(found["name"]) if found else None
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
