"""A model's traceback, cut to the lines that its author wrote."""

from __future__ import annotations

import linecache
import traceback

from .sources import source_lines


def traceback_of(exc: BaseException, source: str, filename: str) -> str:
    """Return the traceback of an exception, with the frames of a model only.

    Frames of the engine, and of libraries that the model has called, are left out. The
    lines come from the source, not from a file.

    Args:
        exc: What the model raised.
        source: The model.
        filename: What its frames are called, for instance ``<model scorer>``.
    """
    lines = source_lines(source)
    linecache.cache[filename] = (len(source), None, lines, filename)
    shown = traceback.TracebackException.from_exception(exc, compact=True)
    _cut(shown, filename)
    return "".join(shown.format()).rstrip("\n") + "\n"


def lines_of(exc: BaseException, filename: str) -> tuple[int, ...]:
    """Return the lines of a model that an exception went through, outermost first."""
    frames = traceback.extract_tb(exc.__traceback__)
    return tuple(
        frame.lineno
        for frame in frames
        if frame.filename == filename and frame.lineno is not None
    )


def _cut(shown: traceback.TracebackException, filename: str) -> None:
    frames = [frame for frame in shown.stack if frame.filename == filename]
    shown.stack = traceback.StackSummary.from_list(frames)
    for inner in (shown.__cause__, shown.__context__):
        if inner is not None:
            _cut(inner, filename)
    for inner in getattr(shown, "exceptions", None) or ():
        _cut(inner, filename)
