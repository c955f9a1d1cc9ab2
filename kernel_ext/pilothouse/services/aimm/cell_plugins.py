"""Plugins that came from notebook cells, kept for the next start of the server.

They lie beside the database, each a Python file of its module's name; instances of
their types work again at once after a restart.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CellPlugins"]


class CellPlugins:
    """The plugins of cells in one folder.

    Args:
        folder: Made with the first plugin.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sources(self) -> dict[str, str]:
        """Return what is kept, by module name; what cannot be read is passed over."""
        found = {}
        for path in sorted(self._folder.glob("*.py")):
            try:
                found[path.stem] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
        return found

    def keep(self, name: str, source: str) -> None:
        """Keep a plugin, in the place of one of that name.

        Raises:
            OSError: If it cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f".{name}.new"
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            "w",
            encoding="utf-8",
        ) as file:
            file.write(source)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / f"{name}.py")
