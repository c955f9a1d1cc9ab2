"""The FastScore client library.

    from pilothouse.fastscore.suite import Connect, ModelManage, Engine
    from pilothouse.fastscore import Model, Schema, Stream, Sensor, FastScoreError

Names of the developer interface, in its modules: `suite`, `model`, `attachment`,
`snapshot`, `schema`, `stream`, `sensor`, `pneumo`, `errors`. Beside them: `score`
(records through an engine), `local` (a model here, without an engine). `wire` and
`runtime` are shared with the local services. May import `pilothouse.errors`, `secrets`,
`settings` and `transport`; neither IPython, nor widgets, nor services.

What is named here is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attachment import Attachment
    from .connect import Connect
    from .engine import Engine
    from .errors import EndOfStream, FastScoreError, ModelError
    from .model import Model
    from .model_manage import ModelManage
    from .pneumo import PneumoSock
    from .schema import Schema
    from .score_job import ScoreJob
    from .sensor import Sensor
    from .snapshot import Snapshot
    from .stream import Stream

__all__ = [
    "Attachment",
    "Connect",
    "EndOfStream",
    "Engine",
    "FastScoreError",
    "Model",
    "ModelError",
    "ModelManage",
    "PneumoSock",
    "Schema",
    "ScoreJob",
    "Sensor",
    "Snapshot",
    "Stream",
]

_MODULES = {
    "Attachment": "attachment",
    "Connect": "connect",
    "EndOfStream": "errors",
    "Engine": "engine",
    "FastScoreError": "errors",
    "Model": "model",
    "ModelError": "errors",
    "ModelManage": "model_manage",
    "PneumoSock": "pneumo",
    "Schema": "schema",
    "ScoreJob": "score_job",
    "Sensor": "sensor",
    "Snapshot": "snapshot",
    "Stream": "stream",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module holds
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
