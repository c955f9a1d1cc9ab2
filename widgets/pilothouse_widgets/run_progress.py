"""Progress of a handle of remote work, whatever the kernel does meanwhile.

Bar, rate and time left for every kind of job; for one that tells of its workers also a
lane for each, what was computed where, credits, what it waits for, and the traceback of
what went wrong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Protocol

import traitlets

from pilothouse.waits import Event

from . import snapshot, words
from .assets import module
from .progress import Progress
from .run_report import failure_of, printed_of, read

__all__ = ["Job", "RunProgress"]

_SMALL = "font-size:11px;white-space:nowrap"
_SLICE_SECONDS = 0.3
_LAST_WORD_SECONDS = 5.0
_STOPPED = ("cancelled", "failed")
_LONGEST = 200
_HERE = "#12908e"
_TONES = {
    "done": "#2f81f7",
    "running": "#6b7f95",
    "failed": "#c2352b",
    "retried": "#a67c00",
}


class Job(Protocol):
    """A handle of remote work."""

    @property
    def outcome(self) -> str:
        """What became of it, in a sentence."""

    @property
    def progress(self) -> Any:  # noqa: ANN401  see `run_report.read`
        """How far it is."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; tell whether that has come."""

    def cancel(self) -> object:
        """End it."""


class RunProgress(Progress):
    """Progress of a handle of remote work, read by a thread until it ends.

    Args:
        job: A handle with the four verbs of remote work, such as a `ScoreJob` or a
            `fastmap.Run`.
        label: What is being done.
        unit: What is counted.
        interval: Seconds between two looks.
        tidy: Makes a far traceback readable here.
    """

    _esm = module("run.js")

    step = traitlets.Unicode("", help="What it waits for.").tag(sync=True)
    facts: traitlets.List[Any] = traitlets.List(help="Names and values.").tag(sync=True)
    lanes: traitlets.List[Any] = traitlets.List(help="Who worked on what.").tag(
        sync=True
    )
    span = traitlets.Float(0.0, help="Seconds that the lanes go over.").tag(sync=True)
    failure = traitlets.Dict(help="Title and traceback of what failed.").tag(sync=True)
    printed = traitlets.Unicode("", help="What the workers printed.").tag(sync=True)

    def __init__(
        self,
        job: Job,
        *,
        label: str = "",
        unit: str = "records",
        interval: float = 0.25,
        tidy: Callable[[str], str] = str,
    ) -> None:
        self._job = job
        self._is_left = Event()
        self._interval = interval
        self._tidy = tidy
        known = read(job.progress)
        super().__init__(
            known.total, label=label or _label(job), unit=unit, cancel=job.cancel
        )
        if job.wait(0) and not known.span:  # nobody knows how long that has taken
            self._before = known.done
        self._thread = threading.Thread(
            target=self._follow, name="pilothouse-run-progress", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop looking at the job; the job itself goes on."""
        self._is_left.set()
        if self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def settle(self) -> None:
        """Show the end of a job that is over, and leave the snapshot of it."""
        self._is_left.set()
        self._thread.join(3.0)
        self._end_as_it_is()

    def _follow(self) -> None:
        while not self._is_left.is_set():
            if self._job.wait(self._interval):
                self._end_as_it_is()
                return
            self._look()

    def _look(self) -> str:
        report = read(self._job.progress)
        with self._count_lock:
            self._now.update(
                done=report.done,
                total=report.total if report.total is not None else self._now["total"],
                text=report.text,
                step=report.step,
                facts=report.facts,
                lanes=report.lanes,
                span=report.span,
                told=report.rate,
                seconds=report.span or None,
                eta=report.eta,
            )
        self._numbers.put(None)
        return report.state

    def _end_as_it_is(self) -> None:
        if self.closed or self._closing:
            return
        self._wait_for_the_last_word()
        state = self._look()
        failure = failure_of(getattr(self._job, "failure", None))
        if failure:
            failure["traceback"] = self._tidy(failure["traceback"])
        with self._count_lock:
            printed = printed_of(self._job)
            self._now.update(step="", eta=None, failure=failure, printed=printed)
        title = failure.get("title", "")
        self._end(state, _line(_beyond(state, title, self._job.outcome)))

    def _wait_for_the_last_word(self) -> None:
        """Let a job that was stopped hear whether its peer has confirmed that.

        It returns at once when it has heard that; `settle` and `close` wait no longer.
        """
        patience = _LAST_WORD_SECONDS if self._look() in _STOPPED else 0.0
        deadline = time.monotonic() + patience
        while True:
            began = time.monotonic()
            self._job.wait(_SLICE_SECONDS)
            now = time.monotonic()
            if now - began < _SLICE_SECONDS or now > deadline or self._is_left.is_set():
                return

    # -- forms ---------------------------------------------------------------------

    def body_html(self) -> str:
        """Return bar, lanes, facts and what went wrong."""
        parts = [super().body_html(), _lanes_html(self.lanes, self.span, self.unit)]
        parts.append(_facts_html(self.facts))
        if self.failure:
            body = snapshot.pre(self.failure["traceback"])
            parts.append(snapshot.disclosure(self.failure["title"], body))
        if self.printed:
            body = snapshot.pre(self.printed)
            parts.append(snapshot.disclosure("what the workers printed", body))
        return "".join(parts)


def _beyond(state: str, title: str, outcome: object) -> str:
    """Return what an outcome says beyond the state and the failure told below."""
    text = str(outcome)
    if state == "done" and text.endswith(" is complete"):
        return ""
    told = f"failed: {title}"
    return text.removeprefix(told).lstrip("; ") if title else text


def _line(text: str) -> str:
    """Return the first line, as long as a heading may be."""
    first = text.strip().partition("\n")[0]
    shown = first if len(first) <= _LONGEST else first[: _LONGEST - 1] + "…"
    return shown.replace("\\n", " ").strip()


def _facts_html(facts: list[list[str]]) -> str:
    shown = "".join(
        '<span style="margin-right:14px"><span style="opacity:.7">'
        f"{escape(name)}</span> {escape(value)}</span>"
        for name, value in facts
    )
    return f'<div style="{_SMALL};margin:4px 0">{shown}</div>' if shown else ""


def _lanes_html(lanes: list[Mapping[str, Any]], span: float, unit: str) -> str:
    if not lanes or span <= 0:
        return ""
    width = min(max(len(lane["name"]) for lane in lanes), 16)
    rows = "".join(_lane_html(lane, span, unit, width) for lane in lanes)
    return f'<div style="margin:6px 0">{rows}</div>'


def _lane_html(lane: Mapping[str, Any], span: float, unit: str, width: int) -> str:
    noun = unit.removesuffix("s")
    amount = f"{words.plural(lane['items'], noun)}, {words.duration(lane['seconds'])}"
    blocks = "".join(
        '<div style="position:absolute;top:0;bottom:0;min-width:1px;border-radius:2px;'
        f"left:{start / span:.2%};width:{((end or span) - start) / span:.2%};"
        f'background:{_tone(state, lane["where"])}"></div>'
        for start, end, _, state in lane["spans"]
    )
    name = escape(lane["name"])
    return (
        '<div style="display:flex;gap:12px;align-items:center;margin:2px 0">'
        f'<code style="{_SMALL};flex:0 0 {width}ch;overflow:hidden;background:none;'
        f'padding:0;text-overflow:ellipsis">{name}</code>'
        f'<div role="img" aria-label="{name}: {escape(amount)}" style="flex:1 1 auto;'
        "position:relative;height:14px;overflow:hidden;border-radius:3px;"
        f'background:rgba(128,128,128,.2)">{blocks}</div>'
        f'<span style="{_SMALL};flex:0 0 14ch;text-align:right;opacity:.7">'
        f"{escape(amount)}</span></div>"
    )


def _tone(state: str, where: str) -> str:
    if state == "done" and where == "here":
        return _HERE
    return _TONES.get(state, _TONES["done"])


def _label(job: Job) -> str:
    engine = getattr(job, "engine", None)
    return f"Scoring on {engine.name}" if engine is not None else "remote work"
