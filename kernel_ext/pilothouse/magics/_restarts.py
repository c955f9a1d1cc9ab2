"""Connections to local services that were stopped, and perhaps started again.

Each start has addresses and secrets of its own, so a connection to the one before is
good for nothing any more; but who serves the same data now is written down. What was
connected to an address that the user has given stays there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pilothouse.errors import LineError

from ._show import Note
from ._waiting import INSTEAD

if TYPE_CHECKING:
    from pilothouse.services import Local

    from ._session import Session

__all__ = [
    "again",
    "forget",
    "has_same_data",
    "is_gone",
    "is_same",
    "note",
    "renew",
    "stopped",
    "tell",
]

_LOCK = threading.RLock()
"""Held by who connects anew: steps of a plan may find out at the same time."""

_OF: WeakKeyDictionary[object, Local] = WeakKeyDictionary()
"""The start of the local services that a connection is to."""


def note(connection: object, service: str, url: str) -> None:
    """Note that a connection is to the local services that are at an address now."""
    from pilothouse import services

    for local in services.status():
        endpoint = local.services.get(service)
        if endpoint is not None and is_same(endpoint.url, url):
            _OF[connection] = local


def forget(connection: object) -> None:
    """Forget it: the connection is to another address by now."""
    _OF.pop(connection, None)


def is_gone(connection: object) -> bool:
    """Tell whether a connection was to local services that have ended."""
    local = _OF.get(connection)
    return local is not None and not local.is_alive


def again(connection: object, service: str) -> Local | None:
    """Return the local services that have the data of those that have ended.

    Returns:
        ``None`` if there are none; see `stopped`.
    """
    from pilothouse import services

    before = _OF[connection]
    for local in services.status():
        if service in local.services and local.data_dir == before.data_dir:
            return local
    return None


def renew(
    session: Session, service: str, title: str, anew: Callable[[Any, Local], str]
) -> bool:
    """Connect a session to the present start of local services that have ended.

    Args:
        session: Whose connection it is.
        service: Under which name the session keeps it.
        title: The service's name.
        anew: Connects, given the connection of before and the present start; returns
            the address.

    Returns:
        Whether there is a start to be connected to; see `stopped`.
    """
    with _LOCK:
        before = session.kept(service)
        if not is_gone(before):
            return True
        local = again(before, service)
        if local is None:
            return False
        tell(title, anew(before, local))
        return True


def has_same_data(one: object, other: object) -> bool:
    """Tell whether two connections are, or were, to local services of the same data."""
    here, there = _OF.get(one), _OF.get(other)
    return here is not None and there is not None and here.data_dir == there.data_dir


def stopped(connection: object, service: str) -> LineError:
    """Return the error that says so, with the line that starts them again."""
    hint = _how_to_start(_OF[connection].data_dir, service)
    return LineError("the local services are stopped", hint=hint)


def tell(title: str, url: str) -> None:
    """Say in a line below the cell where a service is by now."""
    from IPython.display import display

    text = f"the local services were started again: {title} is at {url} now"
    if (instead := INSTEAD.get()) is not None:
        instead.say(text)
        return
    display(Note(text))


def _how_to_start(data_dir: Path, service: str) -> str:
    from pilothouse.services.spawn import default_data_dir

    if data_dir == default_data_dir():
        return "%pilot up"
    folder = f"'{data_dir}'" if " " in str(data_dir) else data_dir
    return f"%pilot up --service {service} --data-dir {folder}"


def is_same(one: str, other: str) -> bool:
    """Tell whether two addresses are one, but for what a client adds to it."""
    return one.rstrip("/").removesuffix("/ws") == other.rstrip("/").removesuffix("/ws")
