"""A plan as text: a row for each step, with its time on one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .steps import StepReport, StepState

if TYPE_CHECKING:
    from .flow import FlowProgress

__all__ = ["SIGNS", "drawn"]

SIGNS: Final = {
    StepState.WAITING: "\N{MIDDLE DOT}",
    StepState.RUNNING: "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}",
    StepState.DONE: "\N{CHECK MARK}",
    StepState.FAILED: "\N{MULTIPLICATION SIGN}",
    StepState.CANCELLED: "\N{BLACK SQUARE}",
    StepState.DETACHED: "\N{NORTH EAST ARROW}",
    StepState.SKIPPED: "\N{EN DASH}",
}
"""One sign for each state; the word always stands beside it."""

_WIDTH: Final = 24
_LONGEST: Final = 48


def drawn(now: FlowProgress) -> str:
    """Return a plan as text, for a terminal and for `print`."""
    names = max((len(one.name) for one in now.steps), default=0)
    span = max(now.seconds, 0.001)
    return "\n".join(_row(one, names, span).rstrip() for one in now.steps)


def _row(one: StepReport, width: int, span: float) -> str:
    state = f"{SIGNS[one.state]} {one.state}"
    took = f"{_until(one, span) - one.start:.1f} s" if one.start is not None else ""
    said = "" if one.state in (StepState.DONE, StepState.RUNNING) else one.text
    what = (said or one.step.title).partition("\n")[0]
    what = what if len(what) <= _LONGEST else f"{what[: _LONGEST - 1]}…"
    return f"{state:<11} {one.name:<{width}}  {_bar(one, span)} {took:>8}  {what}"


def _bar(one: StepReport, span: float) -> str:
    if one.start is None:
        return " " * _WIDTH
    first = min(int(one.start / span * _WIDTH), _WIDTH - 1)
    last = max(first + 1, round(_until(one, span) / span * _WIDTH))
    return f"{' ' * first}{'=' * (last - first)}"[:_WIDTH].ljust(_WIDTH)


def _until(one: StepReport, span: float) -> float:
    return span if one.end is None else one.end
