"""Connections to local services that were stopped, and perhaps started again.

Each start has addresses and secrets of its own, so a connection to the one before is
good for nothing any more; but who serves the same data now is written down. What was
connected to an address that the user has given stays there.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pilothouse.errors import LineError

from ._show import Note
from ._waiting import INSTEAD

if TYPE_CHECKING:
    from pilothouse.services import Local

__all__ = ["LOCK", "again", "forget", "is_gone", "note", "stopped", "tell"]

LOCK = threading.RLock()
"""Held by who connects anew: steps of a plan may find out at the same time."""

_OF: WeakKeyDictionary[object, Local] = WeakKeyDictionary()
"""The start of the local services that a connection is to."""


def note(connection: object, service: str, url: str) -> None:
    """Note that a connection is to the local services that are at an address now."""
    from pilothouse import services

    for local in services.status():
        endpoint = local.services.get(service)
        if endpoint is not None and _root(endpoint.url) == _root(url):
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


def _root(url: str) -> str:
    """Return an address without what a client adds to it."""
    return url.rstrip("/").removesuffix("/ws")
