"""What the Fastmap client raises: always a `FastmapException`, and of one branch.

    FastmapException(message, index, item, traceback, status, partial)
        FastmapUsageError             also ValueError: nothing was sent
        PackingError                  what was given cannot be pickled or sent
        ItemError                     the function failed in one item
        StartError                    no worker can start with this function
        RunCancelledError             somebody has cancelled it
        FastmapTransportError         also TransportError: try again
            FastmapTimeoutError           also AnswerTimeoutError
        FastmapProtocolError          also ProtocolError: report it
            IntegrityError                also BadSignatureError: nothing was unpickled
        FastmapRefusedError           also RemoteError: change the request
            FastmapNotAuthorizedError     also NotAuthorizedError
            CreditsError                  the credits, or those allowed, are spent
            RunNotFoundError              also NotFoundError
        IncompleteError               a run was left before all items were sent

What an iterable raises comes through as it is.

Source: contract §4.1 for the name `FastmapException`.
"""

from __future__ import annotations

from typing import Any

from pilothouse import errors

__all__ = [
    "CreditsError",
    "FastmapException",
    "FastmapNotAuthorizedError",
    "FastmapProtocolError",
    "FastmapRefusedError",
    "FastmapTimeoutError",
    "FastmapTransportError",
    "FastmapUsageError",
    "IncompleteError",
    "IntegrityError",
    "ItemError",
    "PackingError",
    "RunCancelledError",
    "RunNotFoundError",
    "StartError",
    "of_branch",
]


class FastmapException(errors.PilothouseError):
    """A map did not work.

    Attributes:
        index: Number of the item at fault, from 0; None: no single item is.
        item: Its short repr; None: not known.
        traceback: The traceback at the far side, frames of the user's code.
        status: The service's word; empty: it did not say one.
        partial: The results that came before, where a run knows them.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        index: int | None = None,
        item: str | None = None,
        traceback: str = "",
        status: str = "",
    ) -> None:
        super().__init__(message, protocol="Fastmap", hint=hint)
        self.index = index
        self.item = item
        self.traceback = traceback
        self.status = status
        self.partial: list[Any] = []

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.traceback.rstrip()}" if self.traceback else text


class FastmapUsageError(FastmapException, ValueError):
    """An argument is wrong; nothing was sent."""


class PackingError(FastmapException):
    """What was given cannot be pickled or sent."""


class ItemError(FastmapException):
    """The function failed in one item; ``__cause__`` is its exception, if it came."""


class StartError(FastmapException):
    """No worker can start with this function."""


class RunCancelledError(FastmapException):
    """The run was cancelled."""


class IncompleteError(FastmapException):
    """A run was left before all its items were sent; ``partial`` has what came."""


class FastmapTransportError(FastmapException, errors.TransportError):
    """Nothing usable came back; the same call may work later."""


class FastmapTimeoutError(FastmapTransportError, errors.AnswerTimeoutError):
    """It was not there within the timeout."""


class FastmapProtocolError(FastmapException, errors.ProtocolError):
    """An answer breaks the grammar of the protocol."""


class IntegrityError(FastmapProtocolError, errors.BadSignatureError):
    """Results are not what the service signed; they were not unpickled."""


class FastmapRefusedError(FastmapException, errors.RemoteError):
    """The service understood, and refused."""


class FastmapNotAuthorizedError(FastmapRefusedError, errors.NotAuthorizedError):
    """The service does not know the token, or does not allow it."""


class CreditsError(FastmapRefusedError):
    """The credits, or as many as were allowed, are spent."""


class RunNotFoundError(FastmapRefusedError, errors.NotFoundError):
    """The service knows no such run."""


def of_branch(message: str, cause: errors.PilothouseError) -> FastmapException:
    """Return the error that says what could not be done, of its cause's branch.

    Args:
        message: What could not be done.
        cause: What another layer raised.
    """
    if isinstance(cause, FastmapException):
        return cause
    text = f"{message}: {cause.message}"
    hint = cause.hint or None
    if isinstance(cause, errors.AnswerTimeoutError):
        return FastmapTimeoutError(text, hint=hint)
    if isinstance(cause, errors.TransportError):
        return FastmapTransportError(text, hint=hint)
    if isinstance(cause, errors.ProtocolError):
        return FastmapProtocolError(text, hint=hint)
    return FastmapException(text, hint=hint)
