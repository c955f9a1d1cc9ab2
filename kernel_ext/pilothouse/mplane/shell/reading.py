"""Lines from a terminal, with history and Tab, or from a pipe.

It touches the standard input and output and, on a terminal, a file of history in the
user's state folder, that only this user reads.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["ask", "history_file", "is_terminal", "line_editing"]

_HISTORY_LINES = 1000


def is_terminal() -> bool:
    """Tell whether a person types."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(prompt: str) -> str:
    """Return the next line; the prompt is written also when no person reads it.

    Raises:
        EOFError: If there is none.
    """
    if is_terminal():
        return input(prompt)
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def history_file() -> Path:
    """Return where the lines typed before are kept."""
    import platformdirs

    folder = platformdirs.user_state_dir("pilothouse", appauthor=False)
    return Path(folder) / "mpcli_history"


@contextmanager
def line_editing(complete: Callable[[str, str], list[str]]) -> Iterator[None]:
    """Give a terminal history and Tab inside the block; a pipe nothing.

    Args:
        complete: Line up to the cursor, and its last word -> what may stand there.
    """
    readline = _readline()
    if readline is None:
        yield
        return
    matches: list[str] = []

    def next_match(word: str, state: int) -> str | None:
        if state == 0:
            line = readline.get_line_buffer()[: readline.get_endidx()]
            matches[:] = complete(line, word)
        return matches[state] if state < len(matches) else None

    before = readline.get_completer(), readline.get_completer_delims()
    readline.set_completer(next_match)
    readline.set_completer_delims(" ")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    path = history_file()
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        readline.set_completer(before[0])
        readline.set_completer_delims(before[1])
        _write_history(readline, path)


def _readline() -> ModuleType | None:
    if not is_terminal():
        return None
    try:
        import readline
    except ImportError:  # not on every system
        return None
    return readline


def _write_history(readline: ModuleType, path: Path) -> None:
    readline.set_history_length(_HISTORY_LINES)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        readline.write_history_file(path)
