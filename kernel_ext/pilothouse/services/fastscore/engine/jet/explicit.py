"""Models that read and write their slots themselves (contract §9.6).

Outputs belong to the batch that the script has read last: they are sent when it reads
on, and the batch is done then. What a script writes without having read anything goes
out by itself.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from pilothouse.fastscore.runtime.explicit import run_explicit
from pilothouse.fastscore.wire.values import Value

from .guard import lift_memory_limit
from .link import Link
from .scorers import console_of, filename_of, flush_console
from .slots import Rejects, slots_of
from .state import EngineBackend

__all__ = ["EngineSlots", "run"]

MAX_WAITING = 1000
FLUSH_SECONDS = 0.1


class EngineSlots:
    """The slots of the script: what it reads comes from the engine.

    Args:
        link: To the engine.
        head: Head of the ``start`` frame.
    """

    def __init__(self, link: Link, head: dict[str, Any]) -> None:
        self._link = link
        self._inputs, self._outputs = slots_of(head["slots"])
        self._items: dict[int, deque[tuple[Any, int]]] = {}
        self._frames: dict[int, deque[tuple[dict[str, Any], bytes]]] = {}
        self._current: dict[int, dict[str, Any]] = {}
        self._last: int | None = None
        self._values: dict[int, list[Any]] = {}
        self._waiting = 0
        self._flushed_at = time.monotonic()
        self._rejects: list[Rejects] = []
        self._sent = [0, 0]
        self.is_ended = False
        self.place: dict[str, Any] = {}

    def read(self, slot: int) -> tuple[Any, int] | None:
        """Return the next input of a slot and its number; ``None`` at the end.

        Raises:
            ValueError: If the model does not use the slot.
        """
        if slot not in self._inputs:
            raise ValueError(f"input slot {slot} is not in use")
        items = self._items.setdefault(slot, deque())
        while not items:
            self._finish(slot)
            if not self._next_batch(slot):
                return None
        self._link.step()
        return items.popleft()

    def write(self, slot: int, value: Value) -> None:
        """Write a record, DataFrame or Series.

        Raises:
            ValueError: If the model does not use the slot.
        """
        if slot not in self._outputs:
            raise ValueError(f"output slot {slot} is not in use")
        self._values.setdefault(slot, []).append(value)
        self._waiting += 1
        late = time.monotonic() - self._flushed_at > FLUSH_SECONDS
        if self._waiting >= MAX_WAITING or (late and self._last is None):
            self.flush()

    def flush(self) -> None:
        """Send what was written."""
        values, self._values, self._waiting = self._values, {}, 0
        self._flushed_at = time.monotonic()
        number = self._last
        for slot, written in values.items():
            output, rejects = self._outputs[slot].write(written)
            self._rejects += rejects
            if output.data or output.count:
                self._link.send(output.head(number), output.data)
                self._sent[0] += output.count
                self._sent[1] += len(output.data)
        if number is None and self._rejects:
            wire = [rejects.wire() for rejects in self._rejects]
            self._link.send({"k": "rejected", "rejects": wire})
            self._rejects = []
        self._link.step()

    def finish_all(self) -> None:
        """Send what is left; every batch that was read is done."""
        self.flush()
        for slot in list(self._current):
            self._finish(slot)

    def _finish(self, slot: int) -> None:
        """Tell the engine that the batch just read to its end is done."""
        head = self._current.pop(slot, None)
        if head is None:
            return
        self.flush()
        flush_console()
        rejects, self._rejects = self._rejects, []
        sent, self._sent = self._sent, [0, 0]
        self._link.send(
            {
                "k": "done",
                "id": head["id"],
                "rejects": [each.wire() for each in rejects],
                "input": [head["n"], head["size"]],
                "output": sent,
            }
        )
        if self._last == head["id"]:
            self._last = None

    def _next_batch(self, slot: int) -> bool:
        """Wait for a batch of a slot; ``False`` at the end."""
        waiting = self._frames.setdefault(slot, deque())
        while not waiting:
            if self.is_ended:
                return False
            head, body = self._link.receive()
            if head["k"] == "end":
                self.is_ended = True
            elif head["k"] == "slots":
                self._inputs, self._outputs = slots_of(head["slots"])
            elif head["k"] == "batch":
                self._frames.setdefault(head["slot"], deque()).append((head, body))
        self._take(*waiting.popleft())
        return True

    def _take(self, head: dict[str, Any], body: bytes) -> None:
        source = self._inputs[head["slot"]]
        given = source.read(head, body)
        self._rejects += given.rejects
        head["size"] = len(body)
        self._current[source.slot] = self.place = head
        self._last = head["id"]
        items = self._items.setdefault(source.slot, deque())
        if source.recordsets:
            if given.values or not head["n"]:
                from pilothouse.fastscore.runtime.recordsets import to_recordset

                last = head["seqno"] + max(head["n"] - 1, 0)
                items.append((to_recordset(given.values, source.schema), last))
        else:
            items.extend(
                (value, head["seqno"] + given.place(i))
                for i, value in enumerate(given.values)
            )


def run(link: Link, head: dict[str, Any]) -> None:
    """Run the script to its end.

    Raises:
        Gone: If the engine has ended.
    """
    slots = EngineSlots(link, head)
    link.send({"k": "ready"})
    try:
        run_explicit(
            head["source"],
            name=head["name"],
            slots=slots,
            state=EngineBackend(link),
            filename=filename_of(head),
        )
        slots.finish_all()
        flush_console()
        link.send({"k": "ended"})
    except (Exception, SystemExit) as exc:
        lift_memory_limit()
        flush_console()
        error: dict[str, Any] = {"k": "error", "console": console_of(exc, head)}
        if "id" in slots.place:
            error["id"] = slots.place["id"]
        link.send(error)
