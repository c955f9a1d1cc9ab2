"""Components: services offered over HTTP, on Tornado.

`ListenerHttpComponent` waits for clients, `InitiatorHttpComponent` goes to its client,
`serve` offers services from a notebook cell. `MPlaneHandler`, `DiscoveryHandler` and
`MessagePostHandler` are those of the reference documentation. May import
`pilothouse.errors`, `pilothouse.transport` and the rest of mPlane.

What is named here is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .handlers import DiscoveryHandler, MessagePostHandler, MPlaneHandler
    from .initiator import InitiatorHttpComponent
    from .listener import ListenerHttpComponent
    from .served import Served, serve

__all__ = [
    "DiscoveryHandler",
    "InitiatorHttpComponent",
    "ListenerHttpComponent",
    "MPlaneHandler",
    "MessagePostHandler",
    "Served",
    "serve",
]

_MODULES = {
    "DiscoveryHandler": "handlers",
    "InitiatorHttpComponent": "initiator",
    "ListenerHttpComponent": "listener",
    "MPlaneHandler": "handlers",
    "MessagePostHandler": "handlers",
    "Served": "served",
    "serve": "served",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module holds
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
