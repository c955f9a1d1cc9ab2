"""Explicit models: scripts that read and write their slots themselves.

Source: vendor manual, "Explicit models" (``# fastscore.action: unused``).

The script runs from top to bottom once. It may end before its inputs do: the run is
then finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pilothouse.fastscore.wire.annotations import ModelOptions
from pilothouse.fastscore.wire.values import Value

from .callbacks import OutputError, compile_model, model_namespace
from .module import SlotIO, installed, model_module
from .state import StateBackend


def run_explicit(
    source: str,
    *,
    name: str,
    slots: SlotIO,
    state: StateBackend,
    filename: str | None = None,
) -> None:
    """Run an explicit model to its end.

    Args:
        source: The model.
        name: Its name.
        slots: Where it reads and writes.
        state: Where cells and pools live.
        filename: What tracebacks call it; ``<model NAME>`` when omitted.

    Raises:
        ModelSourceError: If the source is no Python.
        Exception: Whatever the model raises; ``SystemExit`` ends it in order.
    """
    filename = filename or f"<model {name}>"
    code = compile_model(source, filename)
    namespace = model_namespace(name, filename)
    with installed(model_module(state, slots)):
        try:
            exec(code, namespace)
        except SystemExit as exc:
            if exc.code not in (None, 0):
                raise


class ListSlots:
    """Slots whose inputs are lists, and whose outputs are collected.

    Args:
        options: What the annotations of the model say.
        inputs: Slot -> records, or record sets where the slot uses them.

    Attributes:
        outputs: Slot and value of all that the model wrote, in order.
    """

    def __init__(
        self, options: ModelOptions, inputs: Mapping[int, Iterable[Value]]
    ) -> None:
        self._options = options
        self._inputs: dict[int, Iterator[Value]] = {
            slot: iter(values) for slot, values in inputs.items()
        }
        self._seqnos: dict[int, int] = {}
        self.outputs: list[tuple[int, Value]] = []

    def read(self, slot: int) -> tuple[Value, int] | None:
        """Return the next input of a slot and its number; ``None`` at the end."""
        if slot not in self._options.inputs:
            raise OutputError(f"input slot {slot} is not in use")
        for value in self._inputs.get(slot, iter(())):
            sets = self._options.slots[slot].recordsets
            count = len(value) if sets else 1
            self._seqnos[slot] = self._seqnos.get(slot, 0) + count
            return value, self._seqnos[slot]
        return None

    def write(self, slot: int, value: Value) -> None:
        """Collect an output."""
        if slot not in self._options.outputs:
            raise OutputError(f"output slot {slot} is not in use")
        self.outputs.append((slot, value))
