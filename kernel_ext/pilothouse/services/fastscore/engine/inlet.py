"""REST input: bodies that clients post, on their way into an input slot.

A body is accepted when it is in memory; when the slot is full the request waits. While
the model is not loaded yet, bodies wait unsplit: only then it is known how to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .intake import Intake
from .splitting import Splitter

__all__ = ["RestInlet"]


class RestInlet:
    """Takes the bodies of one REST stream.

    Args:
        intake: Where records go.
        limit: Bytes that may wait.
        on_data: Told the size of each body.

    Attributes:
        waiting: Requests that wait for room.
    """

    def __init__(
        self, intake: Intake, *, limit: int, on_data: Callable[[int], None]
    ) -> None:
        self._intake = intake
        self._limit = limit
        self._on_data = on_data
        self._splitter: Splitter | None = None
        self._early: list[bytes] = []
        self._early_size = 0
        self._room = asyncio.Event()
        self.is_closed = False
        self.waiting = 0

    @property
    def is_full(self) -> bool:
        """Whether a body has to wait."""
        if self._splitter is None:
            return self._early_size >= self._limit
        return self._intake.size >= self._limit and self._intake.can_be_emptied

    def start(self, splitter: Splitter) -> None:
        """Begin to split, first what came early."""
        self._splitter = splitter
        early, self._early, self._early_size = self._early, [], 0
        for body in early:
            self._feed(splitter, body)
        self.check_room()

    async def post(self, body: bytes) -> bool:
        """Take one body whole; ``False`` if the stream has ended meanwhile.

        Raises:
            ProtocolError: If a record is too long.
        """
        while self.is_full and not self.is_closed:
            self._room.clear()
            self.waiting += 1
            try:
                await self._room.wait()
            finally:
                self.waiting -= 1
        if self.is_closed or self._intake.is_closed:
            return False
        if self._splitter is None:
            self._early.append(body)
            self._early_size += len(body)
        else:
            self._feed(self._splitter, body)
        return True

    def check_room(self) -> None:
        """Note that the slot may have been emptied."""
        if not self.is_full or self.is_closed:
            self._room.set()

    def close(self) -> None:
        """Take no more."""
        self.is_closed = True
        self._room.set()

    def _feed(self, splitter: Splitter, body: bytes) -> None:
        for entry in splitter.feed([body]):
            self._intake.put(entry)
        self._intake.header = splitter.header
        self._on_data(len(body))
