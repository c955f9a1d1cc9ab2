"""Short errors: the type stays, only what a cell shows gets shorter.

`make_brief` gives the raised instance a ``_render_traceback_``, IPython's hook for
that. ``except NotFoundError`` works as ever, every notebook runner sees an ``error``
output, and ``%tb`` shows the whole trace.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pilothouse.errors import PilothouseError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["make_brief", "short_text", "whole_trace"]

_RED, _PLAIN = "\x1b[31m", "\x1b[39m"


def make_brief(exc: BaseException, detail: str = "") -> None:
    """Give ``exc`` a short form.

    Args:
        exc: The error that is about to leave a magic.
        detail: Lines to show below the first one, such as a model's own traceback.
    """

    def render() -> list[str]:
        shell = _shell()
        # %tb calls showtraceback from a magic named tb: it wants everything.
        frame = sys._getframe(1)
        asked = frame.f_back is not None and frame.f_back.f_code.co_name == "tb"
        if shell is not None and asked:
            return whole_trace(shell, exc)
        return short_text(exc, detail, colored=_is_colored(shell)).splitlines()

    exc._render_traceback_ = render  # type: ignore[attr-defined]


def whole_trace(shell: InteractiveShell, exc: BaseException) -> list[str]:
    """Return what IPython shows of an error without a short form."""
    return list(
        shell.InteractiveTB.structured_traceback(type(exc), exc, exc.__traceback__)
    )


def short_text(exc: BaseException, detail: str = "", *, colored: bool = False) -> str:
    """Return the short form: type and message, the detail, the hint."""
    message, hint = str(exc), ""
    if isinstance(exc, PilothouseError):
        hint = exc.hint
        if getattr(exc, "traceback", ""):  # the detail shows it, on the cells' lines
            message = exc.message
        if hint and message.endswith(f"\n  Hint: {hint}"):
            message = message[: -len(f"\n  Hint: {hint}")]
        message = message.removeprefix("Error: ")  # the real SDK's; the type says it
    name = type(exc).__name__
    if colored:
        name = f"{_RED}{name}{_PLAIN}"
    lines = [f"{name}: {message}"]
    if detail:
        lines += ["", *(f"  {line}" for line in detail.rstrip().splitlines()), ""]
    if hint:
        lines.append(f"  Hint: {hint}")
    return "\n".join(lines)


def _shell() -> InteractiveShell | None:
    from IPython.core.getipython import get_ipython

    return get_ipython()


def _is_colored(shell: object) -> bool:
    return str(getattr(shell, "colors", "nocolor")).lower() != "nocolor"
