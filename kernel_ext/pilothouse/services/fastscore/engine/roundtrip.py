"""Roundtrips: one record in, its output back to the same request.

Requests that wait are put together into one frame for a jet; each gets an answer of
its own. They pass by the queues of the slots.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Call",
    "Group",
    "RejectedError",
    "Roundtrips",
]

MAX_IN_GROUP = 64
MAX_GROUP_BYTES = 4 * 1024 * 1024


class RejectedError(Exception):
    """A record, or its output, was rejected.

    Attributes:
        by: ``"schema"`` or ``"encoding"``.
    """

    def __init__(self, by: str, text: str) -> None:
        super().__init__(f"rejected by {by}: {text}")
        self.by = by


@dataclass(slots=True)
class Call:
    """One request that waits.

    Attributes:
        answer: Its output, or an exception.
    """

    data: bytes
    input_slot: int
    output_slot: int
    answer: asyncio.Future[bytes | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True)
class Group:
    """Requests that travel in one frame.

    Attributes:
        seqno: Number of the first one among the roundtrips of this slot.
        deaths: How many jets were killed from outside while they held it.
    """

    calls: list[Call]
    seqno: int
    deaths: int = 0

    def frame(self, number: int) -> tuple[dict[str, Any], bytes]:
        """Return head and body of the frame."""
        head = {
            "k": "singles",
            "id": number,
            "slot": self.calls[0].input_slot,
            "out": self.calls[0].output_slot,
            "n": len(self.calls),
            "seqno": self.seqno,
            "bounds": [len(call.data) for call in self.calls],
        }
        return head, b"".join(call.data for call in self.calls)

    def answer(self, answers: list[list[Any]], body: bytes) -> None:
        """Give each request its answer.

        Args:
            answers: For each request ``["ok", length]``, ``["none", 0]`` or
                ``[reason, text]``.
            body: The outputs, one after the other.
        """
        start = 0
        for call, (word, detail) in zip(self.calls, answers, strict=True):
            value: bytes | None = None
            if word == "ok":
                value, start = body[start : start + detail], start + detail
            if call.answer.done():
                continue
            if word in ("ok", "none"):
                call.answer.set_result(value)
            else:
                call.answer.set_exception(RejectedError(word, detail))

    def refuse(self, exc: Exception) -> None:
        """Answer every request with an error."""
        for call in self.calls:
            if not call.answer.done():
                call.answer.set_exception(exc)


class Roundtrips:
    """The queue of requests."""

    def __init__(self) -> None:
        self._waiting: deque[Call] = deque()
        self._retry: deque[Group] = deque()
        self._seqno = 1

    def __len__(self) -> int:
        return len(self._waiting) + len(self._retry)

    def add(self, call: Call) -> None:
        """Add a request."""
        self._waiting.append(call)

    def retry(self, group: Group) -> None:
        """Add a group once more."""
        self._retry.append(group)

    def next_call(self) -> Group | None:
        """Return requests for one frame: same slots, nobody gave up on them."""
        if self._retry:
            return self._retry.popleft()
        calls: list[Call] = []
        size = 0
        while self._waiting and len(calls) < MAX_IN_GROUP and size < MAX_GROUP_BYTES:
            call = self._waiting[0]
            if calls and (call.input_slot, call.output_slot) != (
                calls[0].input_slot,
                calls[0].output_slot,
            ):
                break
            self._waiting.popleft()
            if not call.answer.done():
                calls.append(call)
                size += len(call.data)
        if not calls:
            return None
        seqno, self._seqno = self._seqno, self._seqno + len(calls)
        return Group(calls, seqno)

    def refuse_all(self, exc: Exception) -> None:
        """Answer everything that waits with an error."""
        calls = [
            *self._waiting,
            *(call for group in self._retry for call in group.calls),
        ]
        self._waiting.clear()
        self._retry.clear()
        self._seqno = 1
        for call in calls:
            if not call.answer.done():
                call.answer.set_exception(exc)
