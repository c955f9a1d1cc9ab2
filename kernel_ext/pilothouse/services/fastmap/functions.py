"""Functions on disk, by token and hash: opaque blobs, the least used go first.

    DATA/functions/<account>/<hash>       ; mode 0600, whole or not there

A function lies there once all its parts came in, its hash held and its dictionary
could be read. Its time stamp is its last use.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire import func_dict
from pilothouse.fastmap.wire.func_dict import FunctionDict

from .accounts import Account
from .options import FastmapOptions

__all__ = ["FunctionGone", "Functions"]


class FunctionGone(Exception):  # noqa: N818  (an event, not a fault)
    """A function is not stored any more."""


class Functions:
    """All stored functions; blocking calls, for threads, but `has`.

    Args:
        folder: Nobody else writes there.
        options: Bounds.
    """

    def __init__(self, folder: Path, options: FastmapOptions) -> None:
        self._folder = folder
        self._options = options
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def has(self, account: Account, func_hash: str) -> bool:
        """Tell whether a function is stored, and note that it is asked for."""
        try:
            os.utime(self._path(account, func_hash))
        except OSError:
            return False
        return True

    def add(self, account: Account, func_hash: str, blob: bytes) -> None:
        """Check a function, and store it.

        Raises:
            ProtocolError: If it is no function dictionary, or has another hash.
            OSError: If it cannot be written.
        """
        function = func_dict.unpack(blob, self._options.function_bytes)
        known = (func_dict.hash_of_blob(blob), func_dict.hash_of_func(function.func))
        if func_hash not in known:
            raise ProtocolError(
                f"the function has the hash {known[0]} or {known[1]}, not {func_hash}",
                protocol="Fastmap",
            )
        path = self._path(account, func_hash)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(path.parent, len(blob))
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            Path(name).rename(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def load(self, account: Account, func_hash: str) -> FunctionDict:
        """Return a function's pieces; what was pickled stays opaque.

        Raises:
            FunctionGone: If it is not stored, or what is stored is damaged.
        """
        try:
            blob = self._path(account, func_hash).read_bytes()
            return func_dict.unpack(blob, self._options.function_bytes)
        except FileNotFoundError as exc:
            raise FunctionGone(func_hash) from exc
        except ProtocolError as exc:
            self._path(account, func_hash).unlink(missing_ok=True)
            raise FunctionGone(func_hash) from exc

    def blob(self, account: Account, func_hash: str) -> bytes:
        """Return a function as it came.

        Raises:
            FunctionGone: If it is not stored.
        """
        try:
            return self._path(account, func_hash).read_bytes()
        except FileNotFoundError as exc:
            raise FunctionGone(func_hash) from exc

    def forget_old(self) -> None:
        """Remove functions that nobody used for long, and files left over."""
        now = time.time()
        for path in self._folder.glob("*/*"):
            longest = self._options.store_seconds
            if path.name.startswith("."):
                longest = min(longest, 3600.0)
            try:
                if now - path.stat().st_mtime > longest:
                    path.unlink()
            except FileNotFoundError:
                continue

    def _make_room(self, folder: Path, size: int) -> None:
        """Remove the least used functions of a token until one more fits."""
        if size > self._options.store_bytes:
            raise ProtocolError(
                f"a function of {size:,} bytes; all together may have "
                f"{self._options.store_bytes:,}",
                protocol="Fastmap",
            )
        found = []
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another upload's, renamed
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(each for _, each, _ in found)
        for _, each, path in sorted(found):
            if total + size <= self._options.store_bytes:
                return
            path.unlink(missing_ok=True)
            total -= each

    def _path(self, account: Account, func_hash: str) -> Path:
        return self._folder / account.name / func_hash
