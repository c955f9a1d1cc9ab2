"""Pneumo inside the suite: one bus, its history, its subscribers.

    publish -> history (the last 60)
            -> each subscription whose filters fit -> bounded queue -> a websocket

A subscriber that reads too slowly loses the oldest messages, never the service its
memory; it is told how many it lost. All of this lives on one event loop.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import deque
from dataclasses import dataclass
from functools import cached_property

import orjson

from pilothouse.fastscore.wire.pneumo import LogMsg, PneumoMsg, message_type

__all__ = ["HISTORY_LENGTH", "Bus", "Frame", "Subscription", "utc_now"]

HISTORY_LENGTH = 60
"""Messages that the history holds (contract §5.2)."""

MAX_QUEUED_MESSAGES = 2000
MAX_QUEUED_BYTES = 16 * 1024 * 1024
"""What one slow subscriber may pile up."""

_WARNING = 16


def utc_now() -> datetime.datetime:
    """Return the time now, aware."""
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Frame:
    """A published message; it is encoded once, for all readers."""

    message: PneumoMsg

    @cached_property
    def kind(self) -> str:
        """The type word, for instance ``"engine-state"``."""
        return message_type(self.message)

    @cached_property
    def text(self) -> str:
        """The message as JSON text; a value that is not JSON appears as its text."""
        wire = self.message.to_wire()
        return orjson.dumps(
            wire,
            default=str,
            option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY,
        ).decode()

    def fits(self, src: str | None, kind: str | None) -> bool:
        """Return whether the message passes the filters (exact words)."""
        return (src is None or self.message.src == src) and (
            kind is None or self.kind == kind
        )


class Subscription:
    """One reader of the bus: an async iterator of JSON texts.

    Args:
        src: Only messages of this instance.
        kind: Only messages of this type.
    """

    def __init__(self, bus: Bus, src: str | None, kind: str | None) -> None:
        self._bus = bus
        self._src = src
        self._kind = kind
        self._queue: deque[Frame] = deque()
        self._bytes = 0
        self._wakeup = asyncio.Event()
        self._is_closed = False
        self.dropped = 0

    def offer(self, frame: Frame) -> None:
        """Take a message if it fits; drop the oldest when the reader is too slow."""
        if not frame.fits(self._src, self._kind):
            return
        self._queue.append(frame)
        self._bytes += len(frame.text)
        while len(self._queue) > 1 and (
            len(self._queue) > MAX_QUEUED_MESSAGES or self._bytes > MAX_QUEUED_BYTES
        ):
            self._bytes -= len(self._queue.popleft().text)
            self.dropped += 1
        self._wakeup.set()

    def close(self) -> None:
        """Stop: the iteration ends, the bus forgets it. May be called twice."""
        self._is_closed = True
        self._bus.forget(self)
        self._wakeup.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> str:
        while not self._queue and not self.dropped:
            if self._is_closed:
                raise StopAsyncIteration
            self._wakeup.clear()
            await self._wakeup.wait()
        if self.dropped:
            lost, self.dropped = self.dropped, 0
            return self._loss(lost)
        frame = self._queue.popleft()
        self._bytes -= len(frame.text)
        return frame.text

    def _loss(self, lost: int) -> str:
        text = f"{lost} messages were dropped: this reader is too slow"
        notice = LogMsg(src="connect", timestamp=utc_now(), level=_WARNING, text=text)
        return Frame(notice).text


class Bus:
    """Everything that the instances of one suite tell about themselves.

    Publish on the event loop; from another thread go through
    ``loop.call_soon_threadsafe(bus.publish, message)``. Publish after the new state
    can be seen through GET: consumers re-read it on receipt.
    """

    def __init__(self) -> None:
        self._history: deque[Frame] = deque(maxlen=HISTORY_LENGTH)
        self._subscriptions: set[Subscription] = set()

    def publish(self, message: PneumoMsg) -> None:
        """Send a message to the history and to every subscriber that wants it."""
        frame = Frame(message)
        self._history.append(frame)
        for subscription in tuple(self._subscriptions):
            subscription.offer(frame)

    @property
    def history(self) -> tuple[PneumoMsg, ...]:
        """The last messages, oldest first."""
        return tuple(frame.message for frame in self._history)

    def frames(
        self, src: str | None = None, kind: str | None = None, count: int | None = None
    ) -> list[Frame]:
        """Return the history filtered, oldest first; the last `count` of it."""
        found = [frame for frame in self._history if frame.fits(src, kind)]
        return found if count is None else found[max(0, len(found) - count) :]

    def subscribe(
        self, src: str | None = None, kind: str | None = None
    ) -> Subscription:
        """Return a reader of what is published from now on; close it after use."""
        subscription = Subscription(self, src, kind)
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Drop a subscription."""
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every subscription."""
        for subscription in tuple(self._subscriptions):
            subscription.close()
