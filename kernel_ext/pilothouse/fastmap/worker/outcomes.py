"""What comes back from a worker: values, all bytes opaque."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Cause", "Done", "Failed", "Limits", "Ready"]

_MIB = 1024 * 1024


class Cause(StrEnum):
    """Why a worker has no result.

    Attributes:
        USER: The function, its import or its pickle failed; the worker lives.
        DIED: The process is gone, by no act of ours.
        TIMEOUT: It took too long, and was killed.
        KILLED: `WorkerProcess.kill` was called.
    """

    USER = "user"
    DIED = "died"
    TIMEOUT = "timeout"
    KILLED = "killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one worker, in bytes.

    Attributes:
        batch: What a batch may open to.
        results: What the pickled results of a batch may be long, before gzip.
        memory: Address space; 0 for no bound. Above it, user code gets MemoryError.
    """

    batch: int = 1024 * _MIB
    results: int = 256 * _MIB
    memory: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A worker has taken its function.

    Attributes:
        bad_modules: Modules that could not be imported.
        warnings: Requirements that are not met here, one sentence each.
        seconds: What it took.
    """

    bad_modules: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The results of one batch.

    Attributes:
        results: Pickle of ``{"results": [...]}``, gzipped unless asked for plain.
        count: How many.
        map_seconds: Time inside the function.
        raw_bytes: Length of the pickle before gzip.
        logs: What was printed, at most 64 KiB of it.
    """

    results: bytes = field(repr=False)
    count: int
    map_seconds: float
    raw_bytes: int
    logs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why there are no results.

    Attributes:
        cause: Whether user code failed, or the process is gone.
        exception: The repr of the exception, at most 4 KiB.
        traceback: Its text, frames of user code only.
        bad_modules: Modules that could not be imported.
        index: Number of the failing item in its batch, if known.
        item: Short repr of that item, if it can be had.
        error: The exception itself, pickled by dill; empty if that cannot be.
        logs: What was printed, at most 64 KiB of it.
        warnings: Requirements that are not met here.
    """

    cause: Cause
    exception: str
    traceback: str = ""
    bad_modules: tuple[str, ...] = ()
    index: int | None = None
    item: str | None = None
    error: bytes = field(default=b"", repr=False)
    logs: str = ""
    warnings: tuple[str, ...] = ()
