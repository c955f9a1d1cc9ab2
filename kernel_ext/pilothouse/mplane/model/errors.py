"""What is wrong with a message, as errors of the house and of the document.

    MessageError           a message breaks its grammar (also a `ValueError`)
        UnknownElementError    no registry knows the element (also a `KeyError`)

The reference implementation raises `ValueError` and `KeyError` in these places; both
keep working, beside `pilothouse.errors.ProtocolError`.
"""

from __future__ import annotations

from pilothouse.errors import ProtocolError

__all__ = ["MessageError", "UnknownElementError"]


class MessageError(ProtocolError, ValueError):
    """A message breaks its grammar; the message names the value at fault."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, protocol="mPlane", hint=hint)


class UnknownElementError(MessageError, KeyError):
    """No loaded registry has an element of that name."""
