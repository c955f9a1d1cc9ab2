"""The working directory of a model that runs here: where its attachments lie."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Model

__all__ = ["unpacked"]


@contextmanager
def unpacked(model: Model) -> Iterator[None]:
    """Run in a folder that holds the model's attachments, if it has any."""
    attachments = model.all_attachments()
    if not attachments:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
        for attachment in attachments:
            if attachment.atype == "zip":
                with zipfile.ZipFile(attachment.datafile) as archive:
                    archive.extractall(folder)
            else:
                with tarfile.open(attachment.datafile) as archive:
                    archive.extractall(folder, filter="data")
        before = Path.cwd()
        os.chdir(folder)
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            os.chdir(before)
            sys.path.remove(folder)
            _forget_modules(folder)


def _forget_modules(folder: str) -> None:
    """Let the next run import its own modules, not those of a folder that is gone."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(folder + os.sep):
            del sys.modules[name]
    sys.path_importer_cache.pop(folder, None)
