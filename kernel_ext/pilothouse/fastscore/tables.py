"""Tables for a notebook: HTML from plain values, without pandas.

Every text is escaped. Colours come from the theme's variables, so that a table reads in
light and in dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["MAX_ROWS", "facts", "table"]

MAX_ROWS = 100
"""Rows that a table shows; it says how many more there are."""

_TABLE = (
    "border-collapse:collapse;font-size:var(--jp-widgets-font-size,13px);"
    "color:var(--jp-content-font-color1,inherit)"
)
_CELL = (
    "padding:2px 12px 2px 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--jp-border-color2,rgba(128,128,128,.3));"
    "white-space:pre-wrap;max-width:40em;overflow-wrap:anywhere"
)
_NOTE = "color:var(--jp-content-font-color2,inherit);font-size:90%"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str = "",
    empty: str = "none",
    max_rows: int = MAX_ROWS,
) -> str:
    """Return an HTML table; what does not fit is counted, not dropped silently."""
    kept: list[Sequence[object]] = []
    total = 0
    for row in rows:
        total += 1
        if total <= max_rows:
            kept.append(row)
    title = f"<b>{escape(caption)}</b> " if caption else ""
    if not total:
        return f'<div style="{_NOTE}">{title}{escape(empty)}</div>'
    head = "".join(
        f'<th scope="col" style="{_CELL}">{escape(name)}</th>' for name in columns
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{_text(cell)}</td>' for cell in row)
        + "</tr>"
        for row in kept
    )  # fmt: skip
    note = f"{total} in all" if total <= max_rows else f"{max_rows} of {total} shown"
    return (
        f'<div>{title}<span style="{_NOTE}">{note}</span>'
        f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> str:
    """Return an HTML table of names and values about one thing."""
    body = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(name)}</th>'
        f'<td style="{_CELL}">{_text(value)}</td></tr>'
        for name, value in pairs
    )
    return f'<div><b>{escape(title)}</b><table style="{_TABLE}">{body}</table></div>'


def _text(cell: object) -> str:
    if cell is None:
        return ""
    text = str(cell)
    return escape(text if len(text) <= 2000 else f"{text[:2000]} …")
