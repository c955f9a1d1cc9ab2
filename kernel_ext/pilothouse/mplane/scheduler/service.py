"""Service: runnable code bound to a capability, and what it is given to run with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from pilothouse.mplane import model

__all__ = ["CheckInterrupt", "Service", "ServiceReply"]

ServiceReply: TypeAlias = "model.Result | model.Envelope | model.Exception"
"""What a service may return; a relay passes on what it was answered."""


class Service:
    """Runnable code bound to a capability; override `run`.

    Args:
        capability: What the service can do.
    """

    def __init__(self, capability: model.Capability) -> None:
        self._capability = capability

    def __repr__(self) -> str:
        return f"<Service for {self._capability!r}>"

    def capability(self) -> model.Capability:
        """Return the capability of this service."""
        return self._capability

    def set_capability_link(self, link: str | None) -> None:
        """Set where specifications for the capability go, unless that is set already.

        Source: reference documentation, ``Service.set_capability_link``.
        """
        if not self._capability.get_link():
            self._capability.set_link(link)

    def run(
        self, specification: model.Specification, check_interrupt: CheckInterrupt
    ) -> ServiceReply:
        """Measure what a specification asks for, on a thread of its own.

        Args:
            specification: With a value for each parameter.
            check_interrupt: Call it after each row; when it returns True, end in order
                and return what was measured. ``check_interrupt.wait(seconds)`` pauses
                and wakes up for an interrupt; ``check_interrupt.report(result)`` shows
                the rows so far to the client, and keeps them whatever comes.

        Returns:
            A result made from the specification, with its scope set.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no run(specification, check_interrupt)"
        )


class CheckInterrupt:
    """What a running service asks whether it is to stop; called, it tells.

    Args:
        report: Takes the rows so far.
    """

    __slots__ = ("_asked", "_report")

    def __init__(self, report: Callable[[model.Result], None]) -> None:
        self._asked = threading.Event()
        self._report = report

    def __call__(self) -> bool:
        """Tell whether the service is to stop and return what it has."""
        return self._asked.is_set()

    def __bool__(self) -> bool:
        return True

    def wait(self, seconds: float) -> bool:
        """Pause, but not beyond an interrupt; True when the service is to stop."""
        return self._asked.wait(max(0.0, seconds))

    def report(self, result: model.Result) -> None:
        """Show the rows measured so far; the service goes on with the same result.

        The rows that are there now survive an interrupt and a failure.
        """
        self._report(result)

    def ask(self) -> None:
        """Ask the service to stop."""
        self._asked.set()
