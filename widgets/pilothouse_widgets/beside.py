"""The snapshot beside a live view: unseen until the file is opened without that.

An update of a display makes JupyterLab draw the view anew, so the output of a live view
is left as it is, and empty but for the view. What it shows stands in a second output,
which the view's own page hides. That one is renewed from a thread: soon after a cell or
when the state has changed, else now and then, and never while nothing changes.

May touch: IPython's display.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from .feed import Feed, Subscription

__all__ = ["Beside", "end_renewals"]

#: Seconds between two renewals while only numbers change.
_SELDOM: Final = 20.0
#: Seconds between two renewals when a cell has ended or the state is another one.
_SOON: Final = 2.0

#: What is left takes no room where a page has styles.
_NO_LINE: Final = (
    '<style>.jp-OutputArea-child:has([data-ph-of="{key}"]) {{ display: none; }}</style>'
)

_renewals = Feed()


def end_renewals() -> None:
    """End the thread of all renewals; a later change starts it anew."""
    _renewals.close()


class Beside:
    """The outputs beside those of one view.

    Args:
        key: The mark by which the view's page knows them.
        draw: Returns the snapshot as text and as HTML.
        state: Returns what is worth an early renewal when it has become another.
    """

    def __init__(
        self,
        key: str,
        draw: Callable[[], tuple[str, str]],
        state: Callable[[], object],
    ) -> None:
        self.outputs: list[str] = []
        self._key = key
        self._draw = draw
        self._state = state
        self._told: object = None
        self._lock = threading.Lock()
        self._kept: dict[str, str] = {}
        self._kept_at = 0.0
        self._is_old = self._is_urgent = self._over = False
        self._changes: Subscription[None] | None = None

    def show(self, text: str, most: int) -> None:
        """Display one more, still without the snapshot: the view comes up first."""
        from IPython.display import display

        self.outputs = [*self.outputs, uuid4().hex][-most:]
        display(self._bundle(text, ""), raw=True, display_id=self.outputs[-1])
        self._kept, self._kept_at = {}, time.monotonic()
        if self._changes is None:
            self._changes = _renewals.subscribe(self._keep)
        self.changed()
        self.hurry()

    def changed(self) -> None:
        """Take note that the view shows something else."""
        if self._changes is not None:
            self._is_old = True
            self._changes.put(None)

    def hurry(self) -> None:
        """Renew soon what is old."""
        if self._is_old:
            self._is_urgent = True

    def close(self) -> None:
        """Leave nothing here: the snapshot takes the place of the view."""
        with self._lock:
            self._over = True
        if self._changes is not None:
            self._changes.close()
            self._publish(self._bundle("", _NO_LINE.format(key=self._key)))
            self.outputs = []

    def _keep(self, _nothing: None) -> float | None:
        if self._over:
            return None
        now, state = time.monotonic(), self._state()
        pause = _SOON if self._is_urgent or state != self._told else _SELDOM
        left = self._kept_at + pause - now
        if left > 0:
            return min(left, _SOON)
        self._kept_at, self._told = now, state
        self._is_old = self._is_urgent = False
        bundle = self._bundle(*self._draw())
        if bundle != self._kept:
            self._kept = bundle
            self._renew(bundle)
        return None

    def _renew(self, bundle: dict[str, str]) -> None:
        with self._lock:
            if not self._over:
                self._publish(bundle)

    def _bundle(self, text: str, html: str) -> dict[str, str]:
        marked = f'<div data-ph-of="{self._key}">{html}</div>'
        return {"text/plain": text, "text/html": marked}

    def _publish(self, bundle: dict[str, str]) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.display import update_display

        if InteractiveShell.initialized():
            for output in self.outputs:
                update_display(bundle, raw=True, display_id=output)
