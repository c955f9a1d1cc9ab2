"""A live line chart of several series: appends in binary, drawn by the browser.

The kernel keeps the newest points and sends only what is new; the browser draws one
minimum and one maximum for each pixel, at most once a frame, and has the axes, the
hover readout, zoom, pause and a table of the same numbers. Budget:
100 points, 20 times a second, in under 2 kB and 1.2 ms of kernel CPU each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from . import snapshot, words
from .assets import module
from .stream import StreamView
from .window import Window

__all__ = ["LiveChart", "Series"]

Values = float | Sequence[float] | npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart.

    Attributes:
        label: Its name, unique in the chart.
        unit: Its unit, shown with each value; the chart's unit when empty.
    """

    label: str
    unit: str = ""


class LiveChart(StreamView):
    """A chart that rolls on as points are appended, from any thread.

    Args:
        series: The lines, as `Series` or by their labels.
        title: The heading.
        unit: Unit of the y axis.
        axis: ``"time"`` when x is seconds since the epoch, ``"number"`` otherwise.
        x_label: What x is, below its axis.
        window: Width of the window in units of x; 0 keeps the last ``points`` points.
        points: Most points kept of each series.

    Raises:
        ValueError: If two series have one label, or there is none.
    """

    _esm = module("chart.js")

    series = traitlets.List(
        trait=traitlets.Dict(), help="Label and unit of each line."
    ).tag(sync=True)
    unit = traitlets.Unicode("", help="Unit of the y axis.").tag(sync=True)
    axis = traitlets.Enum(("time", "number"), "time", help="What x is.").tag(sync=True)
    x_label = traitlets.Unicode("", help="What x is, below its axis.").tag(sync=True)
    span = traitlets.Float(0.0, help="Width of the window in x.").tag(sync=True)
    points = traitlets.Int(10_000, help="Most points of a series.").tag(sync=True)

    def __init__(
        self,
        series: Sequence[Series | str],
        *,
        title: str = "",
        unit: str = "",
        axis: str = "time",
        x_label: str = "",
        window: float = 60.0,
        points: int = 10_000,
    ) -> None:
        lines = [Series(one) if isinstance(one, str) else one for one in series]
        self._index = {line.label: i for i, line in enumerate(lines)}
        if not lines or len(self._index) < len(lines):
            raise ValueError(
                f"a chart needs series of different labels, not {series!r}"
            )
        self._unit = unit
        super().__init__(
            Window(len(lines), points=points, span=window),
            series=[{"label": line.label, "unit": line.unit or unit} for line in lines],
            title=title,
            unit=unit,
            axis=axis,
            x_label=x_label,
            span=float(window),
            points=points,
        )

    def append(
        self,
        values: Mapping[str, Values] | Sequence[Values] | Values,
        x: Values | None = None,
    ) -> None:
        """Append points; never waits, and may be called from any thread.

        Args:
            values: Values by label, or one entry for each series in order; for a chart
                of one series also the bare value. Each is a number or float64, shape
                (n,); NaN makes a gap.
            x: A number or float64, shape (n,), ascending and not before the last one;
                now, when left out.

        Raises:
            KeyError: If a label is not one of the chart's.
            TypeError: If one number is given for several series.
            ValueError: If the values are not as many as x, or as the series.
        """
        at = np.atleast_1d(np.asarray(time.time() if x is None else x, np.float64))
        self._points.add(at, self._columns(values))
        self._added()

    def _columns(
        self, values: Mapping[str, Values] | Sequence[Values] | Values
    ) -> dict[int, npt.NDArray[np.float64]]:
        found: dict[int, Any]
        if isinstance(values, Mapping):
            found = {self._index[label]: value for label, value in values.items()}
        elif len(self._index) == 1:
            found = {0: values}
        elif isinstance(values, Sequence | np.ndarray):
            found = dict(enumerate(values))
        else:
            raise TypeError(f"{values!r} holds no value for each of {self.series!r}")
        if not isinstance(values, Mapping) and len(found) != len(self._index):
            raise ValueError(f"{len(found)} values for {len(self._index)} series")
        return {
            index: np.atleast_1d(np.asarray(value, np.float64))
            for index, value in found.items()
        }

    def column(
        self, label: str
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return x and y of one series, float64, shape (n,), as far as kept."""
        return self._points.column(self._index[label])

    def headline(self) -> str:
        """Return the last value of each series in one line."""
        parts = []
        for line in self.series:
            _, y = self.column(line["label"])
            last = f"{words.number(y[-1])} {line['unit']}" if len(y) else "no data"
            parts.append(f"{line['label']} {last}".rstrip())
        shown = ", ".join(parts)
        return f"{self.title}: {shown}" if self.title else shown

    def body_html(self) -> str:
        """Return the window as a drawing and a table of its range."""
        lines = [line["label"] for line in self.series]
        columns = [(label, *self._points.column(i)) for i, label in enumerate(lines)]
        rows = [
            (
                label,
                words.number(float(np.nanmin(y))),
                words.number(float(np.nanmean(y))),
                words.number(float(np.nanmax(y))),
                f"{words.number(float(y[-1]))} {line['unit']}".rstrip(),
            )
            for line, (label, _, y) in zip(self.series, columns, strict=True)
            if np.isfinite(y).any()
        ]
        drawing = snapshot.svg(columns, unit=self.unit, about=self.headline())
        if not rows:
            return drawing
        return drawing + snapshot.table(["series", "min", "mean", "max", "last"], rows)
