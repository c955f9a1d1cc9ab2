"""Steer remote engines, models, runs and probes from a notebook.

``%load_ext pilothouse`` brings the magics; ``pilothouse.fastscore`` is the client
library; ``pilothouse.up()`` starts local services. This module imports nothing heavy:
neither IPython, nor widgets, nor a client, until one of them is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from pilothouse.services import down, status, up

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "down",
    "load_ipython_extension",
    "status",
    "unload_ipython_extension",
    "up",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Bring the magics and their completion into ``shell``; opens nothing."""
    from pilothouse.magics import _extension

    _extension.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take out of ``shell`` what `load_ipython_extension` brought, closing all."""
    from pilothouse.magics import _extension

    _extension.unload(shell)


def __getattr__(name: str) -> object:
    if name in {"up", "down", "status"}:
        from pilothouse import services

        service: object = getattr(services, name)
        return service
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
