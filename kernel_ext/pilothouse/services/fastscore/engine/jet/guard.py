"""What protects the machine from a model, and the jet from what the model does."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import resource
import signal
import sys
from collections.abc import Callable

__all__ = [
    "die_with_parent",
    "lift_memory_limit",
    "limit_memory",
    "on_fork",
    "protect",
]

_PR_SET_PDEATHSIG = 1


def protect(parent: int) -> None:
    """Die with the engine, leave no core file, print whole lines.

    Args:
        parent: Process id of the engine; another one means that it is gone already.
    """
    die_with_parent()
    if os.getppid() != parent:
        os._exit(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(size: int) -> None:
    """Bound the address space; what is above it is a MemoryError in the model."""
    if size > 0:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))


def lift_memory_limit() -> None:
    """Take the bound away, so that the end can be told."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def on_fork(forget: Callable[[], None]) -> None:
    """Let children that the model forks forget the engine, and die with the jet."""

    def in_child() -> None:
        forget()
        die_with_parent()

    os.register_at_fork(after_in_child=in_child)
