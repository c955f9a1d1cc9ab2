"""What the magics of one shell share: options, connections, names, cells.

The session hangs on its shell, so two shells in one process do not mix. It is made
when the extension is loaded and opens nothing by itself.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from pilothouse.settings import Pilothouse, Settings

from ._cells import Cells
from ._names import Names

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Closable", "Session"]

_ATTRIBUTE = "_pilothouse_session"


class Closable(Protocol):
    """What a session keeps open, and closes when the extension goes."""

    def close(self) -> None:
        """Close it; may be called twice."""


class Session:
    """The state of the magics in one shell.

    Attributes:
        shell: The shell that it hangs on.
        options: What ``%config Pilothouse`` shows.
        settings: The profiles.
        names: Live names for completion.
        cells: The cells that made models, by model.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.options = Pilothouse(parent=shell)
        self.settings = Settings(options=self.options)
        self.names = Names(lambda: self.options.refresh)
        self.cells = Cells(
            getattr(shell.compile, "format_code_name", lambda path: None)
        )
        self._kept: dict[str, Any] = {}

    @classmethod
    def of(cls, shell: InteractiveShell) -> Session:
        """Return the session of ``shell``, a new one when it has none."""
        session = getattr(shell, _ATTRIBUTE, None)
        if session is None:
            session = cls(shell)
            setattr(shell, _ATTRIBUTE, session)
        return session

    @staticmethod
    def drop(shell: InteractiveShell) -> None:
        """Close the session of ``shell`` and take it off; nothing when it has none."""
        session = getattr(shell, _ATTRIBUTE, None)
        if session is not None:
            delattr(shell, _ATTRIBUTE)
            session.close()

    @property
    def execution(self) -> int:
        """The number of the cell that runs, as in ``In [n]``.

        The shell's own counter is ahead by one while a cell runs, in some releases.
        """
        return max(1, len(self.shell.user_ns.get("In", ())) - 1)

    def keep(self, key: str, thing: Closable) -> None:
        """Keep ``thing`` open under ``key``, closing what was there before."""
        before = self._kept.get(key)
        self._kept[key] = thing
        if before is not None and before is not thing:
            before.close()

    def kept(self, key: str) -> Any:  # noqa: ANN401  the caller knows what it kept
        """Return what is kept under ``key``, or ``None``."""
        return self._kept.get(key)

    def release(self, key: str) -> None:
        """Close what is kept under ``key``."""
        thing = self._kept.pop(key, None)
        if thing is not None:
            thing.close()

    def close(self) -> None:
        """Close everything that is open; later magics begin anew."""
        self.names.close()
        views = sys.modules.get("pilothouse_widgets")
        if views is not None:
            views.close_all()
        for key in list(self._kept)[::-1]:
            self.release(key)
