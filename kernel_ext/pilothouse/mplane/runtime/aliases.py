"""Old component modules say ``import mplane.model``: here they get this room's modules.

    mplane.model, .scheduler, .client, .component     the module of this room
    mplane.utils                                      files by path, as old modules ask
    mplane.components.ping, .loopback                 the probes of this room
    mplane.components.X                               of the real package, if installed

Only inside mpcom, whose process is ours: services of two implementations in one
scheduler would not understand each other, so this comes before an installed package.

Source: contract §7.2. It touches `sys.meta_path` and `sys.modules`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["install", "installed", "uninstall"]

_ROOM: Final = "pilothouse.mplane"
_SAME: Final = ("model", "scheduler", "client", "component", "tls")
_PROBES: Final = ("ping", "loopback")


class _Alias(Loader):
    """Puts a module of this room in the place of another name."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave the making of the module to the import system."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Replace it: the import system gives out what stands here afterwards."""
        sys.modules[module.__name__] = import_module(self._target)


class _Package(Loader):
    """Makes ``mplane``, whose parts are imported when they are used."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module."""
        made = ModuleType(spec.name)
        made.__doc__ = "The mPlane room of pilothouse under its old name."
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Let its parts be attributes, imported or not."""

        def part(name: str) -> ModuleType:
            if name.startswith("_"):
                raise AttributeError(name)
            try:
                return import_module(f"{module.__name__}.{name}")
            except ModuleNotFoundError as exc:
                raise AttributeError(f"mplane has no {name!r}") from exc

        vars(module)["__getattr__"] = part


class _Utilities(Loader):
    """Makes ``mplane.utils``: what old modules ask of files."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module."""
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Give it its functions."""
        vars(module).update(
            search_path=_existing, normalize_path=_absolute, check_file=_check
        )


def _absolute(path: str) -> str:
    """Return a path from the root."""
    return str(Path(path).absolute())


def _check(path: str) -> None:
    """Raise ValueError unless there is such a file or folder."""
    _existing(path)


def _existing(path: str) -> str:
    """Return a path from the root; ValueError unless it is there."""
    if not Path(path).exists():
        raise ValueError(f"there is no file {_absolute(path)}")
    return _absolute(path)


class _Finder(MetaPathFinder):
    """Finds ``mplane`` and its parts before any installed package does."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return where a name of ours comes from; ``None`` for all others."""
        if fullname == "mplane":
            return ModuleSpec(fullname, _Package(), is_package=True)
        if fullname == "mplane.utils":
            return ModuleSpec(fullname, _Utilities())
        if fullname == "mplane.components":
            spec = ModuleSpec(fullname, _Package(), is_package=True)
            spec.submodule_search_locations = _real_components()
            return spec
        parent, _, name = fullname.rpartition(".")
        if parent == "mplane" and name in _SAME:
            return ModuleSpec(fullname, _Alias(f"{_ROOM}.{name}"))
        if parent == "mplane.components" and name in _PROBES:
            return ModuleSpec(fullname, _Alias(f"{_ROOM}.probes.{name}"))
        return None


def _real_components() -> list[str]:
    """Return the folders of component modules of an installed package."""
    found = PathFinder.find_spec("mplane", sys.path)
    places = found.submodule_search_locations if found is not None else None
    return [str(Path(place) / "components") for place in places or ()]


_FINDER: Final = _Finder()


def install() -> None:
    """Let ``mplane`` mean this room in this process. May be called twice."""
    if _FINDER not in sys.meta_path:
        _forget()
        sys.meta_path.insert(0, _FINDER)


def uninstall() -> None:
    """Undo it; what was imported meanwhile stays with those who have it."""
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
        _forget()


def _forget() -> None:
    for name in tuple(sys.modules):
        if name == "mplane" or name.startswith("mplane."):
            del sys.modules[name]


@contextmanager
def installed() -> Iterator[None]:
    """Let ``mplane`` mean this room inside the block."""
    install()
    try:
        yield
    finally:
        uninstall()
