"""What magics return when the client has no object of its own for it."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import overload

__all__ = ["Note", "Page", "Table", "showing", "text_table"]

_SHORT = 24
"""The longest text of a cell, in characters, that is never broken."""


class Page(str):
    """A text that shows as itself: help, status, examples."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Note(str):
    """A remark beside a result, such as what was left out of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        style = "border-left:3px solid #b26a00;padding:2px 8px;margin:2px 0"
        return f'<div style="{style}">{html.escape(str(self))}</div>'


@contextmanager
def showing(kind: type[Warning]) -> Iterator[None]:
    """Show warnings of one kind as notes, without the place in the code."""
    seen: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            seen = caught
            warnings.simplefilter("always", kind)
            yield
    finally:
        for each in seen:
            _tell(each, kind)


def _tell(warning: warnings.WarningMessage, kind: type[Warning]) -> None:
    if issubclass(warning.category, kind):
        from IPython.display import display

        display(Note(warning.message))
        return
    warnings.showwarning(
        warning.message, warning.category, warning.filename, warning.lineno
    )


class Table(Sequence[Mapping[str, object]]):
    """Rows with the same columns; a table in a notebook, aligned text elsewhere.

    Args:
        columns: The names of the columns, in order.
        rows: One mapping for each row.
        empty: What to say when there are none.
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[Mapping[str, object]],
        *,
        empty: str = "nothing",
    ) -> None:
        self.columns = tuple(columns)
        self.rows = tuple(rows)
        self._empty = empty

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, object]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, object]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> Mapping[str, object] | Sequence[Mapping[str, object]]:
        return self.rows[index]

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return f"({self._empty})"
        return text_table(self.columns, self._cells(str))

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<em>{html.escape(self._empty)}</em>"
        head = "".join(
            f"<th scope='col' {_style(c)}>{html.escape(c)}</th>" for c in self.columns
        )
        body = "".join(
            "<tr>"
            + "".join(f"<td {_style(c)}>{html.escape(c)}</td>" for c in row)
            + "</tr>"
            for row in self._cells(str)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _cells(self, text: Callable[[object], str]) -> list[list[str]]:
        return [
            ["" if row.get(c) is None else text(row.get(c)) for c in self.columns]
            for row in self.rows
        ]


def _style(cell: str) -> str:
    """Return the style of a cell; a name or a few words stay on their line."""
    short = ";white-space:nowrap" if len(cell) <= _SHORT else ""
    return f"style='text-align:left{short}'"


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns with a rule below their names."""
    widths = [
        max(len(name), *(len(row[i]) for row in rows)) if rows else len(name)
        for i, name in enumerate(columns)
    ]
    lines = [columns, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
