"""Where the services of ``%pilot dashboard`` are, and what the notebook has sent off.

What the notebook is connected to comes first, then the profile's place, then local
services. Local services that were started again have other addresses: a connection to
the earlier ones stands back for them, and no other does.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pilothouse.errors import LineError, PilothouseError
from pilothouse.jobs import JobBook

from . import _aimm, _component, _fastmap, _suite
from ._places import LOCAL
from ._report import LOOPBACK

if TYPE_CHECKING:
    from pilothouse.fastmap import Run
    from pilothouse.mplane.client import HttpInitiatorClient
    from pilothouse.mplane.measurement import Measurement
    from pilothouse.mplane.model import Capability, When
    from pilothouse_widgets import Dashboard
    from pilothouse_widgets.dashboard_places import Elsewhere, Place

    from ._session import Session

__all__ = ["SessionHouse", "dashboard"]

_NOTEBOOK: Final = "this notebook"
_LOCAL: Final = "local services"


class SessionHouse:
    """The house of a session; see `pilothouse_widgets.dashboard_places.House`.

    Args:
        session: Of the shell.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._were_local: set[str] = set()

    def place(self, service: str, failed: str = "") -> Place | None:
        """Return where a service is.

        Raises:
            SettingsError: If the profiles cannot be read.
        """
        kept = _kept(self._session, service)
        local = _local(self._session, service)
        if local is not None:
            self._were_local.add(_root(local.url))
        if kept is not None and not (local and self._is_earlier(kept, local, failed)):
            return kept
        return _of_profile(self._session, service) or local

    def _is_earlier(self, kept: Place, local: Place, failed: str) -> bool:
        """Tell whether a connection is to local services that have gone."""
        root = _root(kept.url)
        if root == _root(local.url):
            return False
        if kept.url == failed and urlsplit(kept.url).hostname in LOOPBACK:
            self._were_local.add(root)
        return root in self._were_local

    def runs(self) -> Sequence[Run]:
        """Return the Fastmap runs of the notebook."""
        found: _fastmap.Connected | None = self._session.kept(_fastmap.SERVICE)
        return [] if found is None else list(found.runs)

    def measurements(self) -> Sequence[Measurement]:
        """Return the measurements of the notebook."""
        found: _component.Connected | None = self._session.kept(_component.SERVICE)
        return [] if found is None else list(found.measurements.values())

    def elsewhere(self) -> Sequence[Elsewhere]:
        """Return the measurements of other notebooks, from the book of jobs."""
        from pilothouse.mplane import model
        from pilothouse_widgets.dashboard_places import Elsewhere

        found = []
        for record in JobBook().records():
            if record.kind != _component.SERVICE:
                continue
            receipt: Any = record.details.get("receipt")
            scope = str(receipt.get("when", "")) if isinstance(receipt, dict) else ""
            with suppress(ValueError):
                start, end = model.When(scope).datetimes(
                    record.created.astimezone(dt.UTC).replace(tzinfo=None)
                )
                found.append(
                    Elsewhere(
                        token=record.id,
                        label=record.label or record.id[:8],
                        begins=_seconds(start) or record.created.timestamp(),
                        ends=_seconds(end),
                        place=record.url,
                    )
                )
        return found

    def totals(self) -> Mapping[str, int]:
        """Return the items of the Fastmap runs in the book of jobs, by id."""
        totals = {
            record.id: record.details.get("total")
            for record in JobBook().records()
            if record.kind == _fastmap.SERVICE
        }
        return {name: n for name, n in totals.items() if isinstance(n, int)}

    def measure(
        self,
        client: HttpInitiatorClient,
        capability: Capability,
        when: When | None,
        params: Mapping[str, Any],
        label: str | None,
    ) -> Measurement:
        """Run a capability; the notebook and ``%pilot jobs`` know it from then on."""
        mine = _component.made(self._session)
        measurement = client.run(
            capability, when=when, params=dict(params), label=label
        )
        return mine.took(measurement)


def dashboard(
    session: Session, services: Sequence[str] = (), *, every: float, up: bool
) -> Dashboard:
    """Return the page of a session; it waits for nothing.

    Args:
        session: Whose services and work it shows.
        services: Only these; all without one.
        every: Seconds between two questions to a service.
        up: Whether to start the local services where none run, meanwhile.

    Raises:
        LineError: If there is no such service, or ``every`` is not above 0.
    """
    from pilothouse_widgets import Dashboard
    from pilothouse_widgets.dashboard_places import SERVICES

    try:
        made = Dashboard(
            SessionHouse(session), services=services or SERVICES, every=every
        )
    except ValueError as exc:
        raise LineError(str(exc)) from None
    if up:
        threading.Thread(
            target=_up, name="pilothouse-dashboard-up", daemon=True
        ).start()
    return made


def _up() -> None:
    from pilothouse import services

    with suppress(PilothouseError):  # the page shows that nothing answers
        services.up()


def _kept(session: Session, service: str) -> Place | None:
    """Return what the notebook is connected to, if it is."""
    from pilothouse_widgets.dashboard_places import Place

    found = session.kept(service)
    if found is None:
        return None
    url, client = _open(service, found)
    if not url:
        return None
    make: Callable[[], Any] = lambda: client  # noqa: E731
    return Place(url=url, origin=_NOTEBOOK, key=id(client), make=make, is_shared=True)


def _open(service: str, found: Any) -> tuple[str, Any]:  # noqa: ANN401  what is kept
    if service == _suite.SERVICE:
        return found.proxy_prefix, found
    if service == _aimm.SERVICE:
        return ("" if str(found.connection) == "closed" else found.url), found
    if service == _fastmap.SERVICE:
        return found.url, found.config
    return found.url, found.client


def _of_profile(session: Session, service: str) -> Place | None:
    from pilothouse_widgets.dashboard_places import place_of_profile

    found = place_of_profile(session.settings, service)
    if found is None or service != _component.SERVICE:
        return found
    return replace(found, make=lambda: _component_at(session), is_shared=True)


def _component_at(session: Session, where: str | None = None) -> Any:  # noqa: ANN401
    """Connect the notebook itself: what is measured on the page belongs to it."""
    _component.connect(session, where)
    return _component.made(session).client


def _local(session: Session, service: str) -> Place | None:
    from pilothouse import services
    from pilothouse_widgets.dashboard_places import Place, place_at

    for local in services.status():
        endpoint = local.services.get(service)
        if endpoint is None:
            continue
        if service != _component.SERVICE:
            return place_at(service, endpoint.to_dict(), _LOCAL)
        return Place(
            url=endpoint.url,
            origin=_LOCAL,
            make=lambda: _component_at(session, LOCAL),
            is_shared=True,
        )
    return None


def _root(url: str) -> str:
    """Return an address without what a client adds to it."""
    return url.rstrip("/").removesuffix("/ws")


def _seconds(at: dt.datetime | None) -> float | None:
    return None if at is None else at.replace(tzinfo=dt.UTC).timestamp()
