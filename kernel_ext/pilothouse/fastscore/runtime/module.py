"""The module that a model imports as ``fastscore``.

Source: vendor manual, "Shared state", "Explicit models"; real SDK 1.10.3, `io.Slot`.

    fastscore.cells(name), fastscore.pools(name)
    fastscore.io.Slot(n): iterate, read(format, with_seqno), write(value)

The client library of a user may be called ``fastscore`` as well: while a model runs,
the name means this module, and afterwards what it meant before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, Protocol, Self

from pilothouse.fastscore.wire.values import Value

from .state import Cell, Pool, StateBackend

_NAME: Final = "fastscore"


class SlotIO(Protocol):
    """How the slots of an explicit model reach the engine."""

    def read(self, slot: int) -> tuple[Value, int] | None:
        """Return the next input of a slot and its number; ``None`` at the end.

        A slot with record sets gives a whole set, any other one record.
        """

    def write(self, slot: int, value: Value) -> None:
        """Write a record, DataFrame, array or Series to an output slot."""


class NoSlots:
    """The slots of a callback model: it has no business with them."""

    def read(self, slot: int) -> tuple[Value, int] | None:
        """Refuse.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(_NOT_EXPLICIT.format(slot=slot))

    def write(self, slot: int, value: Value) -> None:
        """Refuse.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(_NOT_EXPLICIT.format(slot=slot))


_NOT_EXPLICIT: Final = (
    "slot {slot} belongs to the callbacks; a model that uses Slot itself needs the "
    "annotation '# fastscore.action: unused'"
)


class Slot:
    """One slot of an explicit model.

    Args:
        n: Its number: even for inputs, odd for outputs.
    """

    _io: SlotIO = NoSlots()

    def __init__(self, n: int) -> None:
        if type(n) is not int or n < 0:
            raise ValueError(f"a slot has a number, not {n!r}")
        self.n = n

    def __repr__(self) -> str:
        return f"Slot({self.n})"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Value:
        value = self.read()
        if value is None:
            raise StopIteration
        return value

    def read(self, format: str = "pandas", with_seqno: bool = False) -> Value:
        """Return the next record or record set; ``None`` at the end.

        Args:
            format: ``"pandas"`` or ``"pandas.standard"``.
            with_seqno: Return a pair of it and its number.

        Raises:
            ValueError: If the format is another one, or the slot is an output.
        """
        if format not in ("pandas", "pandas.standard"):
            raise ValueError("format must be 'pandas' or 'pandas.standard'")
        if self.n % 2:
            raise ValueError(f"slot {self.n} is an output: it cannot be read")
        found = self._io.read(self.n)
        if found is None:
            return None
        return found if with_seqno else found[0]

    def write(self, rec: Value) -> None:
        """Write a record, DataFrame or Series.

        Raises:
            ValueError: If the slot is an input.
        """
        if not self.n % 2:
            raise ValueError(f"slot {self.n} is an input: it cannot be written")
        self._io.write(self.n, rec)


def model_module(
    backend: StateBackend, slots: SlotIO | None = None
) -> dict[str, ModuleType]:
    """Return the modules that a model may import, by their names.

    Args:
        backend: Where cells and pools live.
        slots: For an explicit model.
    """
    package: Any = ModuleType(_NAME, "What a FastScore model may use of its engine.")
    package.__path__ = []
    io: Any = ModuleType(f"{_NAME}.io", "The slots of an explicit model.")
    bound = type(
        "Slot", (Slot,), {"_io": slots or NoSlots(), "__module__": io.__name__}
    )

    def cells(name: str) -> Cell:
        """Return the cell of a name."""
        return Cell(backend, str(name))

    def pools(name: str) -> Pool:
        """Return the pool of a name."""
        return Pool(backend, str(name))

    package.cells, package.pools, package.io = cells, pools, io
    io.Slot = bound
    io.__path__ = []
    return {_NAME: package, io.__name__: io}


@contextmanager
def installed(modules: dict[str, ModuleType]) -> Iterator[None]:
    """Let imports find some modules, and afterwards what was there before."""
    before = {
        name: module
        for name, module in sys.modules.items()
        if name == _NAME or name.startswith(f"{_NAME}.")
    }
    for name in before:
        del sys.modules[name]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in list(sys.modules):
            if name == _NAME or name.startswith(f"{_NAME}."):
                del sys.modules[name]
        sys.modules.update(before)
