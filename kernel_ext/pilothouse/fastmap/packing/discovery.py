"""Which modules a function needs: found by walking from it, not by what is loaded.

    function -> pickled by value: its globals, closure and the imports in its code
             -> pickled by name:  its module
    local module -> its package, whole, with every source file; what these import
    installed module -> its name, and its distribution with version

It reads source files of local modules and imports nothing. A module is local when its
file lies neither in the standard library nor in a folder of installed packages; its
source is decoded as PEP 263 says.
"""

from __future__ import annotations

import ast
import dis
import importlib.machinery
import site
import sys
import sysconfig
import threading
import types
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib.util import decode_source
from pathlib import Path
from typing import Any, Final

from pilothouse.fastmap.errors import PackingError

__all__ = ["Found", "Kind", "find", "imports_of", "kind_of", "module_of"]

_MOST_BYTES: Final = 64 * 2**20
_TRIES: Final = 10
_parsing = threading.Lock()
_OURS: Final = frozenset({"pilothouse", "pilothouse_widgets", "_pilothouse_sharing"})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


class Kind(StrEnum):
    """Where a top-level module is from."""

    STANDARD = "standard"
    LOCAL = "local"
    INSTALLED = "installed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found.

    Attributes:
        sources: Source text of local modules, by name, in order of names.
        installed: Top-level names of installed modules that something imports.
        unsendable: Local modules without a source, such as compiled ones.
    """

    sources: dict[str, str] = field(default_factory=dict)
    installed: frozenset[str] = frozenset()
    unsendable: tuple[str, ...] = ()


def module_of(thing: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the names of modules that a pickled thing needs."""
    if isinstance(thing, types.CodeType):
        yield from imports_of(thing)
    elif isinstance(thing, types.ModuleType):
        yield thing.__name__
    else:
        name = getattr(thing, "__module__", None)
        if isinstance(name, str):
            yield name


@lru_cache(maxsize=4096)
def imports_of(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of modules that code imports when it runs."""
    names = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME" and instruction.argval:
            names.append(str(instruction.argval))
    return tuple(names)


def find(
    names: Iterable[str], *, more: Iterable[str] = (), exclude: Iterable[str] = ()
) -> Found:
    """Return what modules of these names need.

    Args:
        names: Of modules of any kind.
        more: Of modules that are to be sent whatever they are.
        exclude: Of modules, with all below them, that are not.

    Raises:
        PackingError: If a named one is nowhere, or it is too much.
    """
    walk = _Walk(tuple(exclude))
    for name in more:
        walk.add(name, is_wanted=True)
    for name in names:
        walk.add(name)
    walk.finish()
    return Found(
        sources=dict(sorted(walk.sources.items())),
        installed=frozenset(walk.installed),
        unsendable=tuple(sorted(walk.unsendable)),
    )


def kind_of(top: str) -> Kind:
    """Return where a top-level module is from."""
    if top in _OURS:
        return Kind.INSTALLED
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return Kind.STANDARD
    spec = _spec(top)
    if spec is None:
        return Kind.MISSING
    places = [spec.origin] if spec.has_location and spec.origin else []
    places += list(spec.submodule_search_locations or ())
    if not places:
        return Kind.MISSING if spec.loader is None else Kind.STANDARD
    return _kind_of_place(places[0])


@lru_cache(maxsize=4096)
def _kind_of_place(place: str) -> Kind:
    path = Path(place)
    if _INSTALLED & set(path.parts) or any(
        path.is_relative_to(folder) for folder in _folders("purelib", "platlib")
    ):
        return Kind.INSTALLED
    if any(path.is_relative_to(each) for each in _folders("stdlib", "platstdlib")):
        return Kind.STANDARD
    return Kind.LOCAL


@lru_cache(maxsize=8)
def _folders(*keys: str) -> tuple[str, ...]:
    found = [sysconfig.get_path(key) for key in keys]
    if "purelib" in keys:
        found += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(each for each in found if each)


def _spec(top: str) -> importlib.machinery.ModuleSpec | None:
    module = sys.modules.get(top)
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return spec  # type: ignore[no-any-return] # of a module
    file = getattr(module, "__file__", None)
    if file:  # made by hand, or loaded by another loader
        return importlib.machinery.ModuleSpec(top, None, origin=file, is_package=False)
    try:
        return importlib.machinery.PathFinder.find_spec(top)
    except (ImportError, ValueError, OSError):
        return None


def _loaded_from(name: str) -> Path | None:
    """Return the local source of a module that was loaded in some way of its own."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if not file or not file.endswith(".py"):
        return None
    return Path(file) if _kind_of_place(file) is Kind.LOCAL else None


class _Walk:
    """From names to sources, until nothing new is found."""

    def __init__(self, exclude: tuple[str, ...]) -> None:
        self.sources: dict[str, str] = {}
        self.installed: set[str] = set()
        self.unsendable: set[str] = set()
        self._exclude = exclude
        self._seen: set[str] = set()
        self._to_read: list[tuple[str, Path]] = []
        self._bytes = 0

    def add(self, name: str, *, is_wanted: bool = False) -> None:
        """Take a name; what it stands for is read by `finish`."""
        if name in self._seen or name in ("__main__", "__mp_main__"):
            return
        self._seen.add(name)
        if self._is_excluded(name):
            return
        top = name.partition(".")[0]
        kind = kind_of(top)
        if kind is Kind.MISSING and (path := _loaded_from(name)) is not None:
            self._to_read.append((name, path))
        elif is_wanted and kind is Kind.MISSING:
            raise PackingError(f"there is no module {name!r} to send")
        elif kind is Kind.LOCAL or (is_wanted and top not in _OURS):
            self._add_local(top, name)
        elif kind is Kind.INSTALLED:
            self.installed.add(top)

    def finish(self) -> None:
        """Read sources, and what they import."""
        while self._to_read:
            name, path = self._to_read.pop()
            if name in self.sources or self._is_excluded(name):
                continue
            text = _text(path)
            self._bytes += len(text)
            if self._bytes > _MOST_BYTES:
                raise PackingError(
                    f"the local modules are more than {_MOST_BYTES >> 20} MiB; "
                    f"{name!r} came last",
                    hint="leave some out: exclude=[...]",
                )
            self.sources[name] = text
            for imported in _imports(text):
                self.add(imported)

    def _add_local(self, top: str, name: str) -> None:
        spec = _spec(top)
        if spec is None:
            return
        folders = [Path(each) for each in spec.submodule_search_locations or ()]
        origin = spec.origin if spec.has_location or not folders else None
        if origin is None:
            self._add_of_namespace(folders, name)
        elif folders:
            if top not in self._seen or top not in self.sources:
                self._to_read += _package(top, folders[0])
            self._seen.add(top)
        elif origin.endswith(".py"):
            self._to_read.append((top, Path(origin)))
        else:
            self.unsendable.add(top)

    def _add_of_namespace(self, folders: list[Path], name: str) -> None:
        """Take the one module or package that a name below a namespace means."""
        parts = name.split(".")
        for folder in folders:
            place = folder
            for depth, part in enumerate(parts[1:], start=2):
                place = place / part
                if (place / "__init__.py").is_file():
                    self._to_read += _package(".".join(parts[:depth]), place)
                    return
                if place.with_suffix(".py").is_file():
                    found = ".".join(parts[:depth]), place.with_suffix(".py")
                    self._to_read.append(found)
                    return

    def _is_excluded(self, name: str) -> bool:
        return any(name == e or name.startswith(f"{e}.") for e in self._exclude)


def _package(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the modules of a package, itself first."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            yield ".".join((name, *parts)).removesuffix(".__init__"), path


def _text(path: Path) -> str:
    try:
        return decode_source(path.read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError) as exc:
        raise PackingError(f"the source {path.name} cannot be read: {exc}") from exc


def _tree(text: str) -> ast.Module:
    """Parse a source; again when another thread parses, too.

    Python 3.11 counts the depth of the trees of all threads in one place, and may take
    that for a fault of its own, a SystemError.
    """
    for _ in range(_TRIES):
        with _parsing, suppress(SystemError):
            return ast.parse(text)
    return ast.parse(text)


@lru_cache(maxsize=1024)
def _imports(text: str) -> tuple[str, ...]:
    """Return the modules that a source imports anywhere, by their whole names."""
    try:
        tree = _tree(text)
    except (SyntaxError, ValueError):  # the far side will tell
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)
