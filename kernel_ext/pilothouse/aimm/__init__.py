"""Client library of the AIMM REPL control: model instances that live elsewhere.

    connect(url, username, password) -> Client
    Client            instances, actions, state; blocking calls and handles
    ModelInstance     one instance: fit, predict, update, to_bytes
    Action            a handle: wait, result, cancel, detach; awaitable
    DataAccess        an argument that the server fetches itself
    plugins/          decorators of model types and data, and how they are called
    juggler/          the protocol under it: requests, answers and a shared state
    values/           what travels: arrays, frames, data access, in two encodings

What may be imported here: `pilothouse.errors`, `pilothouse.secrets`,
`pilothouse.transport` and what a module needs of the outside; never another client,
IPython, widgets or services. The names load their module when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .action import Action
    from .client import Client, connect
    from .errors import ActionError, StillRunningError
    from .instance import ModelInstance
    from .session import SessionState
    from .state import ActionEntry, ModelEntry, State
    from .values import CannotTravelError, DataAccess

__all__ = [
    "Action",
    "ActionEntry",
    "ActionError",
    "CannotTravelError",
    "Client",
    "DataAccess",
    "ModelEntry",
    "ModelInstance",
    "SessionState",
    "State",
    "StillRunningError",
    "connect",
]

_HOME = {
    "Action": "action",
    "ActionEntry": "state",
    "ActionError": "errors",
    "CannotTravelError": "values",
    "Client": "client",
    "DataAccess": "values",
    "ModelEntry": "state",
    "ModelInstance": "instance",
    "SessionState": "session",
    "State": "state",
    "StillRunningError": "errors",
    "connect": "client",
}


def __getattr__(name: str) -> object:
    if name in {"juggler", "plugins", "values"}:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "juggler", "plugins", "values"]
