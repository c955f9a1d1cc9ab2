"""The juggler protocol: requests, answers and a shared state over a websocket.

    segments      text messages cut into websocket frames, pings between them
    messages      request, response, state, notify: values with an exact grammar
    state         the receiver's copy of the state, moved on by JSON Patch
    connection    both ends of one connection as machines: frames in, events out

No socket, thread or clock lives here: frames and times come in as arguments. What may
be imported: `pilothouse.errors` and `pilothouse.aimm.json_text`.
"""

from __future__ import annotations

from .connection import (
    ClientConnection,
    Event,
    JugglerConnection,
    ServerConnection,
    StateChanged,
)
from .messages import JSON, Notify, Raw, Request, Response, State, Wire
from .segments import MAX_PAYLOAD, MAX_TEXT, Joiner, split
from .state import patched

__all__ = [
    "JSON",
    "MAX_PAYLOAD",
    "MAX_TEXT",
    "ClientConnection",
    "Event",
    "Joiner",
    "JugglerConnection",
    "Notify",
    "Raw",
    "Request",
    "Response",
    "ServerConnection",
    "State",
    "StateChanged",
    "Wire",
    "patched",
    "split",
]
