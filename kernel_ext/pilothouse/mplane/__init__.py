"""mPlane: capabilities become specifications, specifications become results.

    from pilothouse import mplane
    mplane.model.initialize_registry()

Names of the reference document, in its modules: `model` (messages, elements, temporal
scopes; no I/O), `scheduler`, `client`, `component`. May import `pilothouse.errors`,
`secrets`, `settings` and `transport`; neither IPython, nor widgets, nor services.

What is named here is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import model

__all__ = ["client", "component", "model", "scheduler"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
