"""Loading and unloading: silent, quick, and nothing is opened.

Newest IPython registers the names without importing what is behind them. Older ones
(8.12 to 9.x without `IPython.core.magic.LazyMagic`) get a thin object for each name
that imports the magic at its first call; drop `Thin` when those are gone.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core import magic
from IPython.core.completer import context_matcher

from . import MAGICS, Declared
from ._session import Session

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Thin", "load", "unload"]

_PACKAGE = "pilothouse."
_LEAD = r"^\s*(?:(?:[^%'\"#]|'[^']*'|\"[^\"]*\")*=\s*)?"  # as in d["k"] =
_LINE = re.compile(_LEAD + r"%(?P<name>\w+)\s+(?P<rest>.*)$")
_STEP = re.compile(_LEAD + r"%%?(?P<name>\w+)\s+(?P<rest>.*)$")
_PLAN = re.compile(r"%%pilot\s+flow\b")
_CELL = re.compile(r"^%%(?P<name>\w+)\s+(?P<rest>.*)$")
_EMPTY_CELL = re.compile(r"%%(\w+)(?!\w*\?)")


def load(shell: InteractiveShell) -> None:
    """Register names, completion and options with ``shell``."""
    session = Session.of(shell)
    configurables: list[Any] = shell.configurables
    if session.options not in configurables:
        configurables.append(session.options)
    for name, declared in MAGICS.items():
        _register(shell, name, declared)
    _remove_ours(shell.Completer.custom_matchers)
    shell.Completer.custom_matchers.append(_matcher_of(session))
    _remove_ours(shell.input_transformers_cleanup)
    shell.input_transformers_cleanup.append(_fill_empty_cell)


def unload(shell: InteractiveShell) -> None:
    """Take everything out again; a reload keeps the connections."""
    manager = shell.magics_manager
    for kind in ("line", "cell"):
        table = manager.magics[kind]
        for name in [n for n, found in table.items() if _is_ours(found)]:
            del table[name]
    for name, declared in MAGICS.items():
        if manager.lazy_magics.get(name) == declared.spec:
            del manager.lazy_magics[name]
        getattr(manager, "_loaded_lazy", set()).discard(declared.spec)
        manager.registry.pop(declared.spec.partition(":")[2], None)
    _remove_ours(shell.Completer.custom_matchers)
    _remove_ours(shell.input_transformers_cleanup)
    session = Session.of(shell)
    configurables: list[Any] = shell.configurables
    configurables[:] = [
        found
        for found in configurables
        if found is not session.options
        and not type(found).__module__.startswith(_PACKAGE + "magics.")
    ]
    if not _is_reloading():
        Session.drop(shell)


class Thin:
    """Stands for a magic that is not imported yet, on IPython without `LazyMagic`."""

    needs_local_scope = True

    def __init__(self, shell: InteractiveShell, name: str, kind: str) -> None:
        self._shell = shell
        self._name = name
        self._kind = kind
        self.__name__ = name
        setattr(self, magic.MAGIC_NO_VAR_EXPAND_ATTR, True)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._real()(*args, **kwargs)

    def getdoc(self) -> str:
        """Return the manual of the real magic; IPython's ``?`` asks for it."""
        return self._real().__doc__ or ""

    def _real(self) -> Callable[..., Any]:
        module, _, name = MAGICS[self._name].spec.partition(":")
        self._shell.register_magics(getattr(importlib.import_module(module), name))
        real: Callable[..., Any] = self._shell.magics_manager.magics[self._kind][
            self._name
        ]
        return real


def _register(shell: InteractiveShell, name: str, declared: Declared) -> None:
    manager = shell.magics_manager
    if hasattr(magic, "LazyMagic"):
        manager.register_lazy(name, declared.spec, declared.kind)
        return
    for kind in declared.kinds:
        manager.magics[kind].setdefault(name, Thin(shell, name, kind))


def _is_ours(found: object) -> bool:
    if isinstance(found, Thin):
        return True
    lazy = getattr(magic, "LazyMagic", None)
    if lazy is not None and isinstance(found, lazy):
        return str(found.spec).startswith(_PACKAGE)
    owner = getattr(found, "__self__", None)
    return type(owner).__module__.startswith(_PACKAGE)


def _is_reloading() -> bool:
    """Whether ``%reload_ext`` is at work: it unloads and loads, and tells nobody."""
    frame, depth = sys._getframe(1), 0
    while frame.f_back is not None and depth < 8:
        frame, depth = frame.f_back, depth + 1
        if frame.f_code.co_name == "reload_extension":
            return True
    return False


def _remove_ours(hooks: list[Any]) -> None:
    hooks[:] = [
        hook
        for hook in hooks
        if not getattr(hook, "__module__", "").startswith(_PACKAGE)
    ]


def _fill_empty_cell(lines: list[str]) -> list[str]:
    """Give a cell magic of ours without a body an empty line as body.

    IPython itself answers an empty body with `UsageError`, which every notebook
    runner takes for success.
    """
    if len(lines) == 1 and (found := _EMPTY_CELL.match(lines[0])):
        declared = MAGICS.get(found[1])
        if declared is not None and "?" not in lines[0].partition(" ")[0]:
            return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


def _matcher_of(
    session: Session,
) -> Callable[[CompletionContext], SimpleMatcherResult]:
    @context_matcher(priority=200, identifier="pilothouse")
    def pilothouse_matcher(context: CompletionContext) -> SimpleMatcherResult:
        """Complete the words of our magics; says nothing about other lines."""
        line = context.text_until_cursor
        is_plan = context.cursor_line > 0 and _PLAN.match(context.full_text)
        found = (_STEP if is_plan else _LINE).match(line)
        if found is None and context.cursor_line == 0:
            found = _CELL.match(line)
        plan = context.full_text if is_plan else ""
        if found is None or found["name"] not in MAGICS:
            if not plan:
                return {"completions": []}
            from ._completion import complete_step

            return complete_step(plan, line)
        from ._completion import complete

        return complete(session, found["name"], found["rest"], plan=plan)

    matcher: Callable[[CompletionContext], SimpleMatcherResult] = pilothouse_matcher
    return matcher
