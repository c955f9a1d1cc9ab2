"""The static snapshot: escaped HTML with inline styles, readable where no script runs.

It follows JupyterLab's theme by its variables and the page's own colours elsewhere. A
drawing is an image in an address: JupyterLab takes the tags of a drawing away where a
notebook is not trusted, and would leave the words of its axes. A sanitiser that strips
styles or images leaves plain tables and words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from . import words

__all__ = [
    "SERIES_COLOURS",
    "disclosure",
    "facts",
    "note",
    "page",
    "pre",
    "side_by_side",
    "svg",
    "table",
]

Floats = npt.NDArray[np.float64]

#: Colours of series that are clear on white and on black (contrast above 3 to 1).
SERIES_COLOURS = (
    "#2f81f7", "#d9622b", "#12908e", "#b05ad0",
    "#a67c00", "#5b8c2a", "#d6456b", "#6b7f95",
)  # fmt: skip

_BORDER = "1px solid var(--jp-border-color2,rgba(128,128,128,.4))"
_PLAIN = "/:,;=.'()"
_AXES = "#777"  # clear on white and on black, too: an image knows no theme
_WIDTH, _HEIGHT = 640, 160
_LEFT, _BOTTOM = 52, 18


def page(headline: str, body: str, *, trouble: str = "", foot: str = "") -> str:
    """Return the snapshot of a view: headline, body, what is wrong, a last line."""
    warning = note(trouble, colour="#c2410c") if trouble else ""
    last = (
        f'<div style="opacity:.7;font-size:11px;margin-top:6px">{escape(foot)}</div>'
        if foot
        else ""
    )
    return (
        f'<div style="border:{_BORDER};border-radius:6px;padding:10px 14px;'
        'max-width:960px;font-size:13px;line-height:1.45">'
        f'<div style="font-weight:600">{escape(headline)}</div>'
        f"{warning}{body}{last}</div>"
    )


def note(text: str, *, colour: str = "inherit") -> str:
    """Return a paragraph of text."""
    return f'<p style="margin:4px 0;color:{colour}">{escape(text)}</p>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values as one row of a table of two lines."""
    shown = [(name, value) for name, value in pairs if value]
    if not shown:
        return ""
    return table([name for name, _ in shown], [[value for _, value in shown]])


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, more: int = 0
) -> str:
    """Return a table; ``more`` rows that are not shown are told below it."""
    head = "".join(
        f'<th style="{_CELL};font-weight:600">{escape(c)}</th>' for c in columns
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{_cell(v)}</td>' for v in row) + "</tr>"
        for row in rows
    )
    rest = note(f"and {words.count(more)} more") if more > 0 else ""
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;'
        'margin:6px 0;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}"
    )


_CELL = f"text-align:left;padding:2px 12px 2px 0;border-bottom:{_BORDER}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return escape(words.number(value))
    return escape(str(value))


def pre(text: str) -> str:
    """Return text as it stands, in a box that scrolls."""
    return (
        '<pre style="overflow:auto;max-height:22em;margin:6px 0;font-size:12px">'
        f"{escape(text)}</pre>"
    )


def side_by_side(parts: Iterable[str]) -> str:
    """Return parts in one row, as far as there is room."""
    boxes = "".join(f'<div style="flex:1 1 300px">{part}</div>' for part in parts)
    return f'<div style="display:flex;flex-wrap:wrap;gap:4px 20px">{boxes}</div>'


def disclosure(summary: str, body: str) -> str:
    """Return a body that opens on a click, with no script."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def svg(lines: Sequence[tuple[str, Floats, Floats]], *, unit: str, about: str) -> str:
    """Return a drawing of several lines over one time or number axis.

    Args:
        lines: Label, x and y of each line; float64, shape (n,); x ascending.
        unit: Unit of y, at the axis.
        about: What stands for the drawing where it is not seen.
    """
    shown = [(label, x, y) for label, x, y in lines if len(x) > 1]
    if not shown:
        return note("no data yet")
    low_x = min(float(x[0]) for _, x, _ in shown)
    high_x = max(float(x[-1]) for _, x, _ in shown)
    low, high = _range([y for _, _, y in shown])
    paths = "".join(
        f"<path fill='none' stroke='{SERIES_COLOURS[i % 8]}' stroke-width='1.5' "
        f"d='{_path(x, y, (low_x, high_x), (low, high))}'/>"
        for i, (_, x, y) in enumerate(shown)
    )
    legend = " &nbsp; ".join(
        f'<span style="color:{SERIES_COLOURS[i % 8]}">&#9632;</span> {escape(label)}'
        for i, (label, _, _) in enumerate(shown)
    )
    grid = "".join(
        f"<line x1='{_LEFT}' x2='{_WIDTH}' y1='{y:.1f}' y2='{y:.1f}' "
        f"stroke='{_AXES}' stroke-opacity='.3'/>"
        f"<text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end' font-size='11' "
        f"font-family='sans-serif' fill='{_AXES}'>{escape(text)}</text>"
        for text, y in _ticks(low, high)
    )
    drawing = (
        "<svg xmlns='http://www.w3.org/2000/svg' "
        f"viewBox='0 0 {_WIDTH} {_HEIGHT}'>{grid}{paths}</svg>"
    )
    return (
        f'<img alt="{escape(about)}" '
        f'src="data:image/svg+xml,{quote(drawing, safe=_PLAIN)}" '
        f'style="width:100%;max-width:{_WIDTH}px;height:auto;display:block">'
        f'<div style="font-size:11px">{legend} &nbsp; {escape(unit)}</div>'
    )


def _range(columns: Sequence[Floats]) -> tuple[float, float]:
    finite = [y[np.isfinite(y)] for y in columns]
    filled = [y for y in finite if len(y)]
    if not filled:
        return 0.0, 1.0
    low = min(float(y.min()) for y in filled)
    high = max(float(y.max()) for y in filled)
    if low >= 0 and low < high * 0.5:
        low = 0.0
    if low == high == 0:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[tuple[str, float]]:
    """Return words and places of round values, with digits that tell them apart."""
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 4)
    marks = range(math.ceil(low / step), math.floor(high / step) + 1)
    scale, sign = words.scale(max(abs(low), abs(high)))
    places = max(0, math.ceil(-math.log10(step / scale) - 1e-9))
    return [
        (f"{i * step / scale:.{places}f}{sign if i else ''}", _y(i * step, low, high))
        for i in marks
    ]


def _y(value: float, low: float, high: float) -> float:
    return 8 + (1 - (value - low) / (high - low)) * (_HEIGHT - _BOTTOM - 8)


def _path(
    x: Floats, y: Floats, over: tuple[float, float], between: tuple[float, float]
) -> str:
    """Draw at most one minimum and one maximum for each two pixels."""
    low_x, high_x = over
    span = (high_x - low_x) or 1.0
    column = ((x - low_x) / span * (_WIDTH - _LEFT - 1) / 2).astype(np.int64)
    parts: list[str] = []
    pen = "M"
    for i in np.unique(column):
        here = y[column == i]
        here = here[np.isfinite(here)]
        if not len(here):
            pen = "M"
            continue
        at = _LEFT + float(i) * 2
        for value in dict.fromkeys((float(here.min()), float(here.max()))):
            parts.append(f"{pen}{at:.0f},{_y(value, *between):.1f}")
            pen = "L"
    return "".join(parts)
