"""A model's error on the lines of the cell that defined it.

`ModelError` gets a short form when the first model is made of a cell, so that a model
that fails shows its own lines whoever called it: a magic or a user's own Python.
"""

from __future__ import annotations

import re
import sys

from pilothouse.errors import FastScoreError, PilothouseError

from ._errors import short_text, whole_trace
from ._session import Session

__all__ = ["detail_of", "show_on_cells"]

_HOOK = "model errors"
_CHAIN = re.compile(
    r"^(?:The above exception was the direct cause of|During handling of the above).*$",
    re.MULTILINE,
)


def detail_of(session: Session, exc: PilothouseError) -> str:
    """Return the model's traceback that an error carries, on the cells' lines."""
    text = getattr(exc, "console", "") or _last(getattr(exc, "traceback", ""))
    if not text and isinstance(exc, FastScoreError):
        body = getattr(exc.caused_by, "body", "")
        text = body if isinstance(body, str) and "<model " in body else ""
    return session.cells.relocate(text) if text else ""


def _last(traceback: str) -> str:
    """Return the last of chained tracebacks: the one of the user's own call."""
    return _CHAIN.split(traceback)[-1].lstrip("\n")


def show_on_cells(session: Session) -> None:
    """Let every `ModelError` show in short, with the cells' lines, while loaded."""
    from pilothouse.fastscore.errors import ModelError

    if session.kept(_HOOK) is None:
        session.keep(_HOOK, _Hook())
    ModelError._render_traceback_ = _render  # type: ignore[attr-defined]


class _Hook:
    """Takes the short form away again when the extension goes."""

    def close(self) -> None:
        from pilothouse.fastscore.errors import ModelError

        if "_render_traceback_" in vars(ModelError):
            del ModelError._render_traceback_  # type: ignore[attr-defined]


def _render(exc: PilothouseError) -> list[str]:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return short_text(exc, getattr(exc, "console", "")).splitlines()
    session = Session.of(shell)
    caller = sys._getframe(1).f_back
    asked = caller is not None and caller.f_code.co_name == "tb"
    if asked or not session.options.brief_errors:
        return whole_trace(shell, exc)
    colored = str(getattr(shell, "colors", "nocolor")).lower() != "nocolor"
    return short_text(exc, detail_of(session, exc), colored=colored).splitlines()
