"""What goes wrong with a plan: before it runs, and while it runs."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.errors import PilothouseError

__all__ = ["FlowError", "PlanError"]


class FlowError(PilothouseError):
    """Steps of a plan failed, or it was cancelled.

    Attributes:
        errors: What each failed step raised, by its name; empty when none failed.
        traceback: Where that was, in the words of who ran the plan; may be empty.
    """

    def __init__(
        self,
        message: str,
        *,
        errors: Mapping[str, BaseException] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, protocol="flow", hint=hint)
        self.errors = dict(errors or {})
        self.traceback = ""


class PlanError(FlowError):
    """A plan cannot run as it stands; nothing of it was begun.

    Attributes:
        faults: What is wrong, each with the name of its step.
    """

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {fault}" for name, fault in faults))
        self.faults = faults
