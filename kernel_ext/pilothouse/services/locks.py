"""Locks between processes: a file that one of them holds.

The kernel of the operating system releases it when the process ends, however it ends.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pilothouse.errors import ServiceError

__all__ = ["FileLock"]

_RETRY_SECONDS = 0.02


def _take(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """An exclusive lock on a file, made with 0600 when it is missing.

    Args:
        path: The file; it stays when the lock is released.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; return whether it was."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(handle)
        except (BlockingIOError, PermissionError):  # the second is Windows' word for it
            os.close(handle)
            return False
        self._handle = handle
        return True

    def wait(self, timeout: float) -> None:
        """Take the lock, waiting for it.

        Raises:
            ServiceError: If it was not free within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self.acquire():
            if time.monotonic() > deadline:
                raise ServiceError(f"{self._path} was locked for {timeout:g} s")
            time.sleep(_RETRY_SECONDS)

    def release(self) -> None:
        """Give the lock back. May be called twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
