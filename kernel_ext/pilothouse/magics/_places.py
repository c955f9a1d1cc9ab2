"""Where a connection goes: an address, a profile's name, or the local services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilothouse.errors import LineError
from pilothouse.profiles import Endpoint, Setting

if TYPE_CHECKING:
    from pilothouse.services import Local
    from pilothouse.services.endpoints import Endpoint as LocalEndpoint

    from ._session import Session

__all__ = ["LOCAL", "is_local", "local_place", "named_place", "place_of"]

LOCAL = "local"
"""The word for the local services, whatever the profile says."""

_ORIGIN = "local services"


def named_place(
    session: Session, service: str, where: str | None, *, title: str, instead: str
) -> Endpoint:
    """Return the place that a line names; one without a URL means the local services.

    Args:
        session: Its settings have the profiles.
        service: For instance ``"fastmap"``.
        where: An address, a profile's name, ``"local"``; ``None`` for the profile in
            use.
        title: What the service is called.
        instead: How to give a secret that stands in an address.

    Raises:
        LineError: If an address holds a secret, or the profile has no address.
        SettingsError: If there is no such profile.
    """
    if where and "://" in where:
        if "@" in where.partition("://")[2].partition("/")[0]:
            raise LineError(
                "a secret in an address would stay in the notebook", hint=instead
            )
        return Endpoint(service, {"url": Setting(where, "the line")})
    if where == LOCAL:
        return Endpoint(service)
    place = session.settings.profile(where).endpoint(service)
    if where and not place.url:
        raise LineError(
            f"profile {where!r} has no address for {title}",
            hint="%pilot profiles shows what it has",
        )
    return place


def local_place(
    session: Session, service: str, place: Endpoint
) -> tuple[Endpoint, LocalEndpoint]:
    """Return the local service as a place, and what it wants to see.

    Where none run, the local services are started.

    Raises:
        ServiceError: If they do not start.
    """
    from ._local import local_services

    return place_of(local_services(session, service), service, place)


def place_of(
    local: Local, service: str, place: Endpoint | None = None
) -> tuple[Endpoint, LocalEndpoint]:
    """Return a service of running local ones as a place, and what it wants to see."""
    found = local.services[service]
    settings = {} if place is None else place.settings
    url = Setting(found.url, _ORIGIN)
    return Endpoint(service, {**settings, "url": url}), found


def is_local(place: Endpoint) -> bool:
    """Tell whether a place is that of the local services, and was given by nobody."""
    url = place.settings.get("url")
    return url is not None and url.origin == _ORIGIN
