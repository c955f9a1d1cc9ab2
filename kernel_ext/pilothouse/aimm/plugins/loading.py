"""Loading plugin modules: by name, from a file, or from the source of a cell."""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.errors import SettingsError

from .registry import REGISTRY

__all__ = ["initialize", "load_file", "load_module", "load_source"]


def initialize(conf: Mapping[str, Any]) -> None:
    """Import the modules of a configuration: ``{"names": ["module.path", ...]}``.

    Raises:
        SettingsError: If ``names`` is no list of texts, or a module cannot be found.
        Exception: Whatever the import of a module raises.
    """
    names = conf.get("names")
    if not isinstance(names, list) or any(not isinstance(name, str) for name in names):
        raise SettingsError(f"plugins.names is a list of modules, not {names!r}")
    for name in names:
        load_module(name)


def load_module(name: str) -> types.ModuleType:
    """Import a module that registers plugins.

    Raises:
        SettingsError: If there is no such module.
        Exception: Whatever its import raises; nothing of it stays registered.
    """
    with REGISTRY.whole(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as exc:
            if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
                raise
            raise SettingsError(
                f"there is no plugin module {name!r}",
                hint="its folder in PYTHONPATH, or the path of the file",
            ) from None


def load_file(path: Path) -> types.ModuleType:
    """Run a file that registers plugins, as the module of the file's name.

    Raises:
        SettingsError: If it cannot be read.
        Exception: Whatever it raises; nothing of it stays registered.
    """
    try:
        source = path.read_text("utf-8")
    except OSError as exc:
        raise SettingsError(f"the plugin file {path} cannot be read: {exc}") from None
    return load_source(path.stem, source, filename=str(path))


def load_source(name: str, source: str, *, filename: str = "") -> types.ModuleType:
    """Run source that registers plugins, as a module of the name given.

    What a module of that name registered before is replaced. Tracebacks show the
    lines of the source.

    Args:
        name: Name of the module: model types of its classes are ``name.Class``.
        source: Python.
        filename: What tracebacks call it; ``<plugin name>`` without.

    Raises:
        Exception: Whatever the source raises; all is then as before.
    """
    filename = filename or f"<plugin {name}>"
    module = types.ModuleType(name)
    module.__file__ = filename
    before = sys.modules.get(name)
    linecache.cache[filename] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        filename,
    )
    with REGISTRY.whole(name):
        REGISTRY.drop(name)
        sys.modules[name] = module  # pickles of its classes name the module
        try:
            exec(compile(source, filename, "exec"), module.__dict__)
        except BaseException:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before
            raise
    return module
