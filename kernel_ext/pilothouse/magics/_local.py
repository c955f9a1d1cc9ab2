"""The local services, as magics find, start and stop them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._waiting import show_while

if TYPE_CHECKING:
    from pilothouse.services import Local

    from ._session import Session

__all__ = ["local_services", "start", "stop"]


def local_services(session: Session, service: str) -> Local:
    """Return the local services with ``service`` among them.

    Where none run at all, all of them are started: one process for the whole notebook.

    Raises:
        ServiceError: If they do not start.
    """
    from pilothouse import services as house

    return start(session, [service] if house.status() else ())


def start(
    session: Session,
    services: Sequence[str] = (),
    *,
    data_dir: Path | None = None,
    ports: Mapping[str, int] | None = None,
    workers: int | None = None,
    dask: str | None = None,
) -> Local:
    """Return the running services, or start them and say so while it lasts.

    The arguments are those of `pilothouse.services.up`.

    Raises:
        ServiceError: If they do not start; the message has the end of their log.
    """
    from pilothouse import services as house

    return show_while(
        session,
        "starting the local services",
        lambda: house.up(
            list(services) or None,
            data_dir=data_dir,
            ports=ports,
            workers=workers,
            dask=dask,
        ),
    )


def stop(session: Session, *, data_dir: Path | None = None) -> list[int]:
    """End the running services in order and return their process ids.

    Raises:
        ServiceError: If one had to be killed.
    """
    from pilothouse import services as house

    return show_while(
        session,
        "stopping the local services",
        lambda: house.down(data_dir=data_dir),
    )
