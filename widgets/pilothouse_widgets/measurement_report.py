"""What a measurement looks like at one moment: values, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ColumnReport",
    "MeasurementReport",
    "RunReport",
    "drawn",
    "latest",
    "panels",
    "plain",
    "rows_told",
    "runs_told",
]

Cell = str | bool | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnReport:
    """One result column.

    Attributes:
        name: The element's name.
        unit: Its unit; empty when it has none.
        is_number: Whether it can be drawn.
    """

    name: str
    unit: str = ""
    is_number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One result, or what is known of it so far.

    Attributes:
        key: Tells the runs of a repeated measurement apart.
        begun: Start of its scope, seconds since the epoch; ``None`` when not known.
        until: End of its scope, so far.
        period: Seconds between two rows; ``None`` when it has none.
        rows: The rows, values in the order of the columns.
        times: When each row was measured, seconds since the epoch; empty when the
            rows do not tell.
    """

    key: str = ""
    begun: float | None = None
    until: float | None = None
    period: float | None = None
    rows: Sequence[Sequence[Cell]] = ()
    times: Sequence[float | None] = ()

    def at(self, row: int) -> float | None:
        """Return when a row was measured, as well as can be told."""
        if row < len(self.times) and self.times[row] is not None:
            return self.times[row]
        if self.begun is not None and self.period and len(self.rows) > 1:
            at = self.begun + row * self.period
            return at if self.until is None else min(at, self.until)
        return self.until if row == len(self.rows) - 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementReport:
    """One measurement.

    Attributes:
        label: Its label.
        token: Its token.
        scope: Its temporal scope, as text.
        parameters: Names and values, as text.
        columns: The result columns.
        is_over: Whether nothing more will come.
        state: ``"sent"``, ``"scheduled"``, ``"running"``, ``"finished"``,
            ``"failed"``, ``"interrupted"`` or ``"lost"``.
        starts: When it starts, seconds since the epoch; ``None`` when not known.
        ends: When it ends; ``None`` when only an interrupt ends it.
        ended: When it has ended.
        runs: Its results; one, unless it is repeated.
        is_repeated: Whether there may be several.
        is_timed: Whether each row has a time of its own.
        outcome: What became of it, in a sentence.
        why_lost: Why the component cannot be reached.
        place: Where it runs.
        at: When this was so, seconds since the epoch.
    """

    label: str
    columns: tuple[ColumnReport, ...]
    state: str = "sent"
    is_over: bool = False
    token: str = ""
    scope: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    starts: float | None = None
    ends: float | None = None
    ended: float | None = None
    runs: tuple[RunReport, ...] = ()
    is_repeated: bool = False
    is_timed: bool = True
    outcome: str = ""
    why_lost: str = ""
    place: str = ""
    at: float = 0.0

    @property
    def row_count(self) -> int:
        """How many rows there are in all runs."""
        return sum(len(run.rows) for run in self.runs)

    @property
    def words(self) -> str:
        """The state in words that change seldom: they are read out."""
        if self.state == "lost" and not self.is_over:
            return f"{self.label}: component lost, trying again"
        if self.is_over and self.outcome:
            return f"{self.label}: {self.outcome}"
        return f"{self.label} {self.state}"


def plain(value: object) -> Cell:
    """Return a measured value as JSON has it; what JSON has not, as its text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    return str(value)


def latest(report: MeasurementReport) -> list[dict[str, Any]]:
    """Return name, value and unit of each column in the newest row."""
    run = next((run for run in reversed(report.runs) if run.rows), None)
    if run is None:
        return []
    return [
        {"name": column.name, "value": value, "unit": column.unit}
        for column, value in zip(report.columns, run.rows[-1], strict=False)
    ]


def rows_told(report: MeasurementReport, most: int) -> list[dict[str, Any]]:
    """Return the newest rows of all runs, the newest first."""
    found: list[dict[str, Any]] = []
    number = report.row_count
    for run in reversed(report.runs):
        for i in range(len(run.rows) - 1, -1, -1):
            if len(found) == most:
                return found
            found.append(
                {"number": number, "at": run.at(i), "values": list(run.rows[i])}
            )
            number -= 1
    return found


def runs_told(report: MeasurementReport, most: int) -> list[dict[str, Any]]:
    """Return the newest runs, the newest first: last row of each, and how many."""
    runs = list(enumerate(report.runs, 1))[-most:]
    return [
        {
            "number": number,
            "begun": run.begun,
            "rows": len(run.rows),
            "values": list(run.rows[-1]) if run.rows else [None] * len(report.columns),
        }
        for number, run in reversed(runs)
    ]


def panels(columns: Iterable[ColumnReport]) -> list[dict[str, Any]]:
    """Return the drawn columns by unit: one plot for each unit."""
    groups: dict[str, list[int]] = {}
    for index, column in enumerate(c for c in columns if c.is_number):
        groups.setdefault(column.unit, []).append(index)
    return [{"unit": unit, "series": indexes} for unit, indexes in groups.items()]


def drawn(columns: Sequence[ColumnReport]) -> Mapping[int, int]:
    """Return the place among the series of each drawn column."""
    numbers = [i for i, column in enumerate(columns) if column.is_number]
    return {column: place for place, column in enumerate(numbers)}
