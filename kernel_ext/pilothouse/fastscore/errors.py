"""What the FastScore client raises: always a `FastScoreError`, and of one branch.

    FastScoreError(message, caused_by)
        FastScoreUsageError           also ValueError: nothing was sent
        FastScoreTransportError       also TransportError: try again
            FastScoreConnectError         also ConnectError
            FastScoreTimeoutError         also AnswerTimeoutError, TimeoutError
            FastScoreConnectionLostError  also ConnectionLostError
        FastScoreProtocolError        also ProtocolError: report it
        FastScoreRefusedError         also RemoteError: change the request
            FastScoreNotFoundError        also NotFoundError
            FastScoreNotAuthorizedError   also NotAuthorizedError
            ModelError                    the model itself failed
        EndOfStream                   also EOFError: an output came to its end

Source: developer interface, "Exceptions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse import errors
from pilothouse.errors import FastScoreError

__all__ = [
    "EndOfStream",
    "FastScoreConnectError",
    "FastScoreConnectionLostError",
    "FastScoreError",
    "FastScoreNotAuthorizedError",
    "FastScoreNotFoundError",
    "FastScoreProtocolError",
    "FastScoreRefusedError",
    "FastScoreTimeoutError",
    "FastScoreTransportError",
    "FastScoreUsageError",
    "HttpRefusal",
    "ModelError",
    "of_branch",
    "refused",
]


class HttpRefusal(Exception):  # noqa: N818 - a cause, not an error of its own
    """The answer of an instance that refused; the ``caused_by`` of an error.

    Attributes:
        status: For instance 404.
        reason: For instance ``"Not Found"``.
        body: What the instance said about it.
        headers: Of its answer, looked up without regard to case.
    """

    def __init__(
        self, status: int, reason: str, body: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(status, reason, body)
        self.status = status
        self.reason = reason
        self.body = body
        self.headers = headers

    def __str__(self) -> str:
        said = self.body.strip()
        head = f"({self.status}) {self.reason}".rstrip()
        return f"{head}: {said}" if said else head


class FastScoreUsageError(FastScoreError, ValueError):
    """An argument is wrong; nothing was sent."""


class FastScoreTransportError(FastScoreError, errors.TransportError):
    """Nothing usable came back; the same call may work later."""


class FastScoreConnectError(FastScoreTransportError, errors.ConnectError):
    """No connection to the suite could be made."""


class FastScoreTimeoutError(FastScoreTransportError, errors.AnswerTimeoutError):
    """No answer came within the timeout."""


class FastScoreConnectionLostError(FastScoreTransportError, errors.ConnectionLostError):
    """The connection broke before the answer was complete."""


class FastScoreProtocolError(FastScoreError, errors.ProtocolError):
    """An answer breaks the grammar of its protocol."""


class FastScoreRefusedError(FastScoreError, errors.RemoteError):
    """An instance understood, and refused; ``caused_by`` has its words."""


class FastScoreNotFoundError(FastScoreRefusedError, errors.NotFoundError):
    """There is no such thing."""


class FastScoreNotAuthorizedError(FastScoreRefusedError, errors.NotAuthorizedError):
    """The suite does not know you, or does not allow it."""


class ModelError(FastScoreRefusedError):
    """A model failed on an engine.

    Attributes:
        console: The traceback as the engine told it.
        record: The record that it failed on, as text; None when that is unknown.
        lines: Lines of the model's source that the traceback names, from 1.
    """

    def __init__(
        self,
        message: str,
        caused_by: BaseException | None = None,
        *,
        hint: str | None = None,
        console: str = "",
        record: str | None = None,
        lines: tuple[int, ...] = (),
    ) -> None:
        super().__init__(message, caused_by, hint=hint)
        self.console = console
        self.record = record
        self.lines = lines


class EndOfStream(FastScoreError, EOFError):  # noqa: N818 - an end, as StopIteration is
    """The stream at an output slot came to its end."""


_BRANCHES: tuple[tuple[type[errors.PilothouseError], type[FastScoreError]], ...] = (
    (errors.ConnectError, FastScoreConnectError),
    (errors.AnswerTimeoutError, FastScoreTimeoutError),
    (errors.ConnectionLostError, FastScoreConnectionLostError),
    (errors.TransportError, FastScoreTransportError),
    (errors.NotFoundError, FastScoreNotFoundError),
    (errors.NotAuthorizedError, FastScoreNotAuthorizedError),
    (errors.RemoteError, FastScoreRefusedError),
    (errors.ProtocolError, FastScoreProtocolError),
)


def of_branch(message: str, cause: BaseException) -> FastScoreError:
    """Return the error that says what could not be done, of its cause's branch.

    Args:
        message: What could not be done.
        cause: What another layer raised; it becomes ``caused_by``.
    """
    if isinstance(cause, FastScoreError):
        return cause
    hint = getattr(cause, "hint", None)
    for branch, leaf in _BRANCHES:
        if isinstance(cause, branch):
            return leaf(message, caused_by=cause, hint=hint)
    if isinstance(cause, ValueError | TypeError):
        return FastScoreUsageError(message, caused_by=cause)
    return FastScoreError(message, caused_by=cause)


def refused(message: str, answer: Any) -> FastScoreError:  # noqa: ANN401
    """Return the error for an answer that is no success.

    Args:
        message: What could not be done.
        answer: Has ``status``, ``reason``, ``text`` and ``headers``.
    """
    cause = HttpRefusal(answer.status, answer.reason, answer.text, answer.headers)
    if answer.status == 401:
        hint = "log in: Connect(..., oauth_secret=...) or connect.login(user, password)"
        return FastScoreNotAuthorizedError(message, cause, hint=hint)
    if answer.status == 404:
        return FastScoreNotFoundError(message, cause)
    if answer.status in {502, 503}:
        return FastScoreTransportError(message, cause)
    if answer.status == 504:
        return FastScoreTimeoutError(message, cause)
    return FastScoreRefusedError(message, cause)
