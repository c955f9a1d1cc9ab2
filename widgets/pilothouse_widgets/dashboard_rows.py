"""From what clients tell to the rows of a dashboard; no I/O, no widget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .instance_report import making, rows_of
from .measurement_report import latest
from .measurement_source import report_of

if TYPE_CHECKING:
    from pilothouse.aimm import State
    from pilothouse.fastmap import Run
    from pilothouse.fastmap.wire.answers import RunInfo
    from pilothouse.mplane.measurement import Measurement

    from .dashboard_places import Elsewhere
    from .engine_report import EngineReport

__all__ = [
    "MOST_ROWS",
    "counts_of_instances",
    "elsewhere_row",
    "engine_row",
    "instance_rows",
    "measurement_row",
    "numbers_of",
    "remote_run_row",
    "run_row",
    "sorted_rows",
]

MOST_ROWS: Final = 24
"""Rows of a section; the page tells how many more there are."""

_MOST_LATEST: Final = 3
_MOST_CHARS: Final = 200
_STATES: Final = {"starting": "running", "ready": "running", "ended": "done"}

Row = dict[str, Any]


def engine_row(name: str, report: EngineReport | None) -> Row:
    """Return what a tile shows of one engine; a skeleton before its first report."""
    if report is None:
        return {"name": name, "state": "", "link": "connecting"}
    return {
        "name": name,
        "state": report.state,
        "model": report.model,
        "mtype": report.mtype,
        "jets": len(report.jets),
        "rate": round(report.rate(inputs=True), 2),
        "rate_out": round(report.rate(inputs=False), 2),
        "total": report.total(inputs=True),
        "rejected": report.rejected,
        "memory": report.memory_bytes,
        "error": report.error.summary[:_MOST_CHARS] if report.error else "",
        "link": report.link,
    }


def instance_rows(state: State) -> dict[str, Row]:
    """Return the instances: what runs first, then the newest."""
    found = {
        str(number): {**row, "busy": row["runs"]}
        for number, row in rows_of(state).items()
    }
    return sorted_rows(found, key=lambda row: row["id"])


def counts_of_instances(state: State) -> Row:
    """Return how many instances there are, by what their last action is doing."""
    rows = rows_of(state).values()
    running = sum(row["runs"] for row in rows)
    failed = sum(row["progress"] == "failed" for row in rows)
    return {
        "total": len(state.models),
        "running": running,
        "failed": failed,
        "idle": len(state.models) - running - failed,
        "making": making(state),
    }


def run_row(run: Run) -> Row:
    """Return how far a run of this process is."""
    progress = run.progress
    state = {"preparing": "running"}.get(str(progress.state), str(progress.state))
    is_over = progress.state.is_over
    eta = progress.eta
    return {
        "label": run.label or run.name,
        "name": run.name,
        "state": state,
        "busy": not is_over,
        "done": progress.done,
        "total": progress.total,
        "failed": progress.failed,
        "rate": 0.0 if is_over else round(progress.rate, 2),
        "eta": None if eta is None else round(eta, 1),
        "workers": len(progress.lanes),
        "seconds": round(progress.seconds, 1),
        "text": progress.error or progress.step,
        "mine": True,
    }


def remote_run_row(
    info: RunInfo, rate: float, now: float, total: int | None = None
) -> Row:
    """Return how far a run of another process is, as its service tells.

    When it has ended nobody tells, so how long it took is not known. Of how many items
    it has the service knows those that it was sent.

    Args:
        info: What the service tells.
        rate: Items in a second, lately.
        now: The time, in seconds since the epoch.
        total: Its items, where that is known.
    """
    is_open = info.queued + info.running > 0
    state = str(info.state)
    state = _STATES.get(state, state)
    is_busy = is_open and state in ("running", "kept")
    if state == "kept" and not is_open:
        state = "waits to be fetched"
    is_told = is_busy and total is not None and rate > 0
    left = max(0, (total or 0) - info.done)
    return {
        "label": info.label or info.name or info.run_id[:8],
        "name": info.name,
        "state": "running" if is_busy else state,
        "busy": is_busy,
        "done": info.done,
        "total": total,
        "failed": info.failed,
        "rate": round(rate, 2) if is_busy else 0.0,
        "eta": round(left / rate, 1) if is_told else None,
        "workers": info.running,
        "seconds": round(max(now - info.created, 0.0)) if is_busy else None,
        "text": "of another notebook",
        "mine": False,
    }


def measurement_row(measurement: Measurement) -> tuple[Row, Sequence[Any]]:
    """Return how a measurement of this process stands, and its newest rows."""
    report = report_of(measurement)
    newest = [
        [one["name"], one["value"], one["unit"]]
        for one in latest(report)
        if one["value"] is not None
    ]
    row = {
        "label": report.label,
        "state": report.state,
        "busy": not report.is_over,
        "scope": report.scope,
        "starts": report.starts,
        "ends": report.ends,
        "rows": report.row_count,
        "latest": newest[:_MOST_LATEST],
        "text": report.why_lost or (report.outcome if report.is_over else ""),
        "mine": True,
    }
    return row, numbers_of(report)


def numbers_of(report: Any) -> list[float | None]:  # noqa: ANN401
    """Return the values of the first column of numbers, the oldest first."""
    at = next((i for i, c in enumerate(report.columns) if c.is_number), None)
    if at is None:
        return []
    values = (row[at] for run in report.runs for row in run.rows)
    return [
        float(v) if isinstance(v, int | float) and not isinstance(v, bool) else None
        for v in values
    ]


def elsewhere_row(one: Elsewhere, now: float) -> Row:
    """Return what the scope of another process's measurement tells."""
    is_over = one.ends is not None and one.ends <= now
    state = "running" if one.begins <= now else "scheduled"
    return {
        "label": one.label,
        "state": "over" if is_over else state,
        "busy": not is_over,
        "scope": "",
        "starts": one.begins,
        "ends": one.ends,
        "rows": None,
        "latest": [],
        "text": "of another notebook",
        "mine": False,
    }


def sorted_rows(
    rows: Mapping[str, Row],
    *,
    key: Any = None,  # noqa: ANN401  a sort key
    most: int = MOST_ROWS,
) -> dict[str, Row]:
    """Return the rows at work first, then the newest, as many as a page shows."""
    items: Iterable[tuple[str, Row]] = reversed(list(rows.items()))
    if key is not None:
        items = sorted(rows.items(), key=lambda item: key(item[1]), reverse=True)
    ordered = sorted(items, key=lambda item: not item[1].get("busy"))
    return dict(ordered[:most])
