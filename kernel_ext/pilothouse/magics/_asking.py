"""Whether somebody can be asked for a password here, and how."""

from __future__ import annotations

import getpass
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pilothouse import secrets

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["UNASKED", "ask_of"]

UNASKED: ContextVar[bool] = ContextVar("pilothouse_unasked", default=False)
"""Whether what runs here only looks, and must not stop to ask anybody."""


def ask_of(shell: InteractiveShell) -> secrets.Ask:
    """Return how to ask the user of ``shell``; asks nobody where nobody can answer.

    A kernel asks its front end, when that allows it (a notebook runner does not); a
    terminal asks without echo.
    """
    if UNASKED.get():
        return secrets.nobody
    kernel: Any = getattr(shell, "kernel", None)
    if kernel is not None:
        can_ask = getattr(kernel, "_allow_stdin", False)
        return kernel.getpass if can_ask else secrets.nobody
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass.getpass
    return secrets.nobody
