"""From a model type to what scores its records."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol, cast

from pilothouse.fastscore.runtime.callbacks import CallbackModel, ModelFailure
from pilothouse.fastscore.runtime.module import installed, model_module
from pilothouse.fastscore.runtime.tracebacks import traceback_of
from pilothouse.fastscore.wire.annotations import ModelOptions

from .link import Link
from .state import EngineBackend

__all__ = [
    "CallbackScorer",
    "Scorer",
    "console_of",
    "exit_now",
    "filename_of",
    "flush_console",
    "scorer_of",
]


class Scorer(Protocol):
    """What scores records."""

    def begin(self) -> None:
        """Prepare, once before data."""

    def score(
        self, slot: int, values: Sequence[Any], seqno: int
    ) -> dict[int, list[Any]]:
        """Return the outputs for records: slot -> values, in order.

        Raises:
            ModelFailure: If the model fails; the cause says how.
        """

    def end(self) -> None:
        """Finish, once after data."""


class CallbackScorer:
    """A Python model with callbacks.

    Args:
        head: Head of the ``start`` frame.
        options: What its annotations say.
        link: To the engine.
    """

    def __init__(self, head: dict[str, Any], options: ModelOptions, link: Link) -> None:
        self._head = head
        self._options = options
        self._link = link
        self._modules = installed(model_module(EngineBackend(link)))
        self._model: CallbackModel | None = None

    def begin(self) -> None:
        """Run the body of the model and ``begin``."""
        # Kept: a context manager that is dropped puts back what it replaced.
        self._modules = installed(model_module(EngineBackend(self._link)))
        self._modules.__enter__()
        self._model = CallbackModel.load(
            self._head["source"],
            name=self._head["name"],
            options=self._options,
            filename=filename_of(self._head),
        )
        self._model.begin()

    def score(
        self, slot: int, values: Sequence[Any], seqno: int
    ) -> dict[int, list[Any]]:
        """Call the action for each record."""
        if self._model is None:
            return {}
        walk = self._link.walk(cast("list[Any]", values))
        return self._model.call_batch(slot, cast("Sequence[Any]", walk), seqno)

    def end(self) -> None:
        """Call ``end``."""
        if self._model is not None:
            self._model.end()


def scorer_of(head: dict[str, Any], options: ModelOptions, link: Link) -> Scorer:
    """Return what scores records of a model."""
    mtype = head["mtype"]
    if mtype in ("python", "python3"):
        return CallbackScorer(head, options, link)
    if mtype.startswith("pfa-"):
        from .pfa import PfaScorer

        return PfaScorer(head["source"], link)
    from .foreign import ForeignScorer

    return ForeignScorer(head, link)


def filename_of(head: dict[str, Any]) -> str:
    """Return what tracebacks call the source."""
    return f"<model {head['name']}>"


def console_of(exc: BaseException, head: dict[str, Any]) -> str:
    """Return what a report says about an exception of the model."""
    cause = exc.__cause__ if isinstance(exc, ModelFailure) else exc
    if cause is None:
        cause = exc
    if head["mtype"] not in ("python", "python3"):
        return f"{cause}\n"
    return traceback_of(cause, head["source"], filename_of(head))


def flush_console() -> None:
    """Send on what the model has printed without a line end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # the model has closed it
            continue


def exit_now(status: int) -> None:
    """End the process without running what the model has left behind."""
    flush_console()
    os._exit(status)
