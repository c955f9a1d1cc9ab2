"""Leaving a run to its service: it gets all that is left, and says what it has.

What waits here is sent, to be answered at once. Then the requests under way are cut,
and the service is asked what came of them; what it does not have is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from .batches import Batch
from .client import Reply, TooLarge, Unknown, Wait
from .cloud_lane import Patience, Site
from .errors import FastmapException
from .failures import start_error
from .flow import Flow
from .wire.answers import InitError

__all__ = ["Handover"]

_SENT_SECONDS: Final = 0.3
_FULL_SECONDS: Final = 1.0
_INIT_SECONDS: Final = 0.2
_INIT_TRIES: Final = 3
T = TypeVar("T")


class Handover:
    """Gives the service all that is left of a run.

    Args:
        flow: Of the run.
        site: The service.
        seconds: How long it may take what it did not take at once.

    Attributes:
        left: Items in batches that it did not take.
        reason: Why it takes no more.
        is_kept: Whether it has confirmed that it keeps the results.
    """

    def __init__(self, flow: Flow, site: Site, seconds: float) -> None:
        self._flow = flow
        self._site = site
        self._deadline = time.monotonic() + seconds
        self.left = 0
        self.reason = ""
        self.is_kept = False

    def go(self) -> None:
        """Do it, unless the run is over meanwhile."""
        flow = self._flow
        flow.is_handed_over = True
        self._give_waiting()
        if flow.open_batches():
            flow.stopping.wait(_SENT_SECONDS)  # what lanes have sent is on its way
        if not flow.state.is_over:
            self._site.cloud.cut()
            self._give_open()
            self._give_waiting()  # parts of what lanes have heard of meanwhile
        self.left += sum(batch.count for batch in flow.take_all())
        if not flow.state.is_over:
            self.is_kept = self._confirmed()

    @property
    def shortfall(self) -> str:
        """What the service has not got, in words; empty: it has all."""
        found = []
        if self.left:
            reason = self.reason or "it did not take them in time"
            found.append(f"{self.left:,} items could not be handed over: {reason}")
        if not self._flow.is_fed:
            found.append("the iterable was not read to its end")
        if not self.is_kept:
            found.append("the service has not confirmed that it keeps the results")
        return "; ".join(found)

    def _give_waiting(self) -> None:
        """Send what no lane has, as the run's thread cuts it."""
        flow = self._flow
        while not self._is_over():
            is_fed = flow.is_fed  # looked at first: what is cut later is taken later
            batches = flow.take_all()
            for batch in batches:
                self._give(batch)
            if not batches:
                if is_fed:
                    break
                flow.wait_for_work(0.05)

    def _give_open(self) -> None:
        """Send what lanes have, and the service has not."""
        site, batches = self._site, self._flow.open_batches()
        known: set[tuple[int, int]] = set()
        try:
            runs = self._call(lambda: site.cloud.runs(site.run_id)) if batches else ()
            known.update((b.index, b.count) for run in runs for b in run.batches)
        except FastmapException as exc:
            self.reason = self.reason or _line(exc)
        for batch in batches:
            if (batch.index, batch.count) not in known:
                self._give(batch)

    def _give(self, batch: Batch) -> None:
        """Have the service take a batch, whole or in parts; count it if it does not."""
        inits = 0
        while not self._is_over():
            try:
                reply = self._call(lambda: self._sent(batch))
            except FastmapException as exc:
                self.reason = _line(exc)
                break
            if isinstance(reply, TooLarge) and batch.count > 1:
                self._give(batch.part(0, batch.count // 2))
                self._give(batch.part(batch.count // 2, batch.count))
                return
            if isinstance(reply, Wait) and reply.step == "full":
                self._flow.stopping.wait(reply.seconds or _FULL_SECONDS)
            elif isinstance(reply, Unknown) and inits < _INIT_TRIES:
                self._site.lost(batch.packed)
                self._flow.stopping.wait(_INIT_SECONDS * inits)
                inits += 1
            elif isinstance(reply, TooLarge | Unknown | InitError):
                self.reason = _refusal(reply, batch)
            else:
                return  # it waits there, or runs, or has ended
        self.left += batch.count

    def _sent(self, batch: Batch) -> Reply:
        site = self._site
        site.have(batch.packed)
        return site.cloud.map(site.body(batch, defer=True), batch.count, defer=True)

    def _confirmed(self) -> bool:
        """Have the service finish and keep what it has."""
        site = self._site
        try:
            for each in list(site.hashes):
                self._call(partial(site.cloud.done, each, site.run_id, keep=True))
        except FastmapException:
            return False
        return True

    def _call(self, ask: Callable[[], T]) -> T:
        seconds = max(0.0, self._deadline - time.monotonic())
        seconds = min(seconds, self._site.options.retry_timeout)
        return Patience(self._flow, seconds).call(ask)

    def _is_over(self) -> bool:
        is_late = time.monotonic() > self._deadline
        return is_late or bool(self.reason) or self._flow.state.is_over


def _refusal(reply: TooLarge | Unknown | InitError, batch: Batch) -> str:
    if isinstance(reply, TooLarge):
        return f"item {batch.index} is more than the service takes"
    if isinstance(reply, Unknown):
        return "the service says again and again that it does not know the function"
    return _line(start_error(reply))


def _line(exc: FastmapException) -> str:
    return exc.message.partition("\n")[0]
