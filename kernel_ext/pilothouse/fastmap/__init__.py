"""Map a function over data on workers elsewhere: the Fastmap client library.

    from pilothouse import fastmap

    config = fastmap.init(cloud_url=url, secret=token, exec_policy="CLOUD")
    results = list(config.fastmap(function, items))     # lazy, in order
    run = config.submit(function, items)                # in the background

Names of the real client: `init`, `global_init`, `fastmap`, `Verbosity`, `ExecPolicy`,
`ReturnType`, `FastmapException`. Beside them: `Config`, `Run`, `Progress`, `State`.
`wire` and `worker` are shared with the local service. May import `pilothouse.errors`,
`secrets`, `settings` and `transport`; neither IPython, nor widgets, nor services.

What is named here is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config, fastmap, global_init, init
    from .errors import FastmapException, ItemError
    from .options import ExecPolicy, ReturnType, Verbosity
    from .packing.packer import Preview
    from .progress import Lane, Progress, Span, State
    from .run import Run

__all__ = [
    "Config",
    "ExecPolicy",
    "FastmapException",
    "ItemError",
    "Lane",
    "Preview",
    "Progress",
    "ReturnType",
    "Run",
    "Span",
    "State",
    "Verbosity",
    "fastmap",
    "global_init",
    "init",
]

_MODULES = {
    "Config": "config",
    "ExecPolicy": "options",
    "FastmapException": "errors",
    "ItemError": "errors",
    "Lane": "progress",
    "Preview": "packing.packer",
    "Progress": "progress",
    "ReturnType": "options",
    "Run": "run",
    "Span": "progress",
    "State": "progress",
    "Verbosity": "options",
    "fastmap": "config",
    "global_init": "config",
    "init": "config",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module holds
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
