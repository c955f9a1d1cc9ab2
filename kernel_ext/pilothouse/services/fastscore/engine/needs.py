"""What a Python model cannot start without."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass

from pilothouse.fastscore.runtime.sources import parse_source

__all__ = ["Needs", "needs_of"]


@dataclass(frozen=True, slots=True)
class Needs:
    """Libraries that are imported as soon as the model is loaded.

    Attributes:
        libraries: Their top-level names; imports inside of ``try``, ``if`` and
            functions are left out, and so is the standard library.
        changes_path: Whether the model mentions a ``path``: it may bring libraries.
    """

    libraries: frozenset[str]
    changes_path: bool


def needs_of(source: str) -> Needs:
    """Return what a model needs.

    Raises:
        ModelSourceError: If the source is no Python.
    """
    tree = parse_source(source)
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    changes_path = any(
        isinstance(node, ast.Attribute) and node.attr == "path"
        for node in ast.walk(tree)
    )
    return Needs(frozenset(found - sys.stdlib_module_names), changes_path)
