"""What a plan tells of its steps, in the form that a view shows."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, Final

from pilothouse.flow import StepReport
from pilothouse.flow.picture import SIGNS

from . import words
from .run_report import read

__all__ = ["SIGNS", "rows_of"]

_LONGEST: Final = 200
_MOST: Final = 64


def rows_of(steps: Iterable[StepReport], now: float) -> list[dict[str, Any]]:
    """Return a row for each step: text and numbers only.

    Args:
        steps: How each is.
        now: Seconds since the plan began.
    """
    shown = list(steps)[:_MOST]
    names = {one.name for one in shown}
    return [_row(one, names, now) for one in shown]


def _row(one: StepReport, names: Container[str], now: float) -> dict[str, Any]:
    fraction, far = _how_far(one, now)
    is_running = str(one.state) == "running"
    text = "" if str(one.state) == "done" else one.text
    return {
        "name": one.name,
        "title": one.step.title[:_LONGEST],
        "line": one.step.line,
        "state": str(one.state),
        "start": None if one.start is None else round(one.start, 2),
        "end": None if one.end is None else round(one.end, 2),
        "needs": [name for name in one.step.needs if name in names],
        "text": (far if is_running and far else text)[:_LONGEST],
        "far": far,
        "fraction": fraction,
        "before": one.start is None and str(one.state) == "done",
    }


def _how_far(one: StepReport, now: float) -> tuple[float | None, str]:
    """Return how far the remote work of a step is, as a part of 1 and in words."""
    if one.progress is None:
        return None, ""
    try:
        report = read(one.progress)
    except AttributeError:  # a handle of another make tells what it likes
        return None, ""
    parts = []
    fraction = None
    if report.total:
        fraction = round(min(report.done / report.total, 1.0), 3)
        parts.append(f"{words.count(report.done)} of {words.count(report.total)}")
    elif report.done:
        parts.append(f"{words.count(report.done)} so far")
    left = report.eta
    if left is None:
        left = _seconds(getattr(one.progress, "left", None))
        if left is not None:
            spent = now - (one.start or 0.0)
            fraction = fraction or round(spent / max(spent + left, 1e-3), 3)
    if left is not None and str(one.state) == "running":
        parts.append(f"{words.duration(left)} left")
    parts += [p for p in (report.text, report.step) if p and p != report.state]
    return fraction, ", ".join(parts)


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
