"""A view over a rolling window: appends, back-pressure, a snapshot for later views.

The browser acknowledges, about once a second, the last append that it has painted.
While it keeps up every append is sent as it comes. When it falls behind, what was added
is merged and goes as one append a second. Its answers wait behind a running cell: then
the silence means nothing and the chart moves on, at a rate that falls the longer it
lasts. Until the first answer the whole window is repeated a few times, since a message
that comes before the browser has loaded the view's module is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import traitlets

from .busy import the_cell_clock
from .feed import CHART_HZ
from .first_sight import FirstSight
from .view import View
from .window import Window

__all__ = ["StreamView"]

_IN_FLIGHT: Final = 40
_UNSEEN: Final = 600
_MERGED_SECONDS: Final = 1.0


class StreamView(View):
    """A `View` over one `Window`; subclasses add points and call `_added`.

    Args:
        window: The points.
        traits: Values of traits.
    """

    _window = traitlets.Any(help="The window, for views that come later.").tag(
        sync=True, to_json=lambda _value, view: view._points.snapshot()
    )

    def __init__(self, window: Window, **traits: object) -> None:
        self._points = window
        self._acked = -1
        self._sight = FirstSight()
        self._sent_at = 0.0
        self._merging = False
        self._sending = threading.RLock()  # what is made first leaves first
        super().__init__(**traits)
        self._appends = self._subscribe(self._append, hz=CHART_HZ)

    @property
    def merging(self) -> bool:
        """Whether the browser has fallen behind, so that appends are merged."""
        return self._merging

    def _added(self) -> None:
        self._appends.put(None)

    def _append(self, _nothing: None) -> float | None:
        """Send what was added; on the publisher thread."""
        if not self._points.waiting:
            return None
        now = time.monotonic()
        if (wait := self._sent_at + self._pause() - now) > 0:
            return wait
        self._sent_at = now
        with self._sending:
            if self._sight.is_due():
                self._send_window()
            content, data = self._points.take()
            self.send({"append": content}, [data])
        return None

    def _pause(self) -> float:
        """Return how many seconds must lie between two appends now."""
        behind = self._points.seq - max(self._acked, 0)
        self._merging = False
        if behind < (_UNSEEN if not self._sight.seen else _IN_FLIGHT):
            return 0.0
        if busy_for := the_cell_clock().busy_for:
            return 0.0 if busy_for < 60 else 0.1 if busy_for < 300 else 0.25
        self._merging = True
        return _MERGED_SECONDS

    def _send_window(self) -> None:
        with self._sending:
            content = self._points.snapshot()
            data = content.pop("data")
            self.send({"window": content}, [data])

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take the browser's answers: what it has painted, and what it has missed."""
        if ask == "painted" and isinstance(content.get("seq"), int):
            self._sight.seen = True
            self._acked = max(self._acked, content["seq"])
        elif ask == "window":
            self._errands.add(self._send_window)
