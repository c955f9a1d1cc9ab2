"""Names of files for completion: one folder is listed, nothing is opened.

IPython completes files, too, but among all that Python knows; where a magic's line
takes a file, only files are offered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ._names import Name

__all__ = ["FILE", "FOLDER", "file_names"]

FILE = "file"
FOLDER = "folder"
_MOST = 500


def file_names(begun: str) -> Iterator[Name]:
    """Yield the files and folders whose names go on as a word has begun.

    Args:
        begun: The word as typed, without its quote; ``~`` is the home folder.
    """
    typed, start = os.path.split(begun)
    lead = begun[: len(begun) - len(start)]
    folder = Path(typed or ".").expanduser()
    with suppress(OSError), os.scandir(folder) as entries:
        fit = (e for e in entries if e.name.startswith(start))
        shown = (e for e in fit if start or not e.name.startswith("."))
        for entry in sorted(islice(shown, _MOST), key=lambda one: one.name):
            is_folder = _is_folder(entry)
            end = os.sep if is_folder else ""
            yield Name(f"{lead}{entry.name}{end}", FOLDER if is_folder else FILE)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir()
    return False
