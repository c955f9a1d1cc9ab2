"""From what a worker tells of a failure to the error that is raised."""

from __future__ import annotations

import linecache
import re
from typing import Any, Final

from .batches import Batch
from .errors import FastmapException, ItemError, StartError
from .wire.answers import InitError, ProcessError

__all__ = ["item_error", "start_error"]

_FRAME: Final = re.compile(r'^  File "([^"]+)", line (\d+)')
_NO_ITEM: Final = ("WorkerDied", "TimeoutError", "PicklingError")


def item_error(
    batch: Batch, told: ProcessError, name: str
) -> tuple[int | None, ItemError]:
    """Return the item at fault in its batch, and the error that says so.

    Args:
        batch: Where it happened.
        told: What the worker tells.
        name: The function's.
    """
    number = told.index
    if number is not None and number >= batch.count:
        number = None
    if number is None and batch.count == 1:
        number = 0
    index = None if number is None else batch.index + number
    where = f"item {index}" if index is not None else f"items from {batch.index} on"
    of = "" if told.item is None else f" ({told.item})"
    text = f"{name} failed in {where}{of}: {told.exception}"
    hint = None
    if told.bad_modules:
        hint = f"not to be had at the worker: {', '.join(told.bad_modules)}"
    error = ItemError(
        text,
        index=index,
        item=told.item,
        traceback=_with_lines(told.traceback.replace("%0A", "\n")),
        status="PROCESS_ERROR",
        hint=hint,
    )
    error.__cause__ = _cause(told.error)
    return number, error


def start_error(told: InitError) -> FastmapException:
    """Return the error for a function that no worker can start with."""
    return StartError(
        f"no worker can start with this function: {told.init_error}",
        traceback=_with_lines(told.init_tb),
        status="INITIALIZATION_ERROR",
        hint="config.preview(function) shows what is sent; local_modules=, exclude= "
        "and requirements= change it",
    )


def _cause(data: bytes | None) -> BaseException | None:
    if not data:
        return None
    import dill

    try:
        found: Any = dill.loads(data)
    except Exception:  # its class may want other arguments
        return None
    return found if isinstance(found, BaseException) else None


def _with_lines(text: str) -> str:
    """Return a traceback with the source lines that only this end knows."""
    lines = text.splitlines()
    told = []
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        told.append(line)
        found = _FRAME.match(line)
        if found and not after.startswith("    "):
            source = linecache.getline(found[1], int(found[2])).strip()
            if source:
                told.append(f"    {source}")
    return "\n".join(told)
