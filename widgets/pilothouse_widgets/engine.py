"""The monitor of one engine: state, model, rates, rejections, jets, buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import traitlets

from . import snapshot, words
from .assets import module
from .engine_report import EngineReport, SlotReport
from .engine_watch import EngineWatch
from .stream import StreamView
from .view import CATCH_UP_SECONDS
from .window import Window

if TYPE_CHECKING:
    from pilothouse.fastscore.engine import Engine

__all__ = ["EngineMonitor"]

_REJECTED: Final = "rejected"
_DOING: Final = {
    "pause": "pausing",
    "unpause": "starting",
    "reset": "resetting",
    "scale": "scaling",
}


class EngineMonitor(StreamView):
    """Shows one engine and steers it; its traits are its whole state.

    It begins to watch when it is made, moves while a cell is busy, and ends with
    `close`. Without an engine it shows the reports that `show` gets.

    Args:
        engine: An engine of a client, or ``None``.
        interval: Seconds between two readings.
        window: Seconds that the chart shows.
        name: Name shown when there is no engine.
    """

    _esm = module("engine.js")

    name = traitlets.Unicode("", help="Name of the engine.").tag(sync=True)
    state = traitlets.Unicode("", help="As the suite spells it.").tag(sync=True)
    model = traitlets.Unicode("", help="Name of the loaded model.").tag(sync=True)
    mtype = traitlets.Unicode("", help="Type of the model.").tag(sync=True)
    jets = traitlets.List(
        trait=traitlets.Dict(), help="Pid and sandbox of each jet."
    ).tag(sync=True)
    slots = traitlets.List(
        trait=traitlets.Dict(), help="Stream, rate and totals of each slot."
    ).tag(sync=True)
    rates = traitlets.Dict(help="Records a second: in, out, rejected.").tag(sync=True)
    totals = traitlets.Dict(help="Records: in, out, rejected.").tag(sync=True)
    memory = traitlets.Int(0, help="Resident memory, bytes.").tag(sync=True)
    error = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    link = traitlets.Unicode("connecting", help="State of the connection.").tag(
        sync=True
    )
    link_text = traitlets.Unicode("", help="Why it is lost.").tag(sync=True)
    updated = traitlets.Float(0.0, help="Seconds since the epoch.").tag(sync=True)
    doing = traitlets.Unicode("", help="What a click has begun.").tag(sync=True)
    refused = traitlets.Unicode("", help="Why a click did nothing.").tag(sync=True)
    steerable = traitlets.Bool(False, help="Whether there is an engine.").tag(sync=True)
    series = traitlets.List(
        trait=traitlets.Dict(), help="Label and unit of each line."
    ).tag(sync=True)
    span = traitlets.Float(120.0, help="Seconds that the chart shows.").tag(sync=True)
    points = traitlets.Int(2400, help="Most points of a line.").tag(sync=True)

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        interval: float = 0.5,
        window: float = 120.0,
        name: str = "",
    ) -> None:
        self._engine = engine
        self._watch: EngineWatch | None = None
        labels = _labels(EngineReport().slots)
        super().__init__(
            Window(len(labels), points=2400, span=window),
            name=engine.name if engine is not None else name,
            series=_series(labels),
            span=float(window),
            steerable=engine is not None,
            link="connecting" if engine is not None else "live",
            slots=[slot.to_trait() for slot in EngineReport().slots],
        )
        self._reports = self._subscribe(self._take)
        self._clicks = self._subscribe(self._told, hz=20)
        if engine is not None:
            self._watch = EngineWatch(engine, self._reports.put, interval=interval)
            self._watch.start()

    # -- reports -------------------------------------------------------------------

    def put(self, report: EngineReport) -> None:
        """Hand over a report from any thread; the feed shows the newest."""
        self._reports.put(report)

    def show(self, report: EngineReport) -> None:
        """Show one report at once; its traits travel in one message."""
        with self._lock:
            self._draw(report)
            self._update(
                state=report.state,
                model=report.model,
                mtype=report.mtype,
                jets=[{"pid": pid, "sandbox": box} for pid, box in report.jets],
                slots=[slot.to_trait() for slot in report.slots],
                rates={
                    "in": round(report.rate(inputs=True), 3),
                    "out": round(report.rate(inputs=False), 3),
                    "rejected": round(report.rejected_rate, 3),
                },
                totals={
                    "in": report.total(inputs=True),
                    "out": report.total(inputs=False),
                    "rejected": report.rejected,
                },
                memory=report.memory_bytes,
                error=report.error.to_trait() if report.error else None,
                link=report.link,
                link_text=report.link_text,
                updated=report.at,
                status=report.words,
            )

    def _take(self, report: EngineReport) -> None:
        self.show(report)

    def _draw(self, report: EngineReport) -> None:
        if report.link != "live" or not report.at:
            return
        labels = _labels(report.slots)
        if labels != [line["label"] for line in self.series]:
            self._redraw_with(labels)
        values = {slot.label: slot.rate for slot in report.slots}
        values[_REJECTED] = report.rejected_rate
        at = np.array([report.at])
        self._points.add(
            at, {i: np.array([values[label]]) for i, label in enumerate(labels)}
        )
        self._added()

    def _redraw_with(self, labels: list[str]) -> None:
        """Take other lines, for a model with other slots; keep what they share."""
        before = {line["label"]: i for i, line in enumerate(self.series)}
        kept = self._points
        window = Window(len(labels), points=kept.points, span=kept.span)
        for i, label in enumerate(labels):
            if label in before:
                x, y = kept.column(before[label])
                window.add(x, {i: y})
        window.take()
        self._points = window
        self.series = _series(labels)
        self._send_window()

    # -- buttons -------------------------------------------------------------------

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take a click; the engine is called on a thread of this view."""
        super().asked(ask, content)
        if self._engine is None or ask not in _DOING:
            return
        self._clicks.put({"doing": _DOING[ask], "refused": ""})
        self._errands.add(lambda: self._do(ask, content))

    def _do(self, ask: str, content: Mapping[str, Any]) -> None:
        refused = ""
        try:
            self._act(ask, content)()
        except Exception as exc:  # what a click raises is shown, wherever it comes from
            refused = f"{ask}: {getattr(exc, 'caused_by', None) or exc}"
        self._clicks.put({"doing": "", "refused": refused})
        if self._watch is not None:
            self._watch.look()

    def _act(self, ask: str, content: Mapping[str, Any]) -> Callable[[], object]:
        engine: Any = self._engine
        jets = max(int(content.get("jets", 1)), 0)
        acts: dict[str, Callable[[], object]] = {
            "pause": engine.pause,
            "unpause": engine.unpause,
            "reset": engine.reset,
            "scale": lambda: engine.scale(jets),
        }
        return acts[ask]

    def _told(self, traits: Mapping[str, str]) -> None:
        self._update(**traits)

    # -- the forms and the end -----------------------------------------------------

    def catch_up(self) -> None:
        """Read the engine again, and show that."""
        if self._watch is not None:
            self._watch.catch_up(CATCH_UP_SECONDS)
        super().catch_up()

    def stop(self) -> None:
        """Stop watching: end the thread, remove the sensors it installed."""
        if self._watch is not None:
            self._watch.close()

    def headline(self) -> str:
        """Return state, model, rates and rejections in one line."""
        if not self.state:
            return f"{self.name or 'engine'}: {self.link_text or self.link}"
        model = f"model {self.model} ({self.mtype})" if self.model else "no model"
        numbers = [
            f"in {words.count(self.totals.get('in', 0))}",
            f"out {words.count(self.totals.get('out', 0))}",
            f"rejected {words.count(self.totals.get('rejected', 0))} records",
            words.plural(len(self.jets), "jet"),
        ]
        lost = f" ({self.link_text})" if self.link == "lost" else ""
        return f"{self.name}: {self.state}{lost}, {model}; {', '.join(numbers)}"

    def body_html(self) -> str:
        """Return rates, slots, jets and the last error."""
        rates = [
            (line["label"], *self._points.column(i))
            for i, line in enumerate(self.series)
        ]
        error = self.error
        parts = [
            snapshot.facts(
                [
                    ("in", words.rate(self.rates.get("in", 0))),
                    ("out", words.rate(self.rates.get("out", 0))),
                    ("memory", words.size(self.memory) if self.memory else ""),
                    ("jets", ", ".join(f"pid {jet['pid']}" for jet in self.jets)),
                    ("at", words.clock(self.updated) if self.updated else ""),
                ]
            ),
            snapshot.svg(rates, unit="records/s", about=self.headline()),
            snapshot.table(
                ["slot", "stream", "transport", "records", "rejected"],
                [
                    (
                        slot["label"],
                        slot["stream"] or "none",
                        slot["transport"],
                        words.count(slot["total"]),
                        words.count(slot["by_schema"] + slot["by_encoding"]),
                    )
                    for slot in self.slots
                ],
            ),
        ]
        if error:
            parts.append(
                snapshot.disclosure(
                    f"last error: {error['summary']}", snapshot.pre(error["traceback"])
                )
            )
        return "".join(parts)


def _labels(slots: tuple[SlotReport, ...]) -> list[str]:
    return [*(slot.label for slot in slots), _REJECTED]


def _series(labels: list[str]) -> list[dict[str, str]]:
    return [{"label": label, "unit": "rec/s"} for label in labels]
