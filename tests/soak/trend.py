"""Whether a row of samples is flat: a line that single peaks do not bend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Trend", "trend"]


@dataclass(frozen=True)
class Trend:
    """How a quantity went.

    Attributes:
        level: Its median.
        growth: By how much the line through the samples has risen from first to last.
    """

    level: float
    growth: float

    def is_flat(self, *, share: float, least: float) -> bool:
        """Whether it has risen by no more than a share of its level, or ``least``."""
        return self.growth <= max(share * self.level, least)


def trend(at: Sequence[float], values: Sequence[float]) -> Trend:
    """Return the trend of samples, by the median of all slopes between two (Theil-Sen).

    Raises:
        ValueError: If there are fewer than two samples.
    """
    if len(at) < 2:
        raise ValueError(f"a trend needs two samples, not {len(at)}")
    slopes = [
        (values[j] - values[i]) / (at[j] - at[i])
        for i in range(len(at))
        for j in range(i + 1, len(at))
        if at[j] > at[i]
    ]
    return Trend(median(values), median(slopes) * (at[-1] - at[0]))
