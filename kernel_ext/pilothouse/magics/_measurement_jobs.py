"""mPlane measurements as jobs: receipts of earlier kernels, listed and redeemed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from pilothouse.errors import NotFoundError
from pilothouse.jobs import JobRecord

from . import _component
from ._jobs import JobKind
from ._measuring import follow_measurement, write_down
from ._session import Session

if TYPE_CHECKING:
    from pilothouse.mplane.measurement import Measurement

__all__ = ["KIND"]


def _look(session: Session, record: JobRecord) -> str:
    """Tell how a measurement stands; a result is left to be redeemed."""
    for one in _mine(session, record):
        return f"{one.state}, {one.rows:,} {'runs' if one.is_repeated else 'rows'}"
    _knock(session, record.url)
    return _by_scope(record)


def _knock(session: Session, url: str) -> None:
    """Ask the component for its capabilities, to know whether it is there."""
    client = _component.made(session).client
    with _component.certified():
        client.retrieve_capabilities(f"{url.rstrip('/')}/capability")


def _by_scope(record: JobRecord) -> str:
    """Tell from the scope alone: redeeming takes the result from the component."""
    from pilothouse.mplane import model

    text = str(dict(record.details.get("receipt", {})).get("when", ""))
    try:
        start, end = model.When(text).datetimes(record.created)
    except ValueError:
        return "sent"
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    if start is not None and now < start:
        return f"starts in {_seconds(start - now)}"
    if end is None:
        return "measuring, until it is stopped"
    if now < end:
        return f"measuring, {_seconds(end - now)} left"
    return "over: its result waits"


def _seconds(length: dt.timedelta) -> str:
    from pilothouse.mplane.model import unparse_dur

    return unparse_dur(dt.timedelta(seconds=round(length.total_seconds())))


def _mine(session: Session, record: JobRecord) -> list[Measurement]:
    """Return the handle that this session has of a job, if it has one."""
    known: _component.Connected | None = session.kept(_component.SERVICE)
    measurements = list(known.measurements.values()) if known else []
    return [one for one in measurements if one.token == record.id]


def _open(session: Session, record: JobRecord) -> Measurement:
    for one in _mine(session, record):
        if one.is_over or not one.outcome:  # not a detached one
            return one
    receipt = record.details.get("receipt")
    if not isinstance(receipt, dict):
        raise NotFoundError(f"{record.id} has no receipt", protocol="mPlane")
    mine = _component.made(session)
    mine.client.forget(record.id)  # a detached one is not asked for any more
    with _component.certified():
        measurement = mine.client.attach(receipt, url=record.url or None)
    write_down(measurement)
    return mine.took(measurement)


def _follow(session: Session, handle: Any, out: str | None) -> object:  # noqa: ANN401
    return follow_measurement(session, handle, out=out)


KIND = JobKind(_look, _open, _follow, lambda one: not one.is_over)
"""How measurements of an earlier kernel are found again."""
