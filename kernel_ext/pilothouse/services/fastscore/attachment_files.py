"""Attachments as files beside the database.

    begin -> write, write, ... -> keep -> retire -> purge
                               -> discard

    keep   fsync, rename, fsync of the folder
    retire no longer counts; stays for a while, for who has just been told its path

A file gets its final name only when it is whole and on the disk, and that name is
new each time: a reader of the old file is never disturbed. The database names the
files that count; others are left-overs of a crash and are removed at the next start.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections import deque
from collections.abc import Container
from pathlib import Path
from typing import BinaryIO

__all__ = ["GRACE_SECONDS", "AttachmentFiles", "Upload"]

GRACE_SECONDS = 30.0
"""How long a retired file can still be opened."""

_PARTIAL = ".partial"


class Upload:
    """A file that is being written; it counts only after `keep`."""

    def __init__(self, folder: Path) -> None:
        self.name = uuid.uuid4().hex
        self.size = 0
        self._folder = folder
        self._partial = folder / f"{self.name}{_PARTIAL}"
        self._file: BinaryIO | None = self._partial.open("xb")

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        if self._file is None:
            raise ValueError("this upload has ended")
        self._file.write(data)
        self.size += len(data)

    def keep(self) -> str:
        """Bring the file to the disk and give it its name; return the name."""
        if self._file is None:
            raise ValueError("this upload has ended")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._partial.rename(self._folder / self.name)
        _sync_folder(self._folder)
        return self.name

    def discard(self) -> None:
        """Drop what was written, unless it was kept. May be called twice."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk: its buffer is lost
                self._file.close()
            self._file = None
        self._partial.unlink(missing_ok=True)


class AttachmentFiles:
    """The folder of attachment files.

    Args:
        folder: Made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._retired: deque[tuple[float, str]] = deque()

    def open(self) -> None:
        """Make the folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin(self) -> Upload:
        """Return a new file to write."""
        return Upload(self._folder)

    def path(self, name: str) -> Path:
        """Return where a kept file lies."""
        return self._folder / name

    def retire(self, name: str) -> None:
        """Let `purge` remove a file later."""
        self._retired.append((time.monotonic(), name))

    def purge(self, min_age_seconds: float = GRACE_SECONDS) -> None:
        """Remove the files that were retired so long ago."""
        latest = time.monotonic() - min_age_seconds
        while self._retired and self._retired[0][0] <= latest:
            self.path(self._retired.popleft()[1]).unlink(missing_ok=True)

    def remove_all_but(self, names: Container[str]) -> int:
        """Remove left-overs of a crash; return how many there were."""
        extra = [path for path in self._folder.iterdir() if path.name not in names]
        for path in extra:
            path.unlink(missing_ok=True)
        return len(extra)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
