"""Components: services offered over HTTP, on Tornado.

`ListenerHttpComponent` waits for clients, `InitiatorHttpComponent` goes to its client,
`serve` offers services from a notebook cell. `MPlaneHandler`, `DiscoveryHandler` and
`MessagePostHandler` are those of the reference documentation. May import
`pilothouse.errors`, `pilothouse.transport` and the rest of mPlane.
"""

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
