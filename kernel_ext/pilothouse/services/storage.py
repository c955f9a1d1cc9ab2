"""Whether an error says that there is no room left to write."""

from __future__ import annotations

import errno

__all__ = ["is_storage_full"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SQLITE_FULL = ("database or disk is full", "disk i/o error")


def is_storage_full(exc: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, means a full disk.

    SQLite tells a full disk as such, or, when a limit on the size of a file is met
    while it writes its log, as an I/O error.
    """
    seen = 0
    while exc is not None and seen < 10:
        if isinstance(exc, OSError) and exc.errno in _FULL:
            return True
        if type(exc).__module__ == "sqlite3" and any(
            text in str(exc).lower() for text in _SQLITE_FULL
        ):
            return True
        exc, seen = exc.__cause__ or exc.__context__, seen + 1
    return False
