"""What an engine is doing, and the orders that change it.

Source: developer interface, ``Engine.state``, ``pause``, ``unpause``, ``reset``.
"""

from __future__ import annotations

import time

from .errors import FastScoreError, FastScoreTimeoutError
from .failures import failure_of
from .instance import Instance
from .wire.messages import EngineState

__all__ = ["EngineControl"]


class EngineControl(Instance):
    """The part of an engine that knows its state."""

    @property
    def state(self) -> EngineState:
        """What it is doing: ``"INIT"``, ``"RUNNING"``, ``"PAUSED"``, ...

        Raises:
            FastScoreError: If it does not say.
        """
        what = f"Unable to retrieve the state of {self.name}"
        found = self.gateway.get_json(what, self.route("2/engine/state"))
        with self.gateway.reading(what):
            return EngineState.from_wire(found)

    def wait_for(
        self, *states: str, timeout: float | None = 30.0, poll: float = 0.25
    ) -> EngineState:
        """Wait until it is in one of some states, and return which.

        Args:
            states: For instance ``"RUNNING"``.
            timeout: Longest wait, in seconds; None: for ever.
            poll: Longest pause between two looks, in seconds.

        Raises:
            FastScoreTimeoutError: If the time is up.
            ModelError: If it went to ERROR instead.
        """
        wanted = {EngineState.of(state) for state in states}
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.01
        while (state := self.state) not in wanted:
            if state is EngineState.ERROR:
                raise self.failure()
            if deadline is not None and time.monotonic() >= deadline:
                names = " or ".join(sorted(wanted))
                raise FastScoreTimeoutError(
                    f"{self.name} is {state}, not {names}, after {timeout:g} s"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, poll)
        return state

    def failure(self) -> FastScoreError:
        """Return the error for what put the engine into ERROR, as Pneumo tells it."""
        return failure_of(self)

    def pause(self) -> None:
        """Pause it when running, or at its start when still initialising.

        Raises:
            FastScoreError: If that is refused.
        """
        self._operate("pause")

    def unpause(self) -> None:
        """Let it run again.

        Raises:
            FastScoreError: If that is refused.
        """
        self._operate("unpause")

    def reset(self) -> None:
        """Unload the model, close all streams and return to INIT.

        Raises:
            FastScoreError: If that is refused.
        """
        self._operate("reset")

    def _operate(self, verb: str) -> None:
        self.gateway.call(
            f"Unable to {verb} {self.name}", "POST", self.route(f"2/engine/{verb}")
        )

    def clear(self) -> None:
        """Do nothing: the real SDK drops what it cached; this client caches none."""
