"""Progress of remote work: bar, rate, time left, state, a button that cancels.

The final state stays in the notebook as a static snapshot.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from html import escape
from typing import Any, Final, Protocol, Self, TypeVar

import traitlets

from . import words
from .assets import module
from .view import View

__all__ = ["HowFar", "Progress"]

_MEMORY_SECONDS: Final = 5.0
_WAITS: Final = "while a cell waits for it, the kernel's interrupt cancels it"
_COLOURS: Final = {
    "done": "#1a7f37",
    "failed": "#c2352b",
    "cancelled": "#9a6700",
    "detached": "#9a6700",
}

T = TypeVar("T")


class HowFar(Protocol):
    """How far a job is, as the handles of remote work tell it."""

    @property
    def state(self) -> str:
        """``"running"``, or how it ended."""

    @property
    def received(self) -> int:
        """Results that came back."""

    @property
    def rejected(self) -> int:
        """What was refused, so that no result will come."""

    @property
    def total(self) -> int | None:
        """What there is to do; ``None`` when not known."""


class Progress(View):
    """How far some work is.

    It is a context manager, a callback (``attachment.upload(progress=view)``,
    ``engine.score(data, progress=view)``), and wraps an iterable: ``for row in
    Progress(label="scoring").over(rows)``.

    Args:
        total: How much there is to do; ``None`` when not known.
        label: What is being done.
        unit: What is counted.
        cancel: Called on a thread of this view when the user asks to cancel.
    """

    _esm = module("progress.js")
    _foot = ""
    _is_early = True

    label = traitlets.Unicode("", help="What is being done.").tag(sync=True)
    unit = traitlets.Unicode("", help="What is counted.").tag(sync=True)
    done = traitlets.Float(0.0, help="How much is done.").tag(sync=True)
    total = traitlets.Float(None, allow_none=True, help="How much there is.").tag(
        sync=True
    )
    rate = traitlets.Float(0.0, help="Units a second, lately.").tag(sync=True)
    elapsed = traitlets.Float(0.0, help="Seconds since the start.").tag(sync=True)
    state = traitlets.Enum(
        ("running", "cancelling", "done", "failed", "cancelled", "detached"), "running"
    ).tag(sync=True)
    text = traitlets.Unicode("", help="More words on the state.").tag(sync=True)
    eta = traitlets.Float(None, allow_none=True, help="Seconds left, if told.").tag(
        sync=True
    )
    cancellable = traitlets.Bool(False).tag(sync=True)
    hint = traitlets.Unicode("", help="How else to cancel.").tag(sync=True)

    def __init__(
        self,
        total: float | None = None,
        *,
        label: str = "",
        unit: str = "records",
        cancel: Callable[[], object] | None = None,
    ) -> None:
        self._cancel = cancel
        self._began = time.monotonic()
        self._mark = (self._began, 0.0)
        self._before = 0.0
        self._now: dict[str, Any] = {"done": 0.0, "total": total}
        self._count_lock = threading.Lock()
        super().__init__(
            label=label, unit=unit, total=total, cancellable=cancel is not None
        )
        if cancel is not None and not self._is_early:
            self.hint = _WAITS
        self._numbers = self._subscribe(self._show)

    # -- counting, from any thread -------------------------------------------------

    def update(self, n: float = 1) -> None:
        """Count ``n`` more."""
        with self._count_lock:
            self._now["done"] += n
        self._numbers.put(None)

    def set(self, done: float, total: float | None = None) -> None:
        """Set how much is done, and the total if it is now known."""
        with self._count_lock:
            self._now["done"] = float(done)
            if total is not None:
                self._now["total"] = float(total)
        self._numbers.put(None)

    def __call__(self, done: float | HowFar, total: float | None = None) -> None:
        """Take numbers as a callback.

        Args:
            done: How much is done; or what a job calls back with.
            total: How much there is.
        """
        if isinstance(done, int | float):
            self.set(done, total)
        else:
            self.take(done)

    def take(self, report: HowFar) -> None:
        """Take how far a job is; its last state is the end."""
        rejected = report.rejected
        with self._count_lock:
            self._now["text"] = f"{words.count(rejected)} rejected" if rejected else ""
        self.set(report.received + rejected, report.total)
        if report.state in _COLOURS:
            self._end(report.state, self._now["text"])

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items and count them; the loop's end is the end of the work."""
        if self._now["total"] is None and isinstance(items, Sized):
            self.set(0, len(items))
        with self:
            for item in items:
                yield item
                self.update()

    # -- the end -------------------------------------------------------------------

    def finish(self, text: str = "") -> None:
        """Say that the work is done; the snapshot of that stays in the notebook."""
        self._end("done", text)

    def fail(self, error: BaseException | str) -> None:
        """Say that the work failed, and why."""
        why = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        self._end("failed", why)

    def cancelled(self, text: str = "") -> None:
        """Say that the work was cancelled; the text says what the peer answered."""
        self._end("cancelled", text)

    def _end(self, state: str, text: str) -> None:
        if self.state in _COLOURS:
            return
        with self._count_lock:
            self._now.update(state=state, text=text)
        self._numbers.put(None)
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, _tb: object) -> None:
        if error is None or isinstance(error, GeneratorExit):
            self.finish()
        elif isinstance(error, KeyboardInterrupt):
            self.cancelled("interrupted")
        else:
            self.fail(error)

    # -- showing -------------------------------------------------------------------

    def _show(self, _nothing: None) -> None:
        with self._count_lock:
            now = dict(self._now)
        at = time.monotonic()
        elapsed = now.pop("seconds", None) or at - self._began
        rate = now.pop("told", None)
        if rate is None:
            ended = now.get("state") == "done"
            rate = self._rate(at, now["done"], elapsed, ended=ended)
        self._update(
            **now, elapsed=round(elapsed, 2), rate=rate, status=self._spoken(now)
        )

    def _rate(self, at: float, done: float, elapsed: float, *, ended: bool) -> float:
        """Return the rate of the last seconds; at the end, of the whole."""
        marked_at, marked = self._mark
        whole = round((done - self._before) / elapsed, 3) if elapsed > 0 else 0.0
        if ended or done < marked:
            return max(whole, 0.0)
        if not self.rate:
            self._mark = (at, done)
            return whole
        if at - marked_at < 0.05:
            return self.rate
        newest = (done - marked) / (at - marked_at)
        weight = max(min((at - marked_at) / _MEMORY_SECONDS, 1.0), 0.2)
        self._mark = (at, done)
        return round(self.rate + (newest - self.rate) * weight, 3)

    def _spoken(self, now: Mapping[str, Any]) -> str:
        """Return words that change at each tenth only: they are read out."""
        state = now.get("state", "running")
        label = self.label or "work"
        if state != "running" or not now["total"]:
            return f"{label} {state}"
        return f"{label}: {int(10 * now['done'] / now['total']) * 10} percent"

    @property
    def fraction(self) -> float | None:
        """How much of the total is done, 0 to 1; ``None`` when that is not known."""
        return min(self.done / self.total, 1.0) if self.total else None

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take a click on Cancel."""
        if ask == "cancel" and self._cancel is not None and self.state == "running":
            with self._count_lock:
                self._now["state"] = "cancelling"
            self._numbers.put(None)
            self._errands.add(self._run_cancel)

    def _run_cancel(self) -> None:
        try:
            if self._cancel is not None:
                self._cancel()
        except Exception as exc:  # shown: nothing else could take it
            with self._count_lock:
                text = f"the cancel was not confirmed: {exc}"
                self._now.update(state="running", text=text)
            self._numbers.put(None)

    # -- forms ---------------------------------------------------------------------

    def headline(self) -> str:
        """Return label, count, rate and state in one line."""
        count = words.count(self.done)
        counted = words.units(self.total or self.done, self.unit)
        amount = f"{count} of {counted}" if self.total else counted
        uncounted = self.total is None and not self.done
        parts = [] if uncounted else [amount]
        if self.total and self.state == "done" and self.done != self.total:
            # Record sets, or a model that does not answer one to one.
            parts = [counted, f"{count} out"]
        if self.fraction is not None and self.state == "running":
            parts.insert(0, f"{self.fraction:.0%}")
        text = self.text
        if text.startswith(f"{self.state}:"):  # a whole sentence, with the counts
            parts, text = [text], ""
        elif self.state != "running":
            parts.insert(0, self.state)
        if self.rate:
            parts.append(words.rate(self.rate, self.unit))
        if self.elapsed:
            parts.append(words.duration(self.elapsed))
        if text:
            parts.append(text)
        shown = ", ".join(parts) or self.state
        return f"{self.label}: {shown}" if self.label else shown

    def body_html(self) -> str:
        """Return the bar."""
        fraction = 1.0 if self.state == "done" else self.fraction
        if fraction is None:
            return ""
        colour = _COLOURS.get(self.state, "#2f81f7")
        return (
            f'<div role="img" aria-label="{escape(f"{fraction:.0%}")}" '
            'style="height:6px;border-radius:3px;margin:6px 0;'
            'background:rgba(128,128,128,.25)">'
            f'<div style="height:6px;border-radius:3px;width:{fraction * 100:.1f}%;'
            f'background:{colour}"></div></div>'
        )
