"""Who takes the outputs of a slot: one scoring job at a time.

The vendor's engines know no claims. Where a client finds this it claims an output slot
for the time of a job, so that two jobs, in two notebooks say, do not take each other's
outputs. Clients that do not ask are not held up.

    PUT     /1/job/output/{slot}/claim?job=<id>    204 it is yours; 409 another job's
    DELETE  the same                               204

A claim that is not repeated for `LEASE_SECONDS` is over: its client has died.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .machine import NotNowError

__all__ = ["LEASE_SECONDS", "Claims"]

LEASE_SECONDS = 5.0


class Claims:
    """The claims on the output slots of one engine.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[int, tuple[str, float]] = {}

    def claim(self, slot: int, job: str) -> None:
        """Give a slot to a job, or let it keep it.

        Raises:
            NotNowError: If another job has it.
        """
        now = self._clock()
        holder, until = self._held.get(slot, (job, now))
        if holder != job and now < until:
            raise NotNowError(409, f"another job takes the outputs of slot {slot}")
        self._held[slot] = (job, now + LEASE_SECONDS)

    def release(self, slot: int, job: str) -> None:
        """Take a slot back, if the job has it."""
        if self._held.get(slot, ("", 0.0))[0] == job:
            del self._held[slot]

    def clear(self) -> None:
        """Take all slots back."""
        self._held.clear()
