"""What the doctor says of files: who may read them, whether they can be written."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ._report import Check, State

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["look_at_files"]

_ENOUGH_BYTES = 50 * 1024 * 1024


def look_at_files(session: Session) -> Iterator[Check]:
    """Look at the files with secrets, at old services and at the folder of jobs."""
    yield from _modes()
    yield from _versions()
    yield from _writable()


def _modes() -> Iterator[Check]:
    from pilothouse.services.runtime_files import runtime_dir

    open_ones = [
        path
        for path in sorted(runtime_dir().glob("pilothouse-*.json"))
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_ones:
        paths = " ".join(shlex.quote(str(path)) for path in open_ones)
        yield Check(
            "secret files",
            State.FAULT,
            "others may read the credentials of the local services",
            f"chmod 600 {paths}",
        )
        return
    yield Check("secret files", State.OK, "nobody else may read them")


def _versions() -> Iterator[Check]:
    from pilothouse import __version__
    from pilothouse.services.runtime_files import find_records

    old = {each.version for each in find_records() if each.version != __version__}
    if old:
        yield Check(
            "old services",
            State.FAULT,
            f"of {', '.join(sorted(old))}, and this is {__version__}",
            "%pilot down, then %pilot up",
        )


def _writable() -> Iterator[Check]:
    from pilothouse.jobs import JobBook

    folder = JobBook().folder
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        quoted = shlex.quote(str(there))
        yield Check(
            "jobs",
            State.FAULT,
            f"{there} is no folder, so no job can be remembered",
            f"mv {quoted} {quoted}.old",
        )
    elif not os.access(there, os.W_OK | os.X_OK):
        yield Check(
            "jobs",
            State.FAULT,
            f"{there} cannot be written, so no job can be remembered",
            _made_writable(there),
        )
    elif _free(there) < _ENOUGH_BYTES:
        yield Check(
            "jobs",
            State.FAULT,
            f"the disk of {there} is full",
            "make room on that disk: 50 MB do",
        )
    else:
        yield Check("jobs", State.OK, "can be remembered")


def _made_writable(folder: Path) -> str:
    """Return what makes a folder writable, or lets another one be taken."""
    is_fixed = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
    is_ours = hasattr(os, "getuid") and folder.stat().st_uid == os.getuid()
    if is_ours and not is_fixed:
        return f"chmod u+rwx {shlex.quote(str(folder))}"
    return "export XDG_STATE_HOME=FOLDER, with one of yours, and start the kernel anew"


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
