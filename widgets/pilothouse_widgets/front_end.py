"""Ask the page that shows the notebook: a round trip of a widget without a view.

    seen = ask_page(3.0)     # a FrontEnd, or None: no page has answered

A front end makes the models of widgets as their comms open, also of those that are
never displayed. So the cell gets no output, and nothing of it is saved.

May touch: the kernel's comms.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import anywidget

from pilothouse.waits import Event

from .assets import module
from .early import the_early_messages

__all__ = ["FrontEnd", "ask_page"]

_MOST_LETTERS: Final = 40
_SLICE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """What a page has said of itself; empty: it does not know.

    Attributes:
        app: The application, for instance ``"JupyterLab"``.
        version: Its version.
        manager: Version of the widget manager that its server serves.
        anywidget: Version of anywidget's part there.
    """

    app: str = ""
    version: str = ""
    manager: str = ""
    anywidget: str = ""


class _Asking(anywidget.AnyWidget):
    """The question, for as long as it stands."""

    _esm = module("front_end.js")

    def __init__(self) -> None:
        self._answered = Event()
        self.answer: FrontEnd | None = None
        name = uuid4().hex
        # Before its comm opens: the page may answer at once.
        self.is_heard = the_early_messages().watch(name, self)
        super().__init__(model_id=name)

    def hear_early(self, content: dict[str, Any]) -> None:
        """Take the answer while the cell runs."""
        if content.get("ask") == "seen":
            names = ("app", "version", "manager", "anywidget")
            words = (str(content.get(name, ""))[:_MOST_LETTERS] for name in names)
            self.answer = FrontEnd(*(_printable(word) for word in words))
            self._answered.set()

    def close(self) -> None:
        """Close the layout, too, a model of its own."""
        layout = self.layout
        super().close()
        if layout is not None:
            layout.close()

    def wait(self, seconds: float) -> FrontEnd | None:
        """Return the answer; None when none came in time."""
        end = time.monotonic() + seconds
        while not self._answered.wait(_SLICE_SECONDS) and time.monotonic() < end:
            the_early_messages().serve()
        return self.answer


def ask_page(seconds: float) -> FrontEnd | None:
    """Ask the page for what it is; None when no page has answered in time.

    Args:
        seconds: Longest wait.
    """
    asking = _Asking()
    answer = None
    try:
        answer = asking.wait(seconds) if asking.is_heard else None
    finally:
        if answer is None:
            asking.close()
        else:  # the answer comes on its usual way, too, when the cell has ended
            asking.on_msg(lambda *_: asking.close())
    return answer


def _printable(word: str) -> str:
    return "".join(letter for letter in word if letter.isprintable())
