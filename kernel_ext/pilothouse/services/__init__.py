"""Local peers of the four wires, in one process of their own.

    up, down, status   start, stop and find the process, from Python
    host               the process: one asyncio loop for all services
    registry, serving  which services there are; what the host asks of one
    runtime_files      how running ones are found: 0600 files in Jupyter's folder
    spawn, launching   starts a detached process and waits until it is healthy
    process, lab       the services as the main thing of a process; with JupyterLab
    web, routing, auth what an HTTP service is made of
    openapi            the description of what is served
    storage, locks     telling a full disk from other failures; locks between processes
    fastmap            functions mapped over data by workers, here or on Dask
    fastscore          Connect, Model Manage and engines
    mplane             a component of all probes

It imports `pilothouse.errors` and the wire and runtime modules, never a client, a
widget or a magic. Users' code runs in child processes. Importing this folder alone is
light; the public names below load the rest when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .spawn import Local, down, status, up

__all__ = ["Local", "down", "status", "up"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from . import spawn

        return getattr(spawn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
