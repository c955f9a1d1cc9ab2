"""Clients of mPlane components.

`HttpInitiatorClient` goes to its components, `HttpListenerClient` waits for them;
`BaseClient` is what both know. Names of the reference documentation, imported when they
are first used. May import `pilothouse.errors`, `pilothouse.transport` and the rest of
mPlane.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .crawl import CrawlParser
    from .initiator import HttpInitiatorClient
    from .interactions import InteractionsHandler, MPlaneHandler
    from .listener import HttpListenerClient
    from .state import BaseClient

__all__ = [
    "BaseClient",
    "CrawlParser",
    "HttpInitiatorClient",
    "HttpListenerClient",
    "InteractionsHandler",
    "MPlaneHandler",
]

_MODULES = {
    "BaseClient": "state",
    "CrawlParser": "crawl",
    "HttpInitiatorClient": "initiator",
    "HttpListenerClient": "listener",
    "InteractionsHandler": "interactions",
    "MPlaneHandler": "interactions",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module holds
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
