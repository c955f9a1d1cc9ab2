"""How many items go into the next batch: by measured time, and smaller near the end."""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_LEAST_SECONDS: Final = 0.4
_USUAL_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 2.0
_GROWTH: Final = 64
_OVERHEADS: Final = 20.0


class Pace:
    """Sizes of batches.

    A batch takes 0.4 seconds at first, later up to twice the longest so far, but no
    more than 1 second; and twenty times what it costs to move, up to 2 seconds. No
    batch is much larger than the largest that was measured, as items may differ.

    Args:
        seconds_each: Time for one item, if it was measured already.
        measured: How many items were measured.
    """

    def __init__(self, seconds_each: float | None = None, measured: int = 1) -> None:
        self._each = seconds_each
        self._largest = max(1, measured)
        self._longest = 0.0
        self._overhead = 0.0

    @property
    def seconds_each(self) -> float | None:
        """Time for one item, lately; None before the first batch is done."""
        return self._each

    def learn(self, count: int, seconds: float, overhead: float = 0.0) -> None:
        """Take what one batch has cost.

        Args:
            count: Its items.
            seconds: Time in the function.
            overhead: Time for all else.
        """
        each = seconds / max(1, count)
        weight = 0.5 if count * 4 >= self._largest else 0.1
        if self._each is None or count > 4 * self._largest:
            self._each = each
        else:
            self._each += weight * (each - self._each)
        self._largest = max(self._largest, count)
        self._longest = max(self._longest, seconds)
        self._overhead += 0.3 * (max(0.0, overhead) - self._overhead)

    def size(self, lanes: int, left: int | None) -> int:
        """Return how many items the next batch is to have.

        Args:
            lanes: Workers at once.
            left: Items not yet taken; None: not known.
        """
        if self._each is None:
            count = 1
        else:
            usual = min(_USUAL_SECONDS, 2 * self._longest)
            costly = min(_MOST_SECONDS, _OVERHEADS * self._overhead)
            target = max(_LEAST_SECONDS, usual, costly)
            count = int(target / max(self._each, 1e-9))
            count = max(1, min(count, self._largest * _GROWTH))
        if left is not None:
            share = -(-left // (2 * max(1, lanes)))
            worth = int(self._worth() / max(self._each, 1e-9)) if self._each else 1
            count = min(count, max(1, share, worth))
        return count

    def _worth(self) -> float:
        """Return the seconds below which a batch is not worth a message."""
        return max(_LEAST_SECONDS / 20, 2 * self._overhead)
