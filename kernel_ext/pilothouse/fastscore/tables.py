"""Tables for a notebook: HTML from plain values, without pandas.

Every text is escaped. Colours come from the theme's variables, so that a table reads in
light and in dark.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["MAX_ROWS", "Code", "facts", "json_code", "json_facts", "table"]

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
_CODE = "font-family:var(--jp-code-font-family,monospace);font-size:92%"
_JSON_WIDTH = 76
_OPEN_LINES = 5
_NOTE = "color:var(--jp-content-font-color2,inherit);font-size:90%"


class Code(str):
    """Text in which each column counts; a long one opens on a click."""

    __slots__ = ()


def json_code(value: object, width: int = _JSON_WIDTH) -> Code:
    """Return JSON with as few lines as fit into ``width`` characters."""
    return Code("\n".join(_json_lines(value, "", "", width)))


def _json_lines(value: object, label: str, end: str, width: int) -> list[str]:
    flat = f"{label}{json.dumps(value, default=str)}{end}"
    if len(flat) <= width or not isinstance(value, dict | list) or not value:
        return [flat]
    if isinstance(value, dict):
        inner = [(f"{json.dumps(str(key))}: ", item) for key, item in value.items()]
    else:
        inner = [("", item) for item in value]
    lines = [label + ("{" if isinstance(value, dict) else "[")]
    for at, (name, item) in enumerate(inner, 1):
        comma = "," if at < len(inner) else ""
        lines += (f"  {x}" for x in _json_lines(item, name, comma, width - 2))
    return [*lines, ("}" if isinstance(value, dict) else "]") + end]


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
    head = f"<b>{escape(title)}</b>" if title else ""
    return f'<div>{head}<table style="{_TABLE}">{body}</table></div>'


def json_facts(value: object) -> list[tuple[str, object]]:
    """Return names and values for `facts` of a JSON object, or of another value."""
    if not isinstance(value, dict) or not value:
        return [("value", json_code(value))]
    return [
        (str(k), v if isinstance(v, str) else json_code(v)) for k, v in value.items()
    ]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    text = f"{cell:,.6g}" if isinstance(cell, float) else str(cell)
    shown = escape(text if len(text) <= 2000 else f"{text[:2000]} …")
    if not isinstance(cell, Code):
        return shown
    count = text.count("\n") + 1
    if count > _OPEN_LINES:
        shown = f"<details><summary>{count} lines</summary>{shown}</details>"
    return f'<div style="{_CODE}">{shown}</div>'
