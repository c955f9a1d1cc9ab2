"""What a probe raises when the machine, or the request, does not let it measure.

It imports `pilothouse.errors` only.
"""

from __future__ import annotations

from pilothouse.errors import PilothouseError

__all__ = ["MeasurementError"]


class MeasurementError(PilothouseError):
    """Nothing could be measured; the message says why, the hint what would help."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, protocol="mPlane", hint=hint)
