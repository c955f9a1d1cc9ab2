"""Waiting that an interrupt ends at once.

A service is handed ``check_interrupt``: a callable that tells whether to stop. The one
of this room's scheduler also has ``wait(seconds)``, which returns as soon as it is
interrupted, and ``report(result)``, which publishes the rows so far; one of another
scheduler is only called, some twenty times a second.

It imports nothing of the house; it may touch sockets given to it.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Interrupted", "Stopping"]

_SLICE_SECONDS = 0.05
_MOST_LATE = 256


class Interrupted(Exception):  # noqa: N818 - a normal way to end, no error
    """The measurement was asked to stop; the rows so far are its result."""


class Stopping:
    """Whether to stop, and everything that waits.

    Args:
        check_interrupt: As the scheduler hands it to a service.
    """

    def __init__(self, check_interrupt: Callable[[], Any]) -> None:
        self._check = check_interrupt
        self._wait = getattr(check_interrupt, "wait", None)
        self._report = getattr(check_interrupt, "report", None)

    @property
    def is_set(self) -> bool:
        """Whether the measurement was asked to stop."""
        return bool(self._check())

    def check(self) -> None:
        """Do nothing, or raise.

        Raises:
            Interrupted: If the measurement was asked to stop.
        """
        if self.is_set:
            raise Interrupted

    def report(self, result: object) -> None:
        """Publish the rows so far, where the scheduler offers it."""
        if self._report is not None:
            self._report(result)

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Interrupted: As soon as the measurement is asked to stop.
        """
        end = time.monotonic() + seconds
        self.check()
        while (left := end - time.monotonic()) > 0:
            if self._wait is not None:
                if self._wait(left):
                    raise Interrupted
            else:
                time.sleep(min(left, _SLICE_SECONDS))
                self.check()

    def until_readable(self, handle: socket.socket | int, seconds: float) -> bool:
        """Wait until something can be read; ``False`` when the time is over.

        Raises:
            Interrupted: As soon as the measurement is asked to stop.
        """
        return self._until(handle, select.POLLIN, seconds)

    def arrivals(self, handle: socket.socket | int, seconds: float) -> Iterator[None]:
        """Yield whenever something can be read, until the time is over.

        What lies there by then is still read: it came in time, and only this process
        may have been late.

        Raises:
            Interrupted: As soon as the measurement is asked to stop.
        """
        end, late = time.monotonic() + seconds, 0
        while late < _MOST_LATE:
            left = max(0.0, end - time.monotonic())
            if not self.until_readable(handle, left):
                return
            late += not left
            yield

    def until_writable(self, handle: socket.socket | int, seconds: float) -> bool:
        """Wait until something can be written; ``False`` when the time is over.

        Raises:
            Interrupted: As soon as the measurement is asked to stop.
        """
        return self._until(handle, select.POLLOUT, seconds)

    def _until(self, handle: socket.socket | int, event: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(handle, event)
        end = time.monotonic() + seconds
        while True:
            self.check()
            left = max(0.0, end - time.monotonic())
            if poll.poll(math.ceil(min(left, _SLICE_SECONDS) * 1000)):
                return True
            if not left:
                return False
