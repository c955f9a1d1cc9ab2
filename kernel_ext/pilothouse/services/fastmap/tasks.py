"""One batch as a task of Dask: how it is named, how its code travels, what it tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NoReturn

from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.worker.outcomes import Cause, Done, Failed

from .backend import InitializationFailed, Ran
from .runs import Run

__all__ = [
    "ByValue",
    "in_time",
    "is_cancelled",
    "python_of",
    "ran",
    "run_name",
    "task_name",
]

log = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 2.0


class ByValue:
    """A function of ours that arrives at a worker as itself, with its code.

    distributed pickles what is inside a task by name where it can.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        import cloudpickle

        self._load = cloudpickle.loads
        self._pickled = cloudpickle.dumps(function)
        self.__name__ = function.__name__

    def __call__(self, *args: object) -> NoReturn:
        """Refuse: it is for workers."""
        raise TypeError(f"{self.__name__} runs on a Dask worker")

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return self._load, (self._pickled,)


def run_name(run: Run) -> str:
    """Return what tells a run from all others, on the workers."""
    return f"{run.account.name[:8]}/{run.run_id}/{run.serial}"


def task_name(run: Run) -> str:
    """Return what a dashboard shows: tasks of one name are one bar there."""
    name = "".join(c for c in (run.name or run.label) if c.isalnum() or c == "_")
    return f"fastmap-{name[:40]}" if name else "fastmap"


def python_of(told: Mapping[str, Any]) -> PythonVersion:
    """Return the Python of a worker, of what `Client.get_versions` tells of it."""
    text = str(told["host"]["python"])
    name = PythonVersion.own().implementation
    major, minor = text.split(".")[:2]
    return PythonVersion(name, int(major), int(minor))


def ran(run: Run, told: dict[str, Any]) -> Ran:
    """Return what a task told as an outcome.

    Raises:
        InitializationFailed: If it told that.
    """
    where = f"dask-{told.pop('where', '')}"
    is_init = told.pop("is_init", False)
    unmet = tuple(told.pop("unmet", ()))
    if "results" in told:
        run.note_ready(unmet)
        return Ran(where, Done(**told))
    failed = Failed(**{**told, "cause": Cause(told["cause"])})
    if is_init:
        raise InitializationFailed(failed)
    run.note_ready(unmet)
    return Ran(where, failed)


def is_cancelled() -> bool:
    """Tell whether it is this task that is cancelled, not what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def in_time(
    awaitable: Awaitable[object], seconds: float = _ANSWER_SECONDS
) -> bool:
    """Wait for the end of something on the cluster, not for long, whatever it is.

    Returns:
        Whether there was an answer, be it an error.
    """
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except OSError:  # a timeout is one, too
        return False
    except Exception as exc:
        log.debug("the cluster refuses: %s", exc)
    return True
