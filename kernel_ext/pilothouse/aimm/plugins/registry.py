"""Where plugins are registered: one table of functions for each kind.

A declaration belongs to the module that made it, so that a module that failed half way,
or is loaded anew, leaves nothing behind.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pilothouse.errors import NotFoundError

__all__ = ["REGISTRY", "Kind", "Plugin", "Registry"]


class Kind(enum.StrEnum):
    """What a plugin function does, in the words of the errors of real servers."""

    DATA_ACCESS = "data access"
    INSTANTIATE = "instantiation"
    FIT = "fit"
    PREDICT = "predict"
    SERIALIZE = "serialize"
    DESERIALIZE = "deserialize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One registered function.

    Attributes:
        function: What is called.
        module: The module that registered it.
        state_cb_arg_name: Keyword under which it takes its state callback, or None.
        instance_arg_name: Keyword under which it takes the instance; None: it comes
            as the first argument.
    """

    function: Callable[..., Any]
    module: str
    state_cb_arg_name: str | None = None
    instance_arg_name: str | None = None


class Registry:
    """The plugins of one process."""

    def __init__(self) -> None:
        self._found: dict[tuple[Kind, str], Plugin] = {}
        self._loading: list[str] = []

    def owner_of(self, function: Callable[..., Any]) -> str:
        """Return the module that registers a function: the one that is being loaded.

        A builtin such as ``pickle.dumps`` tells of another module, or of none.
        """
        if self._loading:
            return self._loading[-1]
        return getattr(function, "__module__", None) or ""

    def add(self, kind: Kind, name: str, plugin: Plugin) -> None:
        """Register a function.

        Raises:
            ValueError: If there is one of that kind and name.
        """
        if (kind, name) in self._found:
            raise ValueError(f"a {kind} plugin for {name!r} is registered already")
        self._found[kind, name] = plugin

    def get(self, kind: Kind, name: str) -> Plugin:
        """Return a registered function.

        Raises:
            NotFoundError: If there is none; the text is that of real servers.
        """
        found = self._found.get((kind, name))
        if found is not None:
            return found
        of = "for name" if kind is Kind.DATA_ACCESS else "for model type"
        known = ", ".join(self.names(kind)) or "none"
        raise NotFoundError(
            f"no {kind} plugin {of} {name}", protocol="AIMM", hint=f"known are: {known}"
        )

    def names(self, kind: Kind) -> list[str]:
        """Return the names that are registered for a kind, sorted."""
        return sorted(name for found, name in self._found if found is kind)

    def drop(self, module: str | None = None) -> None:
        """Forget what a module registered; without one, everything."""
        self._found = {
            key: plugin
            for key, plugin in self._found.items()
            if module is not None and plugin.module != module
        }

    @contextmanager
    def whole(self, module: str = "") -> Iterator[None]:
        """Undo what was registered meanwhile when the block fails.

        Args:
            module: The module that the block loads, if it does.
        """
        before = dict(self._found)
        if module:
            self._loading.append(module)
        try:
            yield
        except BaseException:
            self._found = before
            raise
        finally:
            if module:
                self._loading.pop()


REGISTRY = Registry()
"""The plugins of this process; the decorators write here."""
