"""Who takes the outputs of a slot: one scoring job at a time.

The vendor's engines know no claims. Where a client finds this it claims an output slot
for the time of a job, so that two jobs, in two notebooks say, do not take each other's
outputs. Clients that do not ask are not held up.

    PUT     /1/job/output/{slot}/claim?job=<id>    204 it is yours; 409 another job's
              &after=<id>                          unless that is the other job
    DELETE  the same                               204
    GET     /1/job/output/{slot}/claim             {"job": who had it last, "is_live"}
    GET     /1/job/output/{slot}?job=<id>&at=<n>   n bytes have come: who asks again
                                                   from there, since that answer got
                                                   lost, gets it once more
    DELETE  /1/job/input/{slot}?job=<id>           forgets input that waits, and tells
                                                   how much in all; only for a job that
                                                   has a claim

A claim that is not repeated for `LEASE_SECONDS` is over: its client has died. Another
one may go on for it, also before that: it learns by the GET that nobody came between.
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
        self._last: dict[int, str] = {}

    def claim(self, slot: int, job: str, after: str = "") -> None:
        """Give a slot to a job, or let it keep it.

        Args:
            slot: The output slot.
            job: Who wants it.
            after: The job that it goes on for, which loses its claim.

        Raises:
            NotNowError: If another job has it.
        """
        now = self._clock()
        holder, until = self._held.get(slot, (job, now))
        if holder not in (job, after) and now < until:
            raise NotNowError(409, f"another job takes the outputs of slot {slot}")
        self._held[slot] = (job, now + LEASE_SECONDS)
        self._last[slot] = job

    def last(self, slot: int) -> tuple[str, bool]:
        """Return who had a slot last, empty for nobody, and whether it has it still."""
        holder, until = self._held.get(slot, ("", 0.0))
        job = self._last.get(slot, "")
        return job, holder == job and self._clock() < until

    def has_any(self, job: str) -> bool:
        """Tell whether a job has a claim on some slot."""
        now = self._clock()
        return any(job == who and now < until for who, until in self._held.values())

    def release(self, slot: int, job: str) -> None:
        """Take a slot back, if the job has it."""
        if self._held.get(slot, ("", 0.0))[0] == job:
            del self._held[slot]

    def clear(self) -> None:
        """Take all slots back."""
        self._held.clear()
        self._last.clear()
