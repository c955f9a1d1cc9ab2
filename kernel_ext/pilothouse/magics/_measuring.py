"""Measurements: sent, followed, kept in the book of jobs until they are over."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilothouse.errors import RemoteError
from pilothouse.jobs import JobBook, JobRecord

from . import _component
from ._following import follow
from ._session import Session

if TYPE_CHECKING:
    from pilothouse.mplane.measurement import Measurement
    from pilothouse.mplane.model import Envelope, Result

__all__ = [
    "MeasurementInterrupt",
    "cross_out",
    "follow_measurement",
    "job_label",
    "result_of",
    "write_down",
]


class MeasurementInterrupt(KeyboardInterrupt):
    """The wait for a measurement was interrupted; it says what became of it.

    Attributes:
        measurement: The handle; its ``partial()`` has what was measured until then.
    """

    def __init__(self, text: str, measurement: Measurement) -> None:
        super().__init__(text)
        self.measurement = measurement


@dataclass(frozen=True, slots=True)
class _Progress:
    state: str
    done: float
    total: float | None
    step: str
    left: float | None = None  # seconds, where its end is planned


class _Followed:
    """A measurement in the form that `follow` takes."""

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement

    @property
    def outcome(self) -> str:
        return self._measurement.outcome

    @property
    def state(self) -> str:
        return str(self._measurement.state)

    @property
    def progress(self) -> _Progress:
        one = self._measurement
        step = one.trouble or str(one.state)
        _, left = one.remaining()
        left = None if left is None or one.is_over else max(left, 0.0)
        return _Progress(str(one.state), one.rows, None, step, left)

    def wait(self, timeout: float | None = None) -> bool:
        return self._measurement.wait(timeout)

    def result(self) -> Result | Envelope:
        try:
            measured = self._measurement.result()
        except RemoteError as exc:
            raise _explained(exc, self._measurement) from None
        found = result_of(self._measurement, measured)
        assert found is not None  # a measurement that is over has a result, or raises
        return found

    def partial(self) -> Result | Envelope | None:
        return result_of(self._measurement, self._measurement.partial())

    def cancel(self) -> str:
        return self._measurement.cancel()

    def detach(self) -> str:
        return self._measurement.detach()


def _explained(exc: RemoteError, measurement: Measurement) -> RemoteError:
    """Take the component's own hint out of its message, where it has sent one."""
    exc.message, _, told = exc.message.partition("\n  Hint: ")
    if measurement.partial() is None:
        exc.hint = exc.hint or told or "%mplane showcap LABEL tells what it takes"
    return exc


def result_of(
    measurement: Measurement, found: Result | list[Result] | None
) -> Result | Envelope | None:
    """Return one result as it is, several as the envelope that holds them."""
    from pilothouse.mplane.model import Envelope

    if not isinstance(found, list):
        return found
    whole = Envelope(
        content_type="result", token=measurement.token, label=measurement.label
    )
    for each in found:
        whole.append_message(each)
    return whole


def follow_measurement(
    session: Session, measurement: Measurement, *, out: str | None, quiet: bool = False
) -> object:
    """Wait for a measurement with its view shown, and return its result.

    Returns:
        A result; the envelope of all results of a repeated measurement.

    Raises:
        MeasurementInterrupt: If interrupted; it says what became of the measurement.
        RemoteError: If it failed.
    """

    def view() -> Any:  # noqa: ANN401  a widget
        from pilothouse_widgets import MeasurementView

        return MeasurementView(measurement)

    return follow(
        session,
        _Followed(measurement),
        label=measurement.label or measurement.token[:8],
        unit="runs" if measurement.is_repeated else "rows",
        out=out,
        quiet=quiet,
        interrupt=lambda text: MeasurementInterrupt(text, measurement),
        view=view,
        is_listed=lambda: not measurement.is_over and JobBook().has(measurement.token),
        cross_out=lambda: cross_out(measurement) if measurement.is_over else None,
    )


def cross_out(measurement: Measurement) -> None:
    """Take a measurement out of the book that is over, or was never sent."""
    JobBook().forget(f"{_component.SERVICE}-{measurement.token}")


def write_down(measurement: Measurement) -> None:
    """Write a measurement into the book until it is over; a detached one stays.

    It is written down before it is sent: a kernel may be killed at any moment.
    """
    book = JobBook()
    try:
        record = JobRecord(
            id=measurement.token,
            kind=_component.SERVICE,
            url=measurement.link or "",
            label=job_label(measurement),
            details={"receipt": measurement.saved()},
        )
    except ValueError:  # a receipt beyond any bound cannot be found again
        return
    with suppress(OSError):  # a full disk is no reason not to measure
        book.remember(record)

    def changed(_measurement: object = None) -> None:
        if measurement.is_over:
            book.forget(record.key)

    measurement.on_change(changed)
    changed()


def job_label(measurement: Measurement) -> str:
    """Return what to call a measurement among other jobs."""
    name = measurement.label or measurement.token[:8]
    return f"{name}, {str(measurement.scope).strip()}"
