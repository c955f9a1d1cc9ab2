"""The states of an engine, and which operation fits which state; no I/O.

    INIT      -> RUNNING | PAUSED      the pipeline is complete (pause was pending)
    RUNNING   -> PAUSED | PIGGING | FINISHING
    PAUSED    -> RUNNING
    PIGGING   -> RUNNING | PAUSED | FINISHING
    FINISHING -> FINISHED
    any       -> ERROR, INIT           failure, reset

Source: contract §6.1 and the table of §6.2, row by row in `RULES`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pilothouse.fastscore.wire.messages import EngineState

__all__ = ["RULES", "Machine", "NotNowError", "Operation"]

INIT, RUNNING, PAUSED, PIGGING, FINISHING, FINISHED, ERROR = EngineState


class Operation(enum.Enum):
    """What a client may ask; the value is how a refusal names it."""

    LOAD = "load a model"
    DRY_RUN = "check a model"
    UNLOAD = "unload the model"
    ATTACH = "attach a stream to a free slot"
    REATTACH = "replace a stream"
    DETACH = "detach a stream"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    RESET = "reset"
    SCALE = "scale"
    RESTORE = "restore a state"
    INPUT = "take input"
    OUTPUT = "give output"
    ROUNDTRIP = "score a roundtrip"


_ALL: Final = frozenset(EngineState)
_FLOWING: Final = frozenset({RUNNING, PIGGING})
_OPEN: Final = frozenset({INIT, RUNNING, PIGGING, PAUSED})

RULES: Final[Mapping[Operation, tuple[frozenset[EngineState], int]]] = MappingProxyType(
    {
        Operation.LOAD: (_OPEN, 400),
        Operation.DRY_RUN: (_ALL, 400),
        Operation.UNLOAD: (frozenset({INIT}), 400),
        Operation.ATTACH: (frozenset({INIT}), 400),
        Operation.REATTACH: (_OPEN, 400),
        Operation.DETACH: (frozenset({INIT, FINISHED, ERROR}), 400),
        Operation.PAUSE: (_ALL, 400),
        Operation.UNPAUSE: (_ALL, 400),
        Operation.RESET: (_ALL, 400),
        Operation.SCALE: (_OPEN, 400),
        Operation.RESTORE: (frozenset({INIT}), 403),
        Operation.INPUT: (_OPEN, 403),
        Operation.OUTPUT: (_ALL, 403),
        Operation.ROUNDTRIP: (_FLOWING, 400),
    }
)
"""Operation -> the states that allow it, and the status of a refusal."""


class NotNowError(Exception):
    """The state of the engine does not allow an operation.

    Attributes:
        status: HTTP status of the refusal.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Machine:
    """The state of one engine.

    Args:
        on_change: Called with each state that is entered, after it can be seen.

    Attributes:
        state: What the engine is doing now.
        pause_pending: Whether a pause waits for the pipeline to become complete.
    """

    def __init__(self, on_change: Callable[[EngineState], None]) -> None:
        self._on_change = on_change
        self._pigs = 0
        self.state = INIT
        self.pause_pending = False

    @property
    def is_flowing(self) -> bool:
        """Whether records are being dispatched."""
        return self.state in _FLOWING

    @property
    def is_open(self) -> bool:
        """Whether a run is under way that has not come to its end."""
        return self.state in _OPEN and self.state is not INIT

    def check(self, operation: Operation) -> None:
        """Let an operation pass that the state allows.

        Raises:
            NotNowError: If it does not.
        """
        allowed, status = RULES[operation]
        if self.state not in allowed:
            hint = "; reset it first" if RESET_HELPS[self.state] else ""
            raise NotNowError(
                status, f"cannot {operation.value} while {self.state.value}{hint}"
            )

    def complete(self) -> None:
        """Note that model and streams are there: INIT ends."""
        if self.state is INIT:
            paused, self.pause_pending = self.pause_pending, False
            self._enter(PAUSED if paused else RUNNING)

    def pause(self) -> None:
        """Stop the flow, or remember to do so at startup; else do nothing."""
        if self.state is INIT:
            self.pause_pending = True
        elif self.is_flowing:
            self._enter(PAUSED)

    def unpause(self) -> None:
        """Let records flow again, or forget a pending pause; else do nothing."""
        if self.state is INIT:
            self.pause_pending = False
        elif self.state is PAUSED:
            self._enter(PIGGING if self._pigs else RUNNING)

    def pig_read(self) -> None:
        """Note that a pig was read from an input."""
        self._pigs += 1
        if self.state is RUNNING:
            self._enter(PIGGING)

    def pig_written(self) -> None:
        """Note that a pig has come out; the last one ends PIGGING."""
        self._pigs = max(0, self._pigs - 1)
        if self.state is PIGGING and not self._pigs:
            self._enter(RUNNING)

    def inputs_ended(self) -> None:
        """Note that all inputs are at their end."""
        if self.state in (RUNNING, PIGGING, PAUSED):
            self._enter(FINISHING)

    def drained(self) -> None:
        """Note that jets are idle and outputs flushed."""
        if self.state is FINISHING:
            self._enter(FINISHED)

    def fail(self) -> None:
        """Enter ERROR, from any state; once."""
        if self.state is not ERROR:
            self._enter(ERROR)

    def reset(self) -> None:
        """Begin anew."""
        self.pause_pending = False
        self._pigs = 0
        if self.state is not INIT:
            self._enter(INIT)

    def _enter(self, state: EngineState) -> None:
        self.state = state
        self._on_change(state)


RESET_HELPS: Final[Mapping[EngineState, bool]] = MappingProxyType(
    {state: state in (FINISHED, ERROR) for state in EngineState}
)
