"""What the notebooks use comes with the extra that `make demo` and Binder install."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OURS = {"pilothouse", "pilothouse_widgets", "fastscore", "aimm"}
"""Of this package; engines and servers give the last two to the cells that they run."""

OPTIONS = {"--dask": "distributed"}
"""Words of a magic that need a library of their own."""


def demo() -> set[str]:
    """Return the distributions that the extra brings, with all that they need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    left = [Requirement(line) for line in project["project"]["dependencies"]]
    left.append(Requirement("pilothouse[demo]"))
    found: set[tuple[str, str]] = set()
    while left:
        needed = left.pop()
        name = canonicalize_name(needed.name)
        for extra in ("", *needed.extras):
            if (name, extra) in found:
                continue
            found.add((name, extra))
            if name == "pilothouse":
                left += map(Requirement, extras.get(extra, ()))
                continue
            try:
                lines = map(Requirement, requires(name) or ())
            except PackageNotFoundError:
                continue  # of another platform
            wanted = {"extra": extra}
            left += [r for r in lines if not r.marker or r.marker.evaluate(wanted)]
    return {name for name, _ in found}


def used(path: Path) -> set[str]:
    """Return the modules that a notebook imports, and what its options need."""
    found = set()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        found |= {needs for word, needs in OPTIONS.items() if word in cell.source}
        for line in re.findall(r"^\s*((?:import|from) .+)$", cell.source, re.MULTILINE):
            (node,) = ast.parse(line.strip()).body
            if isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
    return found - set(sys.stdlib_module_names) - OURS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_demo_brings_what_a_notebook_uses(path):
    brought = demo()
    homes = packages_distributions()

    for module in used(path):
        distributions = {canonicalize_name(name) for name in homes[module]}
        assert distributions & brought, f"{module} is not in pilothouse[demo]"
