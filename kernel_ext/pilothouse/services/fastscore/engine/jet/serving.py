"""The life of a jet: start, batches, end."""

from __future__ import annotations

import time
from typing import Any

from pilothouse.fastscore.runtime.callbacks import ModelFailure
from pilothouse.fastscore.wire.annotations import ModelOptions, SlotOptions

from .guard import lift_memory_limit, limit_memory
from .link import LOST_STATUS, Gone, Link
from .scorers import Scorer, console_of, exit_now, flush_console, scorer_of
from .slots import Input, InputSlot, OutputSlot, Rejects, slots_of

__all__ = [
    "Server",
    "options_of",
    "serve",
]

VALUES_IN_FRAME = 5000
"""Outputs that travel in one frame."""


def serve(link: Link) -> None:
    """Run a model until the engine ends it; does not return."""
    try:
        head, _ = link.receive()
        limit_memory(head.get("memory", 0))
        if head.get("explicit"):
            from .explicit import run

            run(link, head)
        else:
            Server(link, head).run()
        link.linger()
    except Gone:
        exit_now(LOST_STATUS)
    except KeyboardInterrupt:
        exit_now(130)
    exit_now(0)


def options_of(head: dict[str, Any]) -> ModelOptions:
    """Return the options that a ``start`` frame describes."""
    slots = {
        form["slot"]: SlotOptions(recordsets=form["recordsets"], action=form["action"])
        for form in head["slots"]
    }
    return ModelOptions(slots=slots, explicit=bool(head.get("explicit")))


class Server:
    """Takes batches and gives outputs."""

    def __init__(self, link: Link, head: dict[str, Any]) -> None:
        self._link = link
        self._head = head
        self._options = options_of(head)
        self._inputs: dict[int, InputSlot] = {}
        self._outputs: dict[int, OutputSlot] = {}
        self._scorer: Scorer = scorer_of(head, self._options, link)
        self._batch: dict[str, Any] = {}

    def run(self) -> None:
        """Serve until ``end``, or until the model fails.

        Raises:
            Gone: If the engine has ended.
        """
        try:
            self._inputs, self._outputs = slots_of(self._head["slots"])
            self._scorer.begin()
            flush_console()
            self._link.send({"k": "ready"})
            while self._serve(*self._link.receive()):
                pass
        except (Exception, SystemExit) as exc:
            lift_memory_limit()
            self._report(exc)

    def _serve(self, head: dict[str, Any], body: bytes) -> bool:
        kind = head["k"]
        self._batch = head if kind in ("batch", "singles") else {}
        if kind == "batch":
            self._score_batch(head, body)
        elif kind == "singles":
            self._score_singles(head, body)
        elif kind == "slots":
            self._inputs, self._outputs = slots_of(head["slots"])
        elif kind == "end":
            self._scorer.end()
            flush_console()
            self._link.send({"k": "ended"})
            return False
        flush_console()
        return True

    def _score_batch(self, head: dict[str, Any], body: bytes) -> None:
        number, slot = head["id"], self._inputs[head["slot"]]
        started = time.perf_counter()
        given = slot.read(head, body)
        read = time.perf_counter()
        failure: ModelFailure | None = None
        try:
            outputs = self._call(slot, given, head)
        except ModelFailure as exc:
            failure, outputs = exc, exc.outputs
            lift_memory_limit()
        scored = time.perf_counter()
        self._link.step()
        sent, rejects = self._write(outputs, number)
        if failure is not None:
            self._batch["index"] = self._place(slot, given, failure)
            raise failure
        written = time.perf_counter()
        self._link.send(
            {
                "k": "done",
                "id": number,
                "rejects": [each.wire() for each in (*given.rejects, *rejects)],
                "input": [len(given.values), len(body)],
                "output": sent,
                "profile": {
                    "validate_input_records": read - started,
                    "validate_input_records_n": head["n"],
                    "action": scored - read,
                    "action_n": len(given.values),
                    "validate_output_records": written - scored,
                    "validate_output_records_n": sum(map(len, outputs.values())),
                },
            }
        )

    def _call(
        self, slot: InputSlot, given: Input, head: dict[str, Any]
    ) -> dict[int, list[Any]]:
        if not slot.recordsets:
            return self._scorer.score(slot.slot, given.values, head["seqno"])
        if not given.values and head["n"]:
            return {}  # all were rejected: that is no empty set
        from pilothouse.fastscore.runtime.recordsets import to_recordset

        whole = to_recordset(given.values, slot.schema)
        last = head["seqno"] + max(head["n"] - 1, 0)
        return self._scorer.score(slot.slot, [whole], last)

    def _place(
        self, slot: InputSlot, given: Input, failure: ModelFailure
    ) -> int | None:
        return None if slot.recordsets else given.place(failure.index)

    def _write(
        self, outputs: dict[int, list[Any]], number: int | None
    ) -> tuple[list[int], list[Rejects]]:
        """Send outputs; returns how many records and bytes, and what was rejected."""
        count = size = 0
        rejects: list[Rejects] = []
        for slot, values in outputs.items():
            # In parts: a batch may give far more than a frame should hold.
            for start in range(0, len(values), VALUES_IN_FRAME):
                part = values[start : start + VALUES_IN_FRAME]
                output, bad = self._outputs[slot].write(part)
                rejects += bad
                if output.data or output.count:
                    self._link.send(output.head(number), output.data)
                    count, size = count + output.count, size + len(output.data)
        return [count, size], rejects

    def _score_singles(self, head: dict[str, Any], body: bytes) -> None:
        slot = self._inputs[head["slot"]]
        given = slot.read(head, body)
        answers: list[list[Any]] = [["none", 0]] * head["n"]
        for rejects in given.rejects:
            for index, reason in rejects.reasons.items():
                answers[index] = [rejects.by, reason]
        all_rejects = list(given.rejects)
        parts: list[bytes] = []
        for index, value in enumerate(given.values):
            place = given.place(index)
            self._batch["index"] = place
            outputs = self._call(
                slot, Input([value], None, []), {"seqno": head["seqno"] + place, "n": 1}
            )
            answers[place], data, bad = self._answer(outputs, head["out"])
            parts.append(data)
            all_rejects += bad
        data = b"".join(parts)
        self._link.send(
            {
                "k": "singles",
                "id": head["id"],
                "answers": answers,
                "rejects": [each.wire() for each in all_rejects],
                "input": [len(given.values), len(body)],
                "output": [len(parts), len(data)],
            },
            data,
        )

    def _answer(
        self, outputs: dict[int, list[Any]], slot: int
    ) -> tuple[list[Any], bytes, list[Rejects]]:
        """Return the answer to one request; outputs of other slots go their way."""
        values = outputs.pop(slot, [])
        self._write(outputs, None)
        if not values:
            return ["none", 0], b"", []
        target = self._outputs[slot]
        items, rejects = target.encode_each(values)
        if rejects and not items:
            reason = next(iter(rejects[0].reasons.values()))
            return [rejects[0].by, reason], b"", rejects
        data = b"\n".join(items)
        return ["ok", len(data)], data, rejects

    def _report(self, exc: BaseException) -> None:
        flush_console()
        head: dict[str, Any] = {"k": "error", "console": console_of(exc, self._head)}
        for key in ("id", "index"):
            if self._batch.get(key) is not None:
                head[key] = self._batch[key]
        self._link.send(head)
