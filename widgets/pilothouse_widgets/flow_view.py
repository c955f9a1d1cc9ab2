"""A plan of steps, live: a row for each, its time on one axis, what it waits for.

Bar, state and Cancel are those of every `Progress`; a step that waits for remote work
shows how far that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import traitlets

from . import words
from .assets import module
from .flow_report import SIGNS, rows_of
from .run_progress import Job, RunProgress

__all__ = ["FlowView"]

_COLOURS = {
    "done": "#1a7f37",
    "running": "#2f81f7",
    "failed": "#c2352b",
    "cancelled": "#9a6700",
    "detached": "#9a6700",
}
_INSTANT = 0.01
_CELL = "padding:2px 12px 2px 0;vertical-align:middle;text-align:left"


class FlowView(RunProgress):
    """A plan of steps; reads it in a thread until it ends.

    Args:
        flow: A `pilothouse.flow.Flow`.
        interval: Seconds between two looks.
    """

    _esm = module("flow.js")

    rows: traitlets.List[Any] = traitlets.List(help="One for each step.").tag(sync=True)
    now = traitlets.Float(0.0, help="Seconds since the start.").tag(sync=True)

    def __init__(
        self, flow: Job, *, interval: float = 0.25, tidy: Callable[[str], str] = str
    ) -> None:
        label = str(getattr(flow, "label", "")) or "plan"
        super().__init__(flow, label=label, unit="steps", interval=interval, tidy=tidy)

    def _look(self) -> str:
        state = super()._look()
        progress = self._job.progress
        with self._count_lock:
            self._now.update(
                rows=rows_of(progress.steps, progress.seconds),
                now=round(progress.seconds, 2),
                seconds=progress.seconds or None,
                told=0.0,
                step="",
            )
        self._numbers.put(None)
        return state

    def _spoken(self, now: Mapping[str, Any]) -> str:
        """Return which steps run and which failed: it is read out as that changes."""
        rows = now.get("rows", [])
        parts = [f"{self.label}: {now.get('state', 'running')}"]
        for state in ("running", "failed", "cancelled"):
            names = [row["name"] for row in rows if row["state"] == state]
            parts += [f"{', '.join(names)} {state}"] if names else []
        return "; ".join(parts)

    # -- forms ---------------------------------------------------------------------

    def body_html(self) -> str:
        """Return a table of the steps, each with its time on one axis."""
        if not self.rows:
            return ""
        span = max(self.now, 0.001)
        body = "".join(_row_html(row, span) for row in self.rows)
        return (
            '<div style="overflow-x:auto"><table style="border-collapse:collapse;'
            "table-layout:auto;width:100%;margin:6px 0;"
            'font-variant-numeric:tabular-nums">'
            f"<tbody>{body}</tbody></table></div>"
        )


def _spent(seconds: float) -> str:
    shown = words.duration(max(seconds, _INSTANT))
    return f"< {shown}" if seconds < _INSTANT else shown


def _row_html(row: Mapping[str, Any], span: float) -> str:
    state, colour = row["state"], _COLOURS.get(row["state"], "inherit")
    start = row["start"]
    end = span if row["end"] is None else row["end"]
    took = "" if start is None else _spent(end - start)
    block = ""
    if start is not None:
        block = (
            '<div style="position:absolute;top:0;bottom:0;min-width:2px;border-radius:'
            f"2px;left:{start / span:.2%};width:{max(end - start, 0) / span:.2%};"
            f'background:{colour}"></div>'
        )
    needs = f"needs {', '.join(row['needs'])}" if row["needs"] else ""
    said = "; ".join(dict.fromkeys(filter(None, (row["title"], row["text"]))))
    word = "done before" if row["before"] else state
    cells = (
        f'<td style="{_CELL};white-space:nowrap;color:{colour}">'
        f"{SIGNS.get(state, '')} {escape(word)}</td>",
        f'<td style="{_CELL};width:50%;overflow-wrap:anywhere" title="{escape(needs)}">'
        f"<strong>{escape(row['name'])}</strong><br>"
        f'<span style="font-size:11px;opacity:.8">{escape(said)}</span></td>',
        f'<td style="{_CELL};width:40%;min-width:120px"><div role="img" aria-label="'
        f'{escape(took or state)}" style="position:relative;height:12px;border-radius:'
        f'3px;background:rgba(128,128,128,.2)">{block}</div></td>',
        f'<td style="{_CELL};white-space:nowrap;text-align:right">{escape(took)}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>"
