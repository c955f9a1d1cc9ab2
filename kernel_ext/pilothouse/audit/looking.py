"""Audits files: what stands in them that should not be known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pilothouse.errors import PilothouseError

from . import _rules
from ._assignments import Match
from ._pages import Page, Place
from ._stream import Path as JSONPath
from .known import Known
from .notebook import UnreadableError, read

__all__ = ["Finding", "Looked", "audit", "notebooks"]

_MOST: Final = 500
_SHOWN: Final = 3
_LONGEST_KEY: Final = 60
_SKIPPED: Final = {".git", ".venv", "node_modules", "__pycache__", ".tox"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a notebook; it holds the beginning of it at most.

    Attributes:
        kind: What it is, for people.
        path: Where it is in the file: ``cells[2].source``.
        cell: The number of its cell, from 1; ``None`` outside of cells.
        output: The number of the cell's output, from 1; ``None`` outside of outputs.
        line: Its line in a text of several, from 1.
        shown: How it begins, and its length.
        remedy: What to do.
    """

    kind: str
    path: str
    cell: int | None
    output: int | None
    line: int
    shown: str
    remedy: str


@dataclass(slots=True)
class Looked:
    """One file that was looked at.

    Attributes:
        file: The file.
        findings: What was found, in the order of the file.
        more: How many more there are than are listed.
        error: Why it could not be read to its end, or ``None``.
    """

    file: Path
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    error: PilothouseError | None = None


def audit(paths: Iterable[Path], known: Known | None = None) -> Iterator[Looked]:
    """Yield one result for each notebook, as soon as it was looked at.

    Args:
        paths: Files, and folders that are looked through for notebooks.
        known: Secrets to recognise; those of this machine by default.
    """
    known = Known.of_this_machine() if known is None else known
    for path in paths:
        found = list(notebooks(path)) if path.is_dir() else [path]
        for each in found:
            yield _look_at(each, known)


def notebooks(folder: Path) -> Iterator[Path]:
    """Yield the notebooks in a folder and below it, checkpoints included."""
    for path in sorted(folder.rglob("*.ipynb")):
        if path.is_file() and not _SKIPPED.intersection(path.relative_to(folder).parts):
            yield path


def _look_at(path: Path, known: Known) -> Looked:
    looked = Looked(path)
    seen: set[bytes] = set()
    try:
        with path.open("rb") as file:
            for place, match in _matches(read(file.read), known):
                _take(looked, seen, place, match, known)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        looked.error = UnreadableError(f"cannot be read: {reason}")
    except PilothouseError as exc:
        looked.error = exc
    return looked


def _matches(
    parts: Iterable[Page | tuple[Place, Match]], known: Known
) -> Iterator[tuple[Place, Match]]:
    for part in parts:
        if isinstance(part, Page):
            for match in _rules.look(part, known):
                yield part.place(match.start), match
        else:
            yield part


def _take(
    looked: Looked, seen: set[bytes], place: Place, match: Match, known: Known
) -> None:
    """Add a finding, unless the same secret was told at the same line."""
    key = repr((place.path, place.line, match.value)).encode("utf-8", "replace")
    digest = hashlib.blake2b(key, digest_size=16).digest()
    if digest in seen:
        return
    if len(looked.findings) >= _MOST:
        looked.more += 1
        return
    seen.add(digest)
    path = place.path
    looked.findings.append(
        Finding(
            kind=match.kind,
            path=_written(path, known),
            cell=_number(path, "cells", 0),
            output=_number(path, "outputs", 2),
            line=place.line,
            shown=_redacted(match.value),
            remedy=_rules.remedy(match, path),
        )
    )


def _redacted(value: str) -> str:
    """Return how a secret begins, less of a short one, and its length."""
    shown = value[: min(_SHOWN, len(value) // 4)]
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    return f"{shown}… ({len(value)} characters)"


def _number(path: JSONPath, key: str, at: int) -> int | None:
    found = path[at + 1 : at + 2]
    if path[at : at + 1] == (key,) and found and isinstance(found[0], int):
        return found[0] + 1
    return None


def _written(path: JSONPath, known: Known) -> str:
    """Return a path as people write it; a key that holds a secret is blotted out."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(_rules.plainly(part, known)):
            text += "['***']"
        elif part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f"[{part[:_LONGEST_KEY]!r}]"
    return text
