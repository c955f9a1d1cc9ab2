"""Everything that pilothouse raises on purpose, as one tree.

    PilothouseError(message, *, protocol, hint)
        LineError              a magic's line or a command's words are wrong
        SettingsError          a profile or an option is wrong
        ServiceError           the local services did not start, stop or answer
        TransportError         nothing usable came back: try again
            ConnectError           no connection could be made
            AnswerTimeoutError     no answer within the timeout
            ConnectionLostError    the connection broke under way
        ProtocolError          a message breaks its grammar: report it
            BadSignatureError      a signature does not hold
        RemoteError            the peer understood, and refused: change the request
            NotFoundError          it has no such thing
            NotAuthorizedError     it does not know you, or does not allow it
        FastScoreError(message, caused_by)   whatever a FastScore call raises

Every error of the FastScore client is a `FastScoreError` (seed: "SDK functions throw
only FastScoreError exceptions") and at the same time of the branch that tells the
remedy; `pilothouse.fastscore.errors` has those leaves.
"""

from __future__ import annotations

__all__ = [
    "AnswerTimeoutError",
    "BadSignatureError",
    "ConnectError",
    "ConnectionLostError",
    "FastScoreError",
    "LineError",
    "NotAuthorizedError",
    "NotFoundError",
    "PilothouseError",
    "ProtocolError",
    "RemoteError",
    "ServiceError",
    "SettingsError",
    "TransportError",
]


class PilothouseError(Exception):
    """What went wrong, in one sentence, and what to do about it.

    Attributes:
        message: What happened, with the value at fault.
        protocol: The system it concerns, for instance ``"FastScore"``; may be empty.
        hint: What to do; may be empty.
    """

    def __init__(
        self, message: str, *, protocol: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.protocol = protocol
        self.hint = hint or ""

    def __str__(self) -> str:
        return f"{self.message}\n  Hint: {self.hint}" if self.hint else self.message


class LineError(PilothouseError):
    """A magic's line or a command's words are wrong."""


class SettingsError(PilothouseError):
    """A profile or an option is wrong."""


class ServiceError(PilothouseError):
    """The local services did not start, stop or answer."""


class TransportError(PilothouseError):
    """Nothing usable came back; the same call may work later."""


class ConnectError(TransportError):
    """No connection could be made."""


class AnswerTimeoutError(TransportError, TimeoutError):
    """No answer came within the timeout."""


class ConnectionLostError(TransportError):
    """The connection broke before the answer was complete."""


class ProtocolError(PilothouseError):
    """A message breaks the grammar of its protocol."""


class BadSignatureError(ProtocolError):
    """A signature does not hold; the message was not decoded."""


class RemoteError(PilothouseError):
    """The peer understood the request, and refused it."""


class NotFoundError(RemoteError):
    """The peer has no such thing."""


class NotAuthorizedError(RemoteError):
    """The peer does not know you, or does not allow it."""


class FastScoreError(PilothouseError):
    """A FastScore call failed.

    Source: developer interface, "Exceptions"; text form as the real SDK 1.10.3 gives
    it (``Error: <message>``, then ``Caused by: <cause>`` on a line of its own).

    Args:
        message: What could not be done.
        caused_by: The reason: an HTTP refusal with ``status``, ``reason``, ``body``
            and ``headers``, another exception, or ``None``.
        hint: What to do about it.
    """

    def __init__(
        self,
        message: str,
        caused_by: BaseException | None = None,
        *,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, protocol="FastScore", hint=hint)
        self.caused_by = caused_by

    def __str__(self) -> str:
        text = f"Error: {self.message}"
        if self.caused_by is not None:
            text += f"\n  Caused by: {self.caused_by}"
        return f"{text}\n  Hint: {self.hint}" if self.hint else text
