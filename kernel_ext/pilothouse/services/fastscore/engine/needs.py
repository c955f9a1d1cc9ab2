"""What a Python model imports, and what it cannot start without."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass

from pilothouse.fastscore.runtime.sources import parse_source

__all__ = ["Needs", "needs_of"]


@dataclass(frozen=True, slots=True)
class Needs:
    """The imports of a model.

    Attributes:
        imports: Every module that it imports anywhere, as it is written; also of the
            standard library, which a policy may prohibit.
        libraries: Top-level names of what is imported as soon as the model is loaded;
            imports inside of ``try``, ``if`` and functions are left out, and so is
            the standard library.
        changes_path: Whether the model mentions a ``path``: it may bring libraries.
    """

    imports: frozenset[str]
    libraries: frozenset[str]
    changes_path: bool


def needs_of(source: str) -> Needs:
    """Return what a model needs.

    Raises:
        ModelSourceError: If the source is no Python.
    """
    tree = parse_source(source)
    imports = {name for node in ast.walk(tree) for name in _imported(node)}
    found = {name.partition(".")[0] for node in tree.body for name in _imported(node)}
    changes_path = any(
        isinstance(node, ast.Attribute) and node.attr == "path"
        for node in ast.walk(tree)
    )
    return Needs(
        imports=frozenset(
            name for name in imports if name.partition(".")[0] != "fastscore"
        ),
        libraries=frozenset(found - sys.stdlib_module_names),
        changes_path=changes_path,
    )


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []
