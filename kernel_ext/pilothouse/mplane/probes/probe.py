"""What all probes have in common: from ticks to rows, reports and one result.

A probe says how one row is measured. What is due when, the rows that were measured
before an interrupt, the live reports and the scope of the result are here.

It imports the model and the scheduler's base class; it opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pilothouse.mplane.model import Capability, Result, Specification, When, clock
from pilothouse.mplane.scheduler import Service

from .errors import MeasurementError
from .pace import Pace
from .stopping import Interrupted, Stopping

__all__ = ["CORE", "PROBES", "Probe", "Row", "capability", "microseconds"]

CORE: Final = "http://ict-mplane.eu/registry/core"
"""Registry of most probes: every peer knows its elements."""

PROBES: Final = "urn:pilothouse:registry:probes"
"""Registry with the elements that the core lacks; it includes the core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a result.

    Attributes:
        values: Column -> value; a column that is left out has none in this row.
        failure: Why nothing was measured. When no row of a measurement has anything
            to tell, the measurement fails with the first of these.
        is_again: Whether it takes the place of the row before: a figure of all so far.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    failure: MeasurementError | None = None
    is_again: bool = False


class Probe(Service):
    """A service that measures row by row.

    Attributes:
        period: Seconds between measurements where the scope does not say.
    """

    period: float = 1.0

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield the rows of one measurement.

        Raises:
            MeasurementError: If nothing can be measured.
            Interrupted: If the measurement was asked to stop.
        """
        for _ in pace.ticks(stopping):
            yield self.measure(specification, pace, stopping)

    def measure(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Row:
        """Return one row; for probes whose ticks have one row each.

        Raises:
            MeasurementError: If nothing can be measured.
            Interrupted: If the measurement was asked to stop.
        """
        raise NotImplementedError(f"{type(self).__name__} says neither rows nor row")

    def run(
        self, specification: Specification, check_interrupt: Callable[[], Any]
    ) -> Result:
        """Measure what a specification asks for.

        Returns:
            The rows; those until then when it was interrupted.

        Raises:
            MeasurementError: If nothing could be measured, with why and a remedy.
        """
        stopping = Stopping(check_interrupt)
        when = specification.when()
        if when is None:
            raise MeasurementError("the specification does not say when to measure")
        pace = Pace(when, self.period)
        table = _Table(specification)
        rows = self.rows(specification, pace, stopping)
        with suppress(Interrupted), closing(_as_generator(rows)) as open_rows:
            for row in open_rows:
                table.take(row)
                stopping.report(table.result)
        return table.finished()


def _as_generator(rows: Iterator[Row]) -> Generator[Row, None, None]:
    """Give any iterator a ``close``, that closes what it wraps."""
    try:
        yield from rows
    finally:
        if isinstance(rows, Generator):
            rows.close()


class _Table:
    """A result that grows by rows."""

    def __init__(self, specification: Specification) -> None:
        self.result = Result(specification=specification)
        self._columns = tuple(self.result.result_column_names())
        self._begin = clock.now()
        self._count = 0
        self._failure: MeasurementError | None = None
        self._has_measured = False
        self._set_scope()

    def take(self, row: Row) -> None:
        at = self._count - 1 if row.is_again and self._count else self._count
        for name in self._columns:
            self.result.set_result_value(name, row.values.get(name), at)
        self._count = at + 1
        self._failure = self._failure or row.failure
        self._has_measured = self._has_measured or row.failure is None
        self._set_scope()

    def _set_scope(self) -> None:
        now = max(clock.now(), self._begin)
        self.result.set_when(When(a=self._begin, b=now), force=True)

    def finished(self) -> Result:
        if self._failure is not None and not self._has_measured:
            raise self._failure
        self._set_scope()
        return self.result


def capability(
    label: str,
    when: str,
    parameters: Mapping[str, str],
    columns: Sequence[str],
    *,
    registry: str = CORE,
    algorithm: str = "",
) -> Capability:
    """Return the capability of a probe.

    Args:
        label: Its name.
        when: Its scope; with a period, specifications need one too.
        parameters: Name -> constraint (``"*"`` for none).
        columns: Names of the result columns.
        registry: URI of the registry that has all these names.
        algorithm: How it measures, for people; goes into the metadata.
    """
    made = Capability(label=label, when=When(when), registry_uri=registry)
    for name, constraint in parameters.items():
        made.add_parameter(name, constraint)
    if algorithm:
        made.add_metadata("measurement.algorithm", algorithm)
    for name in columns:
        made.add_result_column(name)
    return made


def microseconds(seconds: float | None) -> int | None:
    """Return a delay as whole microseconds; ``None`` stays."""
    return None if seconds is None else round(seconds * 1e6)
