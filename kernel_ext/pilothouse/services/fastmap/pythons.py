"""Interpreters of this machine that can be workers: a version, and dill.

Looked for in this order: the one that runs this, those that an option or the variable
``PILOTHOUSE_PYTHONS`` names (joined by ``:``), ``pythonX.Y`` and ``pypy3`` on the path,
pyenv's. Each is asked once what it is; the answer is remembered until its file changes.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pilothouse.fastmap.wire.headers import PythonVersion

__all__ = ["VARIABLE", "Interpreter", "Interpreters"]

VARIABLE: Final = "PILOTHOUSE_PYTHONS"
_PROBE: Final = (
    "import sys, json, platform, dill; sys.stdout.write(json.dumps("
    "[platform.python_implementation(), *sys.version_info[:2], dill.__version__]))"
)
_PROBE_SECONDS: Final = 20.0
_OLDEST: Final = (3, 8)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One interpreter.

    Attributes:
        path: To start it.
        version: What it is.
        dill: Version of its dill.
    """

    path: str
    version: PythonVersion
    dill: str


class Interpreters:
    """Finds interpreters.

    Args:
        named: Paths of some, beside those of `VARIABLE`.
    """

    def __init__(self, named: Sequence[str] = ()) -> None:
        words = os.environ.get(VARIABLE, "").split(os.pathsep)
        self._named = [*named, *(word for word in words if word)]
        self._asked: dict[tuple[str, int], Interpreter | None] = {}
        self._found: dict[PythonVersion, Interpreter | None] = {}
        self._locks: dict[PythonVersion, asyncio.Lock] = {}

    async def find(self, version: PythonVersion) -> Interpreter | None:
        """Return an interpreter of exactly that implementation, major and minor."""
        if version == PythonVersion.own():
            return _own()
        if (version.major, version.minor) < _OLDEST:
            return None
        lock = self._locks.setdefault(version, asyncio.Lock())
        async with lock:
            found = self._found.get(version)
            if found is None or not Path(found.path).exists():
                found = await asyncio.to_thread(self._look, version)
                self._found[version] = found
        return found

    @property
    def known(self) -> list[str]:
        """Versions that are known to be here, such as ``"3.11"``."""
        versions = {PythonVersion.own()}
        versions |= {version for version, found in self._found.items() if found}
        return [
            f"{each.major}.{each.minor}"
            for each in sorted(versions, key=lambda v: (v.major, v.minor))
            if each.implementation == PythonVersion.own().implementation
        ]

    def _look(self, version: PythonVersion) -> Interpreter | None:
        for path in self._candidates(version):
            found = self._ask(path)
            if found is not None and found.version == version:
                return found
        return None

    def _candidates(self, version: PythonVersion) -> Iterator[str]:
        yield from self._named
        name = f"{version.major}.{version.minor}"
        word = "pypy" if version.implementation == "PyPy" else "python"
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = shutil.which(f"{word}{name}", path=folder) if folder else None
            if path is not None:
                yield path
        root = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
        prefix = f"pypy{name}" if word == "pypy" else name
        versions = Path(root, "versions").glob(f"{prefix}[.-]*/bin/python")
        yield from (str(path) for path in sorted(versions, reverse=True))

    def _ask(self, path: str) -> Interpreter | None:
        try:
            changed = Path(path).stat().st_mtime_ns
        except OSError:
            return None
        key = (path, changed)
        if key not in self._asked:
            self._asked[key] = _probe(path)
        return self._asked[key]


@functools.cache  # each request asks, and reading a version takes most of its time
def _own() -> Interpreter:
    from importlib.metadata import version

    return Interpreter(sys.executable, PythonVersion.own(), version("dill"))


def _probe(path: str) -> Interpreter | None:
    """Return what an interpreter says of itself; ``None`` if it is no worker."""
    try:
        said = subprocess.run(
            [path, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_SECONDS,
            check=True,
        ).stdout
        implementation, major, minor, dill = json.loads(said)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(path, PythonVersion(implementation, major, minor), str(dill))
