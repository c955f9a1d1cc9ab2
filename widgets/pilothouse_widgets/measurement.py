"""One measurement, from the receipt to the result: state, countdown, rows, plots."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import traitlets

from . import snapshot, words
from .assets import module
from .measurement_report import (
    ColumnReport,
    MeasurementReport,
    RunReport,
    drawn,
    latest,
    panels,
    rows_told,
    runs_told,
)
from .measurement_source import report_of
from .stream import StreamView
from .window import Window

if TYPE_CHECKING:
    from pilothouse.mplane.measurement import Measurement

__all__ = ["MeasurementView"]

_ROWS: Final = 50
_RUNS: Final = 100
_POINTS: Final = 5000
_LOOK_SECONDS: Final = 0.5
_STATIC_ROWS: Final = 12


class MeasurementView(StreamView):
    """Shows one measurement and stops it; its traits are its whole state.

    It follows the measurement from any state, moves while a cell is busy, shows a
    component that is lost, and keeps what was measured until then. Without a
    measurement it shows the reports that `show` gets.

    Args:
        measurement: What a client's ``run`` or ``attach`` gave, or ``None``.
        report: What to show first when there is no measurement; it has the columns.

    Raises:
        ValueError: If there is neither a measurement nor a report.
    """

    _esm = module("measurement.js")
    _is_early = True

    label = traitlets.Unicode("", help="The measurement's label.").tag(sync=True)
    token = traitlets.Unicode("").tag(sync=True)
    scope = traitlets.Unicode("", help="Temporal scope.").tag(sync=True)
    place = traitlets.Unicode("", help="Where it runs.").tag(sync=True)
    parameters: Any = traitlets.List(help="Pairs of name and value.").tag(sync=True)
    state = traitlets.Unicode("sent").tag(sync=True)
    over = traitlets.Bool(False, help="Whether nothing more will come.").tag(sync=True)
    starts = traitlets.Float(None, allow_none=True).tag(sync=True)
    ends = traitlets.Float(None, allow_none=True).tag(sync=True)
    ended = traitlets.Float(None, allow_none=True).tag(sync=True)
    updated = traitlets.Float(0.0, help="Seconds since the epoch.").tag(sync=True)
    columns = traitlets.List(trait=traitlets.Dict(), help="Name and unit.").tag(
        sync=True
    )
    latest: Any = traitlets.List(help="Name, value and unit in the newest row.").tag(
        sync=True
    )
    rows: Any = traitlets.List(help="The newest rows, the newest first.").tag(sync=True)
    row_count = traitlets.Int(0, help="Rows in all runs.").tag(sync=True)
    runs: Any = traitlets.List(help="The newest runs, the newest first.").tag(sync=True)
    run_count = traitlets.Int(0).tag(sync=True)
    repeated = traitlets.Bool(False, help="Whether there may be many runs.").tag(
        sync=True
    )
    series = traitlets.List(
        trait=traitlets.Dict(), help="Label and unit of each line."
    ).tag(sync=True)
    panels: Any = traitlets.List(help="Which lines share a unit, and so a plot.").tag(
        sync=True
    )
    plotted = traitlets.Bool(False, help="Whether there is a line to draw.").tag(
        sync=True
    )
    axis = traitlets.Enum(("time", "number"), "time").tag(sync=True)
    span = traitlets.Float(0.0, help="0: the whole measurement.").tag(sync=True)
    points = traitlets.Int(_POINTS, help="Most points of a line.").tag(sync=True)
    outcome = traitlets.Unicode("", help="What became of it.").tag(sync=True)
    link_text = traitlets.Unicode("", help="Why it is lost.").tag(sync=True)
    doing = traitlets.Unicode("", help="What a click has begun.").tag(sync=True)
    refused = traitlets.Unicode("", help="Why a click did nothing.").tag(sync=True)
    stoppable = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        measurement: Measurement | None = None,
        *,
        report: MeasurementReport | None = None,
    ) -> None:
        if measurement is not None:
            report = report_of(measurement)
        if report is None:
            raise ValueError("a MeasurementView needs a measurement or a report")
        self._measurement = measurement
        self._columns: tuple[ColumnReport, ...] = report.columns
        self._places = drawn(report.columns)
        self._drawn: list[int] = []
        self._last_rows: list[tuple[object, ...]] = []
        self._dots = 0
        self._last_x = -np.inf
        self._ended_at: float | None = None
        lines = [{"label": c.name, "unit": c.unit} for c in report.columns]
        super().__init__(
            Window(max(len(self._places), 1), points=_POINTS),
            columns=[{"name": c.name, "unit": c.unit} for c in report.columns],
            series=[lines[i] for i in self._places],
            panels=panels(report.columns),
            axis="time" if report.is_timed else "number",
            stoppable=measurement is not None,
        )
        self._reports = self._subscribe(self._take, merge=_newest_report)
        self._clicks = self._subscribe(self._told, hz=20, merge=_both)
        self.show(report)
        self._leave: Callable[[], object] | None = None
        if measurement is not None:
            self._leave = measurement.on_change(self._heard_of)
            self._reports.put(None)

    @property
    def measurement(self) -> Measurement | None:
        """The measurement that is shown."""
        return self._measurement

    # -- reports -------------------------------------------------------------------

    def put(self, report: MeasurementReport) -> None:
        """Hand over a report from any thread; the feed shows the newest."""
        self._reports.put(report)

    def show(self, report: MeasurementReport) -> None:
        """Show one report at once; its traits travel in one message."""
        with self._lock:
            self._draw(report)
            if report.is_over and self._ended_at is None:
                self._ended_at = report.ended or report.at or None
            self._update(
                label=report.label,
                token=report.token,
                scope=report.scope,
                place=report.place,
                parameters=[list(pair) for pair in report.parameters],
                state=report.state,
                over=report.is_over,
                starts=report.starts,
                ends=report.ends,
                ended=self._ended_at,
                updated=report.at,
                latest=latest(report),
                rows=rows_told(report, _ROWS),
                row_count=report.row_count,
                runs=runs_told(report, _RUNS) if report.is_repeated else [],
                run_count=len(report.runs),
                repeated=report.is_repeated,
                plotted=self._dots > 1 and bool(self._places),
                outcome=report.outcome if report.is_over else "",
                link_text=report.why_lost,
                status=report.words,
            )

    def _heard_of(self, _measurement: object) -> None:
        self._reports.put(None)

    def _take(self, report: MeasurementReport | None) -> float | None:
        if report is None:
            if self._measurement is None:
                return None
            report = report_of(self._measurement)
        was_over = self._ended_at is not None
        self.show(report)
        if report.is_over and not was_over:
            self.renew_snapshot()
        if self._measurement is not None and report.state == "scheduled":
            return _LOOK_SECONDS  # nobody tells when it begins
        return None

    def _draw(self, report: MeasurementReport) -> None:
        if not self._places:
            return
        for i, run in enumerate(report.runs):
            if i == len(self._drawn):
                self._drawn.append(0)
                self._last_rows.append(())
            rows = run.rows
            if not rows:
                continue
            if (known := self._drawn[i]) < len(rows):
                self._add(run, known)
            elif tuple(rows[-1]) != self._last_rows[i]:  # a figure of all so far
                self._add(run, len(rows) - 1)
            self._drawn[i], self._last_rows[i] = len(rows), tuple(rows[-1])
        self._added()

    def _add(self, run: RunReport, first: int) -> None:
        """Add the rows of a run from ``first`` on; x never goes back."""
        self._dots += len(run.rows) - first
        fresh = range(first, len(run.rows))
        x = np.array([self._x(run, row) for row in fresh], np.float64)
        x = np.maximum.accumulate(np.maximum(x, self._last_x))
        self._last_x = float(x[-1])
        rows = run.rows[first:]
        self._points.add(
            x,
            {
                place: np.array([_number(row[column]) for row in rows], np.float64)
                for column, place in self._places.items()
            },
        )

    def _x(self, run: RunReport, row: int) -> float:
        if self.axis == "number":
            return float(row + 1)
        return run.at(row) or time.time()

    # -- the browser -----------------------------------------------------------------

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take the browser's answers, and a click on Stop."""
        super().asked(ask, content)
        if ask == "stop" and self._measurement is not None and not self.doing:
            self._clicks.put({"doing": "interrupting", "refused": ""})
            self._errands.add(self._interrupt)

    def _interrupt(self) -> None:
        assert self._measurement is not None
        try:
            said, refused = self._measurement.cancel(), ""
        except Exception as exc:  # shown: nothing else could take it
            said, refused = "", f"{type(exc).__name__}: {exc}"
        self._clicks.put({"doing": "", "refused": refused, "outcome": said})
        self._reports.put(None)

    def _told(self, traits: Mapping[str, str]) -> None:
        if self.over:  # its end is told
            traits = {k: v for k, v in traits.items() if k != "outcome"}
        self._update(**traits)

    # -- the forms and the end -------------------------------------------------------

    def catch_up(self) -> None:
        """Show how the measurement stands now."""
        self._reports.put(None)
        super().catch_up()

    def settle(self) -> None:
        """Show how the measurement stands now, and leave the snapshot of that."""
        self._reports.put(None)
        self.close()

    def stop(self) -> None:
        """Stop watching; the measurement itself goes on."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def headline(self) -> str:
        """Return label, state, how much was measured and the newest values."""
        counted = words.plural(self.row_count, "row")
        if self.repeated:
            counted = f"{words.plural(self.run_count, 'run')}, {counted}"
        parts = [self.state, counted]
        if self.state == "lost" and not self.over and self.link_text:
            parts[0] = f"component lost ({self.link_text})"
        values = [
            f"{one['name']} {_text(one['value'])} {one['unit']}".rstrip()
            for one in self.latest
            if one["value"] is not None
        ]
        shown = ", ".join(parts)
        return f"{self.label}: {shown}" + (f"; {', '.join(values)}" if values else "")

    def body_html(self) -> str:
        """Return scope, parameters, plots and the newest rows."""
        facts = [("scope", self.scope), ("state", self.state)]
        facts += [(name, value) for name, value in self.parameters]
        if self.starts:
            facts.append(("begun", words.clock(self.starts)))
        if self.ended and self.starts:
            took = max(self.ended - self.starts, 0.0)
            facts.append(("took", words.duration(took)))
        parts = [snapshot.facts(facts)]
        if self.outcome and self.state != "finished":
            parts.append(snapshot.note(self.outcome))
        if self.plotted:
            parts.append(snapshot.side_by_side(map(self._drawing, self.panels)))
        parts.append(self._table())
        return "".join(parts)

    def _drawing(self, panel: Mapping[str, Any]) -> str:
        lines = [
            (self.series[i]["label"], *self._points.column(i)) for i in panel["series"]
        ]
        return snapshot.svg(lines, unit=panel["unit"], about=self.headline())

    def _table(self) -> str:
        if not self.row_count:
            return ""
        heads = [
            f"{column['name']} ({column['unit']})" if column["unit"] else column["name"]
            for column in self.columns
        ]
        shown = self.rows[:_STATIC_ROWS]
        rows: Sequence[Sequence[object]] = [
            (
                row["number"],
                words.clock(row["at"]) if row["at"] else "",
                *map(_text, row["values"]),
            )
            for row in shown
        ]
        more = self.row_count - len(shown)
        return snapshot.table(["row", "time", *heads], rows, more=more)


def _newest_report(
    _waiting: MeasurementReport | None, value: MeasurementReport | None
) -> MeasurementReport | None:
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan
    return float(value)


def _text(value: object) -> str:
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return words.count(value) if value == int(value) else words.number(value)


def _both(waiting: dict[str, str], value: dict[str, str]) -> dict[str, str]:
    return {**waiting, **value}
