"""Status words: those of the document, and those of the released clients.

Source: seed for the words of `Status`; fastmap 0.0.5 and 0.0.6 for the others,
``INITALIZING`` with its spelling; git 92022e2 for its wait and error words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from pilothouse.errors import ProtocolError

__all__ = ["Status", "Vocabulary", "read_status", "vocabulary_of", "word_for"]

Vocabulary = Literal["auto", "seed", "release"]


class Status(StrEnum):
    """What an answer says, in the words of the document."""

    OK = "OK"
    UPLOADED = "UPLOADED"
    EXISTS = "EXISTS"
    DOES_NOT_EXIST = "DOES_NOT_EXIST"
    BATCH_PROCESSED = "BATCH_PROCESSED"
    INITIALIZING = "INITIALIZING"
    INITIALIZATION_ERROR = "INITIALIZATION_ERROR"
    PROCESS_ERROR = "PROCESS_ERROR"
    DONE = "DONE"
    NOT_FOUND = "NOT_FOUND"
    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHORIZED = "UNAUTHORIZED"
    NOT_ENOUGH_CREDITS = "NOT_ENOUGH_CREDITS"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    DISCONTINUED = "DISCONTINUED"
    TOO_LARGE = "TOO_LARGE"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    UNAVAILABLE = "UNAVAILABLE"


_RELEASE: Final[Mapping[Status, str]] = {
    Status.OK: "AUTHORIZED",
    Status.EXISTS: "FOUND",
    Status.DOES_NOT_EXIST: "NOT_FOUND",
    Status.INITIALIZING: "INITALIZING",
}
_READ: Final[Mapping[str, Status]] = {
    **{status.value: status for status in Status},
    "AUTHORIZED": Status.OK,
    "FOUND": Status.EXISTS,
    "INITALIZING": Status.INITIALIZING,
    "INIT_WORKER": Status.INITIALIZING,
    "CREATING_WORKER": Status.INITIALIZING,
    "INIT_WORKER_ERROR": Status.INITIALIZATION_ERROR,
    "WORKER_EXECUTION_ERROR": Status.PROCESS_ERROR,
}
_RELEASED: Final = re.compile(r"0\.0\.[4-7]")


def vocabulary_of(
    client_version: str | None, vocabulary: Vocabulary = "auto"
) -> Literal["seed", "release"]:
    """Return whose words a client understands.

    Args:
        client_version: Its ``X-Client-Version``; None without one.
        vocabulary: ``"seed"`` or ``"release"`` pins it.
    """
    if vocabulary != "auto":
        return vocabulary
    is_release = client_version is not None and _RELEASED.fullmatch(client_version)
    return "release" if is_release else "seed"


def word_for(
    status: Status, client_version: str | None, vocabulary: Vocabulary = "auto"
) -> str:
    """Return the word that tells a client a status.

    Args:
        status: What to say.
        client_version: Its ``X-Client-Version``; None without one.
        vocabulary: ``"seed"`` or ``"release"`` pins the words.
    """
    if vocabulary_of(client_version, vocabulary) == "release":
        return _RELEASE.get(status, status.value)
    return status.value


def read_status(word: str) -> Status:
    """Return what a word of any server means.

    ``NOT_FOUND`` stays itself: at init it is the released clients' word for a function
    that is not stored.

    Raises:
        ProtocolError: If it is no status word.
    """
    if (status := _READ.get(word)) is None:
        raise ProtocolError(f"{word[:100]!r} is no status word", protocol="Fastmap")
    return status
