"""From the client's measurement to what a view shows of it; no I/O."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from .measurement_report import ColumnReport, MeasurementReport, RunReport, plain

if TYPE_CHECKING:
    from pilothouse.mplane.measurement import Measurement
    from pilothouse.mplane.model import Receipt, Result, Specification, Statement

__all__ = ["columns_of", "report_of", "seconds"]

_NUMBERS: Final = frozenset({"natural", "real"})
_TIME: Final = "time"


def report_of(measurement: Measurement) -> MeasurementReport:
    """Return what is known of a measurement now; never waits."""
    asked = measurement.specification or measurement.receipt
    if asked is None:
        raise ValueError(f"{measurement!r} has neither a specification nor a receipt")
    scope = measurement.scope
    columns = columns_of(asked)
    # In this order: what is over has all that is read behind that.
    is_over = measurement.is_over
    state, why_lost = str(measurement.state), measurement.trouble
    outcome = str(measurement.outcome)
    partial = measurement.partial()
    results = partial if isinstance(partial, list) else [partial] if partial else []
    period = scope.period()
    step = period.total_seconds() if period and not scope.is_repeated() else None
    runs = tuple(_run(result, columns, step) for result in results)
    has_times = _has_times(asked)
    return MeasurementReport(
        label=measurement.label or measurement.token[:8],
        columns=columns,
        state=state,
        token=measurement.token,
        scope=str(scope).strip(),
        is_over=is_over,
        parameters=tuple(_parameters(asked)),
        starts=seconds(measurement.starts),
        ends=seconds(measurement.ends),
        ended=max((r.until for r in runs if r.until), default=None),
        runs=runs,
        is_repeated=scope.is_repeated(),
        is_timed=scope.is_repeated() or bool(step) or has_times,
        outcome=outcome,
        why_lost=why_lost,
        place=str(measurement.link or ""),
        at=time.time(),
    )


def _parameters(asked: Specification | Receipt) -> Iterator[tuple[str, str]]:
    for name in asked.parameter_names():
        value = asked.parameter(name).wire()
        yield name, value if isinstance(value, str) else ", ".join(value)


def _has_times(statement: Statement) -> bool:
    """Whether each row says when it was measured."""
    return (
        statement.has_result_column(_TIME)
        and statement.result_column(_TIME).primitive_name() == "time"
    )


def columns_of(statement: Statement) -> tuple[ColumnReport, ...]:
    """Return the result columns of a statement, with units.

    The time of a row is none of them: it is where the row is drawn.
    """
    found = []
    for name in statement.result_column_names():
        if name == _TIME and _has_times(statement):
            continue
        column = statement.result_column(name)
        is_number = column.primitive_name() in _NUMBERS
        found.append(ColumnReport(name=name, unit=column.unit(), is_number=is_number))
    return tuple(found)


def seconds(at: object) -> float | None:
    """Return a time as seconds since the epoch; without a zone it is UTC."""
    if not isinstance(at, dt.datetime):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()


def _run(
    result: Result, columns: Sequence[ColumnReport], period: float | None
) -> RunReport:
    scope = result.when()
    begun, until = (None, None) if scope is None else scope.datetimes()
    names = [column.name for column in columns]
    dicts = list(result.schema_dict_iterator())
    times = [seconds(row[_TIME]) for row in dicts] if _has_times(result) else []
    return RunReport(
        key=result.get_token(),
        begun=seconds(begun),
        until=seconds(until),
        period=period,
        rows=tuple(tuple(plain(row[name]) for name in names) for row in dicts),
        times=times,
    )
