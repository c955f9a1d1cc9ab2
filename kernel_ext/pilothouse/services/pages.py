"""A server of pages as a child of this process: started, ended with it, never asked.

Both faces of the house in a browser, ``pilothouse lab`` and ``pilothouse dashboard``,
are such a child.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import FrameType

from pilothouse.errors import ServiceError

__all__ = ["has_browser", "is_listening", "need", "run_page"]

_START_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_CONNECT_SECONDS = 1.0
_END_SECONDS = 30.0


def need(package: str, title: str) -> None:
    """Make sure that a package of the ``lab`` extra is there.

    Raises:
        ServiceError: If it is not.
    """
    if find_spec(package) is None:
        raise ServiceError(
            f"{title} is not installed here", hint="pip install 'pilothouse[lab]'"
        )


def run_page(
    command: Sequence[str],
    address: Callable[[int], str | None],
    *,
    title: str,
    say: Callable[[str], None],
    opened: Callable[[str], object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Run a server until it ends or a signal ends it; return its exit code.

    Args:
        command: What starts it.
        address: Given its process id, returns where the page is; ``None`` until it is
            ready.
        title: What it is called.
        say: Takes lines for the user.
        opened: Called with the address once it is there.
        variables: More variables of its environment.

    Raises:
        ServiceError: If it does not get ready.
    """
    ending = _hear_signals()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **(variables or {})},
    )
    try:
        found = _await(process, address, title, ending)
        if found:
            say(f"{title}: {found}")
            say("Ctrl-C ends it.")
            if opened is not None:
                opened(found)
        while process.poll() is None and not ending.is_set():
            time.sleep(_LOOK_SECONDS)
    finally:
        code = _end(process)
    return 0 if ending.is_set() else code


def has_browser() -> bool:
    """Return whether a browser can be opened here."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def is_listening(host: str, port: int) -> bool:
    """Return whether a port takes connections."""
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _hear_signals() -> threading.Event:
    """Return what Ctrl-C, SIGTERM and SIGHUP set.

    It is to be looked at in between: a signal that comes just before a wait is heard
    behind it, and one amid a wait for this very event would lock it up.
    """
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    return ending


def _await(
    process: subprocess.Popen[bytes],
    address: Callable[[int], str | None],
    title: str,
    ending: threading.Event,
) -> str:
    """Return the address once it is there; empty if the server ends before."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and not ending.is_set():
        found = address(process.pid)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise ServiceError(f"{title} did not get ready")
        time.sleep(_LOOK_SECONDS)
    return ""


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a server that has not ended: in order, which asks no question, or at once."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
