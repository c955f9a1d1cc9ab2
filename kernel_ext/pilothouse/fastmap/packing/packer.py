"""The function dictionary of one function.

`func` is the pickle of ``carried(function, digest, lines)``: reading it gives the
function alone, and its SHA-256 is literally the hash of the document. The digest covers
sources, requirements and the Python version, so that a function that is pickled by its
name has another hash once its module was edited (contract §3.4).
"""

from __future__ import annotations

import hashlib
import linecache
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import metadata
from typing import Any, Self

from pilothouse.fastmap.errors import FastmapUsageError, PackingError
from pilothouse.fastmap.shared import NAME, SOURCE, sharing
from pilothouse.fastmap.wire import func_dict
from pilothouse.fastmap.wire.func_dict import FunctionDict
from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.wire.limits import PART_BYTES

from .discovery import Found, find, kind_of, module_of
from .discovery import Kind as ModuleKind
from .distributions import requirements_of

__all__ = ["Packed", "Packer", "Preview", "name_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be sent of a function.

    Attributes:
        name: The function's.
        func_hash: What the service keeps it under.
        func_bytes: Length of its pickle.
        blob_bytes: Length of all, compressed.
        local_sources: Characters of each local module.
        installed_mods: Modules that the far side imports first.
        requirements: Version by package.
        unsendable: Local modules without a source; the far side has to have them.
        lines: Source lines that go along for tracebacks, by file.
    """

    name: str
    func_hash: str
    func_bytes: int
    blob_bytes: int
    local_sources: Mapping[str, int]
    installed_mods: Sequence[str]
    requirements: Mapping[str, str]
    unsendable: Sequence[str]
    lines: Mapping[str, int]

    def rows(self) -> list[tuple[str, str]]:
        """Return what there is to show, a name and a text each."""
        sources = [f"{name} ({size:,})" for name, size in self.local_sources.items()]
        versions = [f"{name}=={each}" for name, each in self.requirements.items()]
        lines = [f"{count} of {name}" for name, count in self.lines.items()]
        return [
            ("function", f"{self.name}, {self.func_bytes:,} bytes"),
            ("hash", self.func_hash),
            ("local sources", ", ".join(sources) or "none"),
            ("imports", ", ".join(self.installed_mods) or "none"),
            ("requirements", ", ".join(versions) or "none"),
            ("lines for tracebacks", ", ".join(lines) or "none"),
            ("cannot be sent", ", ".join(self.unsendable) or "none"),
            ("in all", f"{self.blob_bytes:,} bytes, compressed"),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self.rows())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in self.rows()
        )
        return f"<table>{rows}</table>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A function, ready to be sent.

    Attributes:
        name: The function's.
        func_hash: First 16 digits of the SHA-256 of ``function.func``.
        function: The function dictionary.
        blob: It, compressed.
        preview: What is in it.
    """

    name: str
    func_hash: str
    function: FunctionDict = field(repr=False)
    blob: bytes = field(repr=False)
    preview: Preview = field(repr=False)

    @classmethod
    def named(cls, name: str, func_hash: str) -> Self:
        """Return what stands for a function that is at the service already."""
        return cls(
            name=name,
            func_hash=func_hash,
            function=FunctionDict(func=b""),
            blob=b"",
            preview=Preview(
                name=name,
                func_hash=func_hash,
                func_bytes=0,
                blob_bytes=0,
                local_sources={},
                installed_mods=(),
                requirements={},
                unsendable=(),
                lines={},
            ),
        )

    def parts(self) -> list[bytes]:
        """Return the blob in parts that each fit into a request."""
        return [
            self.blob[start : start + PART_BYTES]
            for start in range(0, len(self.blob), PART_BYTES)
        ]


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function, also of a partial one or a callable object."""
    while hasattr(function, "func"):
        function = function.func
    name = getattr(function, "__name__", "")
    return str(name or type(function).__name__)


class Packer:
    """Packs one function, and the batches that go with it.

    Args:
        function: Any callable of one argument.
        requirements: Instead of what is found.
        local_modules: More modules to send.
        exclude: Modules not to send.

    Raises:
        FastmapUsageError: If it cannot be called.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        requirements: Mapping[str, str] | None = None,
        local_modules: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        if not callable(function):
            raise FastmapUsageError(f"{function!r} cannot be called")
        self.name = name_of(function)
        self._function = function
        self._requirements = requirements
        self._local_modules = local_modules
        self._exclude = exclude
        self._writer = sharing.Writer(self._see)
        self._modules: set[str] = set()
        self._codes: set[types.CodeType] = set()
        self._found = Found()
        self._named: set[str] = set()

    def pack(self) -> Packed:
        """Return the function with all it needs, also what batches have shown.

        Raises:
            PackingError: If it cannot be pickled.
        """
        late = _Carried(self)
        try:
            func = self._writer.thorough(late)
        except PackingError:
            raise
        except Exception as exc:
            raise PackingError(
                f"the function {self.name!r} could not be pickled: {_short(exc)}",
                hint="what it refers to has to be data, functions and classes; open "
                "files, connections and locks it should make itself",
            ) from exc
        lines = {name: text.count("\n") + 1 for name, text in late.lines.items()}
        sources = {**self._found.sources, NAME: _sharing_source()}
        function = FunctionDict(
            func=func,
            local_sources=sources,
            installed_mods=tuple(sorted(self._installed())),
            requirements=self._all_requirements(),
        )
        blob = func_dict.pack(function)
        func_hash = func_dict.hash_of_func(func)
        preview = Preview(
            name=self.name,
            func_hash=func_hash,
            func_bytes=len(func),
            blob_bytes=len(blob),
            local_sources={name: len(text) for name, text in sources.items()},
            installed_mods=function.installed_mods,
            requirements=function.requirements,
            unsendable=self._found.unsendable,
            lines=lines,
        )
        return Packed(
            name=self.name,
            func_hash=func_hash,
            function=function,
            blob=blob,
            preview=preview,
        )

    def dumps(self, items: Any) -> bytes:  # noqa: ANN401
        """Return the pickle of a batch.

        Raises:
            Exception: Of any kind, if it cannot be pickled.
        """
        return self._writer.dumps(items)

    def has_news(self) -> bool:
        """Tell whether batches since `pack` need local modules that did not go along.

        Then `pack` again, and send that.
        """
        if self._modules <= self._named:
            return False
        self._named |= self._modules
        return self._find().sources.keys() != self._found.sources.keys()

    def discover(self) -> str:
        """Look for what the function needs, and return the digest of it."""
        self._named = set(self._modules)
        self._found = self._find()
        told = (
            sorted(self._found.sources.items()),
            sorted(self._all_requirements().items()),
            str(PythonVersion.own()),
            _sharing_source(),
        )
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def lines(self) -> dict[str, str]:
        """Return the source lines of functions that travel by value, by file.

        Lines between them are left empty, so that numbers hold.
        """
        wanted: dict[str, set[int]] = {}
        for code in self._codes:
            numbers = [line for _, _, line in code.co_lines() if line]
            if numbers:
                spanned = range(min(numbers), max(numbers) + 1)
                wanted.setdefault(code.co_filename, set()).update(spanned)
        found = {}
        for name, numbers_ in sorted(wanted.items()):
            lines = linecache.getlines(name)
            if lines:
                kept = [
                    line.rstrip("\n") if number in numbers_ else ""
                    for number, line in enumerate(lines[: max(numbers_)], start=1)
                ]
                found[name] = "\n".join(kept)
        return found

    def _find(self) -> Found:
        return find(self._modules, more=self._local_modules, exclude=self._exclude)

    def _installed(self) -> set[str]:
        return {
            name
            for name in self._modules
            if kind_of(name.partition(".")[0]) is ModuleKind.INSTALLED
            and name.partition(".")[0] not in (NAME, "dill")
            and name not in self._exclude
        }

    def _all_requirements(self) -> dict[str, str]:
        if self._requirements is not None:
            return dict(self._requirements)
        found = requirements_of(set(self._found.installed) - {"pilothouse", NAME})
        return {"dill": metadata.version("dill"), **found}

    def _see(self, thing: Any) -> None:  # noqa: ANN401
        if isinstance(thing, types.CodeType):
            self._codes.add(thing)
        self._modules.update(module_of(thing))


class _Carried:
    """Pickles as ``carried(function, digest, lines)``, in that order.

    The digest is asked for when the function has been walked through already.
    """

    def __init__(self, packer: Packer) -> None:
        self.packer = packer
        self.lines: dict[str, str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return sharing.carried, (self.packer._function, _Digest(self), _Lines(self))


class _Digest:
    def __init__(self, carried: _Carried) -> None:
        self._carried = carried

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (self._carried.packer.discover(),)


class _Lines:
    def __init__(self, carried: _Carried) -> None:
        self._carried = carried

    def __reduce__(self) -> tuple[Any, ...]:
        self._carried.lines = self._carried.packer.lines()
        return dict, (self._carried.lines,)


def _sharing_source() -> str:
    if NAME not in _SOURCES:
        _SOURCES[NAME] = SOURCE.read_text(encoding="utf-8")
    return _SOURCES[NAME]


_SOURCES: dict[str, str] = {}


def _short(exc: BaseException) -> str:
    text = str(exc) or repr(exc)
    return text if len(text) < 500 else f"{text[:500]} ..."
