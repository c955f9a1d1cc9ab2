"""What a bench part measures, as figures; and the table that shows them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured, and what it is measured against.

    Attributes:
        what: The work, in a few words.
        measured: Our value.
        unit: Its unit.
        peers: Values of others for the same work in the same run, in the same unit.
        budget: What is to be reached, in words; empty when nothing is promised.
        reached: Whether it was; None when nothing is promised.
        note: What else to know, for instance a peer that could not be installed.
    """

    what: str
    measured: float
    unit: str
    peers: dict[str, float] = field(default_factory=dict)
    budget: str = ""
    reached: bool | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The figure, with the ratios of ours to each peer."""
        ratios = {who: self.measured / value for who, value in self.peers.items()}
        return {**asdict(self), "ratios": ratios}


def at_most(limit: float, what: str, measured: float, unit: str, **more: Any) -> Figure:
    """A figure that must not be higher than a limit."""
    return Figure(
        what=what,
        measured=measured,
        unit=unit,
        budget=f"at most {limit:g} {unit}",
        reached=measured <= limit,
        **more,
    )


def at_least(
    limit: float, what: str, measured: float, unit: str, **more: Any
) -> Figure:
    """A figure that must not be lower than a limit."""
    return Figure(
        what=what,
        measured=measured,
        unit=unit,
        budget=f"at least {limit:g} {unit}",
        reached=measured >= limit,
        **more,
    )


def times_the_peer(
    factor: float,
    who: str,
    what: str,
    measured: float,
    unit: str,
    *,
    ratio: float | None = None,
    **more: Any,
) -> Figure:
    """A figure that must be so many times a peer's, which is among ``peers``.

    Args:
        factor: How many times.
        who: The peer.
        what: As `Figure`.
        measured: As `Figure`.
        unit: As `Figure`.
        ratio: Ours to theirs, where the rounds were compared one by one.
        more: As `Figure`.
    """
    if ratio is None:
        ratio = measured / more["peers"][who]
    return Figure(
        what=what,
        measured=measured,
        unit=unit,
        budget=f"{factor:g} times {who}: {_short(ratio)}",
        reached=ratio >= factor,
        **more,
    )


class Rounds(dict[str, float]):
    """The median of each contestant, and how two of them compare round by round.

    Args:
        taken: What was measured, by contestant, one value for each round.
    """

    def __init__(self, taken: dict[str, list[float]]) -> None:
        super().__init__({who: statistics.median(v) for who, v in taken.items()})
        self._taken = taken

    def ratio(self, one: str, other: str) -> float:
        """The median of one to the other in the same round."""
        pairs = zip(self._taken[one], self._taken[other], strict=True)
        return statistics.median(a / b for a, b in pairs)


def in_turn(contestants: dict[str, Callable[[], float]], rounds: int) -> Rounds:
    """Measure several in turn, so often.

    Taking turns lets a machine that is busy for a while slow all of them down.
    """
    taken: dict[str, list[float]] = {who: [] for who in contestants}
    for _ in range(rounds):
        for who, measure in contestants.items():
            taken[who].append(measure())
    return Rounds(taken)


def table(figures: Iterable[Figure]) -> str:
    """The figures as lines of text in columns."""
    rows: list[Sequence[str]] = [("work", "measured", "others", "budget", "")]
    for figure in figures:
        others = ", ".join(f"{who} {_short(v)}" for who, v in figure.peers.items())
        verdict = {True: "ok", False: "SHORT", None: ""}[figure.reached]
        measured = f"{_short(figure.measured)} {figure.unit}"
        rows.append((figure.what, measured, others, figure.budget, verdict))
        if figure.note:
            rows.append((f"    {figure.note}", "", "", "", ""))
    widths = [max(len(row[i]) for row in rows if row[1]) for i in range(5)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _short(value: float) -> str:
    """A number with three digits that mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
