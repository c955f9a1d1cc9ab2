"""How many records a jet is given at once: about a quarter of a second of model time.

    first frame     `FIRST_RECORDS`
    after a frame   as many as would have taken `FRAME_SECONDS` at its pace,
                    at most `GROWTH` times as many as before

A slow model so gives its first outputs soon, idle jets find work in the queue, and no
frame keeps a reset or a pig waiting. A model that takes 250 µs a record or less gets
full batches from its third frame on: pacing costs it nothing.

Only slots without record sets are paced: a record set is one value to the model. Each
input slot has a pace of its own, since it has an action of its own.
"""

from __future__ import annotations

import sys

__all__ = ["FIRST_RECORDS", "FRAME_SECONDS", "Pace"]

FRAME_SECONDS = 0.25
"""Model time of one frame."""

FIRST_RECORDS = 16
"""Records of a frame before anything was measured."""

GROWTH = 8
"""A few cheap records in front do not make one long frame of what follows."""

_SHORTEST = 1e-6


class Pace:
    """The pace of one loaded model; all its jets teach it, and go by it.

    Args:
        first: Records of a frame before anything was measured.
    """

    def __init__(self, first: int = FIRST_RECORDS) -> None:
        self._first = first
        self._limits: dict[int, int] = {}

    @classmethod
    def unmeasured(cls) -> Pace:
        """Return one without limits, for a model whose time cannot be told.

        A script that reads its slots by itself may wait for one while another has
        frames in its jet: cut short, they would fill the jet, and nothing would move.
        """
        return cls(sys.maxsize)

    def limit(self, slot: int) -> int:
        """Return how many records of an input slot make a frame, at least 1."""
        return self._limits.get(slot, self._first)

    def learn(self, slot: int, seconds: float, count: int) -> None:
        """Note how long the model took for some records of a slot."""
        if not count:
            return
        fitting = int(FRAME_SECONDS * count / max(seconds, _SHORTEST))
        self._limits[slot] = max(1, min(fitting, self.limit(slot) * GROWTH))
