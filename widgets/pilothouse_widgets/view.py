"""What all views have in common: traits, words, a static snapshot, an orderly end.

A view is complete in three forms at once, so that a notebook can be read anywhere:

    text/plain   the key numbers on the first line, no object address
    text/html    a static snapshot, everything escaped, readable without any script
    widget view  the live one, where a front end supports it

A front end that reopens a notebook long after the kernel has gone shows the second.
Before eyes it stands in an output beside the live one, see `beside`; where a runner
executes the notebook it is renewed in the same output. At `View.close` the live output
is replaced by its snapshot at that moment.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import uuid4

import anywidget
import traitlets

from . import snapshot
from .assets import stylesheet
from .beside import Beside, end_renewals
from .busy import the_cell_clock
from .early import the_early_messages
from .errands import Errands
from .feed import TABLE_HZ, Subscription, newest, the_feed

__all__ = ["CATCH_UP_SECONDS", "View", "close_all", "renew_snapshots"]

_VIEW_MIME = "application/vnd.jupyter.widget-view+json"
_MOST_OUTPUTS = 8
_MOST_EARLY = 64
#: Longest wait for what a view shows of the present.
CATCH_UP_SECONDS = 2.0

T = TypeVar("T")
Bundle = tuple[dict[str, Any], dict[str, Any]]

_open: weakref.WeakValueDictionary[str, View] = weakref.WeakValueDictionary()
_open_lock = threading.Lock()


def close_all() -> None:
    """Close every open view, newest first, and join the publisher thread."""
    with _open_lock:
        views = list(_open.values())
    for view in reversed(views):
        view.close()
    the_feed().close()
    end_renewals()
    the_cell_clock().forget()
    with contextlib.suppress(RuntimeError, OSError):  # a kernel that ends
        the_early_messages().forget()


def renew_snapshots() -> None:
    """Leave what each view shows now in its output, or soon in the one beside it.

    A notebook is saved while its views are live, and who opens the file has no kernel.
    """
    with _open_lock:
        views = list(_open.values())
    if the_cell_clock().is_unattended:
        for view in views:
            if view._outputs:
                view.catch_up()
    for view in views:
        view.renew_snapshot()


atexit.register(close_all)


class View(anywidget.AnyWidget):
    """A live view; subclasses say `headline` and `body_html` and name their module."""

    _css = stylesheet()
    _foot = "static snapshot; run the cell for the live view"
    _is_early = False  # whether its clicks are taken while a cell runs

    _key = traitlets.Unicode(help="Tells the models of a page apart.").tag(sync=True)
    title = traitlets.Unicode("", help="The heading; may be empty.").tag(sync=True)
    status = traitlets.Unicode("", help="The state in words, read out.").tag(sync=True)
    trouble = traitlets.Unicode("", help="Why this view cannot show more.").tag(
        sync=True
    )

    def __init__(self, **traits: object) -> None:
        self._lock = threading.RLock()
        self._closing = False
        self._closed = False
        self._outputs: list[str] = []
        self._in_outputs: dict[str, Any] = {}
        self._subscriptions: list[Subscription[Any]] = []
        self._errands = Errands(f"pilothouse-{type(self).__name__}")
        self._early: deque[dict[str, Any]] = deque(maxlen=_MOST_EARLY)
        key = uuid4().hex
        self._beside = Beside(key, self._still_forms, self._state_in_words)
        super().__init__(_key=key, **traits)
        self.on_msg(self._heard)
        if self._is_early and self.comm is not None:
            self._is_early = the_early_messages().watch(self.model_id, self)
        the_cell_clock().watch()
        the_cell_clock().at_each_end(renew_snapshots)
        with _open_lock:
            _open[self._key] = self

    # -- what a subclass says ------------------------------------------------------

    def headline(self) -> str:
        """Return the key numbers in one line."""
        return self.title or type(self).__name__

    def body_html(self) -> str:
        """Return the body of the static snapshot, escaped HTML."""
        return ""

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take a request of the browser; only enqueue work here."""

    def catch_up(self) -> None:
        """Wait a little until what is shown is not older than this call.

        A runner keeps nothing that comes after the end of its last cell.
        """
        for subscription in self._subscriptions:
            subscription.flush(CATCH_UP_SECONDS)

    # -- the feed ------------------------------------------------------------------

    def _subscribe(
        self,
        show: Callable[[T], float | None],
        *,
        hz: float = TABLE_HZ,
        merge: Callable[[T, T], T] = newest,
    ) -> Subscription[T]:
        """Subscribe to the feed for as long as this view is open."""
        subscription = the_feed().subscribe(
            show, hz=hz, merge=merge, on_trouble=self._set_trouble
        )
        self._subscriptions.append(subscription)
        return subscription

    def _set_trouble(self, trouble: str) -> None:
        self.trouble = trouble

    def _update(self, **traits: object) -> None:
        """Set traits so that they travel in one message."""
        with self._lock, self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)

    def _send(self, msg: object, buffers: object = None) -> None:
        """Send a message; what the page shows then is not what was kept of it."""
        super()._send(msg, buffers)
        self._beside.changed()

    def _heard(
        self, _widget: object, content: object, _buffers: Sequence[memoryview]
    ) -> None:
        if not isinstance(content, dict) or not isinstance(content.get("ask"), str):
            return
        if self._early and self._early[0] == content:  # the same message, at last
            self._early.popleft()
            return
        self.asked(content["ask"], content)

    def hear_early(self, content: dict[str, Any]) -> None:
        """Take a message when it arrives, while a cell may be running."""
        if isinstance(content.get("ask"), str) and not self._closing:
            self._early.append(content)
            self.asked(content["ask"], content)

    # -- the forms -----------------------------------------------------------------

    def __repr__(self) -> str:
        return self.headline()

    def _still_forms(self) -> tuple[str, str]:
        """Return the static forms: a line of text, and HTML."""
        text = self.headline()
        html = snapshot.page(
            text, self.body_html(), trouble=self.trouble, foot=self._foot
        )
        return text, html

    def _state_in_words(self) -> str:
        """Return what is worth an early snapshot when it has changed."""
        return f"{self.status} {self.trouble}"

    def _static(self) -> dict[str, Any]:
        return dict(zip(("text/plain", "text/html"), self._still_forms(), strict=True))

    def _bundle(self) -> dict[str, Any]:
        bundle = self._static()
        if self.comm is not None:
            bundle |= self._live()
        return bundle

    def _live(self) -> dict[str, Any]:
        model = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {_VIEW_MIME: model}

    def _repr_mimebundle_(self, **_kwargs: object) -> Bundle:
        return self._bundle(), {}

    def _ipython_display_(self, **_kwargs: object) -> None:
        """Display under an id, so that `close` can put the snapshot in its place."""
        from IPython.display import display

        output = uuid4().hex
        self._outputs = [*self._outputs, output][-_MOST_OUTPUTS:]
        if self.comm is None or not the_cell_clock().is_attended:
            self._in_outputs = self._bundle()
            display(self._in_outputs, raw=True, display_id=output)
            return
        display({"text/plain": "", **self._live()}, raw=True, display_id=output)
        self._beside.show(self.headline(), _MOST_OUTPUTS)

    def renew_snapshot(self) -> None:
        """Keep what is shown now for who opens the file later, and stay live."""
        self._beside.hurry()
        if self._closing or self._beside.outputs or not self._outputs:
            return
        if not the_cell_clock().is_unattended:
            return
        if threading.current_thread() is not threading.main_thread():
            return  # a runner drops what comes between two cells
        from IPython.display import update_display

        bundle = self._bundle()
        if bundle != self._in_outputs:
            self._in_outputs = bundle
            for output in self._outputs:
                update_display(bundle, raw=True, display_id=output)

    def _leave_snapshot(self) -> None:
        if not self._outputs or "IPython" not in sys.modules:
            return
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.display import update_display

        outputs, self._outputs = self._outputs, []
        if not InteractiveShell.initialized():
            return
        self._beside.close()
        bundle = self._static()
        for output in outputs:
            update_display(bundle, raw=True, display_id=output)

    # -- the end -------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether `close` has done its work."""
        return self._closed

    def stop(self) -> None:
        """Stop watching; what is shown stays. Subclasses end their sources here."""

    def close(self) -> None:
        """Stop watching and leave a static snapshot; may be called twice."""
        if getattr(self, "_closing", True):
            return
        self._closing = True
        self.stop()
        for subscription in self._subscriptions:
            subscription.close()
        self._errands.close()
        with contextlib.suppress(Exception):  # a kernel that ends has no output left
            self._leave_snapshot()
        with _open_lock:
            _open.pop(self._key, None)
        layout = self.layout
        super().close()
        if layout is not None:  # a model of its own, which ipywidgets leaves behind
            layout.close()
        # ipywidgets takes the formatter of a closed widget away; ours still has a text.
        self.__dict__.pop("_repr_mimebundle_", None)
        self._closed = True
