"""The house keeps its own rules: arrows, public names, README."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from pilothouse import errors
from pilothouse.magics import MAGICS

ROOT = Path(__file__).parents[1]
SOURCES = {
    "pilothouse": ROOT / "kernel_ext" / "pilothouse",
    "pilothouse_widgets": ROOT / "widgets" / "pilothouse_widgets",
}

BASE = (
    "pilothouse.errors",
    "pilothouse.nearest",
    "pilothouse.profiles",
    "pilothouse.secrets",
    "pilothouse.settings",
    "pilothouse.waits",
)
WIRE = "pilothouse.fastscore.wire"
RUNTIME = "pilothouse.fastscore.runtime"
FASTMAP = ("pilothouse.fastmap.wire", "pilothouse.fastmap.worker")
MPLANE = ("pilothouse.mplane",)
AIMM = (
    "pilothouse.aimm.extensions",
    "pilothouse.aimm.json_text",
    "pilothouse.aimm.juggler",
    "pilothouse.aimm.plugins",
    "pilothouse.aimm.values",
)
CLIENTS = (
    "pilothouse.aimm",
    "pilothouse.fastmap",
    "pilothouse.fastscore",
    "pilothouse.mplane",
)

ARROWS: dict[str, tuple[str, ...]] = {
    # the nearest prefix of a module decides what it may import of the house
    "pilothouse": ("pilothouse.magics", "pilothouse.services"),
    "pilothouse.__main__": ("pilothouse.cli",),
    "pilothouse.errors": (),
    "pilothouse.nearest": (),
    "pilothouse.profiles": (
        "pilothouse.errors",
        "pilothouse.nearest",
        "pilothouse.secrets",
    ),
    "pilothouse.settings": (
        "pilothouse.errors",
        "pilothouse.nearest",
        "pilothouse.profiles",
    ),
    "pilothouse.secrets": ("pilothouse.errors",),
    "pilothouse.waits": (),
    "pilothouse.transport": (*BASE, "pilothouse.transport"),
    "pilothouse.fastscore": (*BASE, "pilothouse.transport", "pilothouse.fastscore"),
    WIRE: ("pilothouse.errors", WIRE),
    RUNTIME: ("pilothouse.errors", WIRE, RUNTIME),
    "pilothouse.fastmap": (*BASE, "pilothouse.transport", "pilothouse.fastmap"),
    "pilothouse.fastmap.wire": ("pilothouse.errors", "pilothouse.fastmap.wire"),
    "pilothouse.fastmap.worker": ("pilothouse.errors", *FASTMAP),
    "pilothouse.aimm": (*BASE, "pilothouse.transport", "pilothouse.aimm"),
    "pilothouse.aimm.juggler": (
        "pilothouse.errors",
        "pilothouse.aimm.json_text",
        "pilothouse.aimm.juggler",
    ),
    "pilothouse.aimm.plugins": ("pilothouse.errors", "pilothouse.aimm.plugins"),
    "pilothouse.aimm.values": (
        "pilothouse.errors",
        "pilothouse.aimm.json_text",
        "pilothouse.aimm.values",
    ),
    "pilothouse.mplane": (*BASE, "pilothouse.transport", "pilothouse.mplane"),
    "pilothouse.mplane.model": ("pilothouse.errors", "pilothouse.mplane.model"),
    "pilothouse.jobs": ("pilothouse.errors",),
    "pilothouse.flow": ("pilothouse.errors", "pilothouse.flow", "pilothouse.waits"),
    "pilothouse.audit": (
        *BASE,
        "pilothouse.services.runtime_files",
        "pilothouse.audit",
    ),
    "pilothouse.services": (
        "pilothouse.errors",
        WIRE,
        RUNTIME,
        *AIMM,
        *FASTMAP,
        *MPLANE,
        "pilothouse.services",
    ),
    "pilothouse.cli": (*BASE, "pilothouse.services", "pilothouse.audit"),
    "pilothouse.magics": (
        *BASE,
        "pilothouse.transport",
        *CLIENTS,
        "pilothouse.audit",
        "pilothouse.flow",
        "pilothouse.jobs",
        "pilothouse_widgets",
        "pilothouse.services",
        "pilothouse.magics",
    ),
    "pilothouse_widgets": (
        *BASE,
        "pilothouse.transport",
        *CLIENTS,
        "pilothouse.flow",
        "pilothouse_widgets",
    ),
}
"""What each part may import; `import pilothouse` itself (its version) is free."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "requests": ("pilothouse.transport.http",),
    "websocket": ("pilothouse.transport.websocket",),
    "keyring": ("pilothouse.secrets",),
    "aiohttp": ("pilothouse.services",),
    "sqlalchemy": ("pilothouse.services",),
    "distributed": ("pilothouse.services",),
    "tornado": ("pilothouse.mplane", "pilothouse.services"),
    "IPython": ("pilothouse.magics", "pilothouse_widgets", "pilothouse"),
    "ipywidgets": ("pilothouse_widgets",),
    "anywidget": ("pilothouse_widgets",),
    "nest_asyncio": (),
}
"""Libraries that only these modules (or folders) may import."""

GLOBAL_NUMPY = "numpy.random"


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if parts[-2:-1] == ("examples",):
                continue  # plugins, loaded by their path in a server's processes
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def absolute(name: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = modules()[name].name == "__init__.py"
    parts = name.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def imports(name: str) -> set[str]:
    """Every module that a module imports, at any depth of its code."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(name, node)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in modules() else base)
    return found


def nearest(name: str, table) -> str:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in table:
            return prefix
    raise LookupError(name)


def within(name: str, prefixes) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in prefixes)


def is_ours(name: str) -> bool:
    return within(name, SOURCES)


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_follow_the_arrows(name):
    allowed = ARROWS[nearest(name, ARROWS)]
    crossed = {
        target
        for target in imports(name)
        if is_ours(target) and target != "pilothouse" and not within(target, allowed)
    }

    assert not crossed, f"{name} may not import {sorted(crossed)}"


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_library_is_imported_only_where_it_belongs(name):
    for target in imports(name):
        library = target.partition(".")[0]
        if library in ONLY_IN:
            exact = name in ONLY_IN[library]
            inside = within(name, [p for p in ONLY_IN[library] if p != "pilothouse"])
            assert exact or inside, f"{name} may not import {library}"


def global_draws(name: str) -> set[str]:
    """What a module takes from the generators that a user may have seeded."""
    own = {"Random", "SystemRandom", "default_rng", "Generator"}
    generators = {"random", "np.random", GLOBAL_NUMPY}
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and node.module in generators:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            whose = ast.unparse(node.value)
            found |= {node.attr} if whose in generators else set()
    return found - own


@pytest.mark.parametrize("name", sorted(modules()))
def test_chance_is_drawn_from_a_generator_of_our_own(name):
    """Who seeds `random` draws the same numbers, whatever our threads do meanwhile."""
    assert not global_draws(name)


@pytest.mark.parametrize("name", sorted(modules()))
def test_between_folders_names_are_whole_and_inside_a_folder_a_dot(name):
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and node.level > 1:
            pytest.fail(f"{name} line {node.lineno} climbs out of its folder")


def public(name: str) -> set[str]:
    return {
        node.name
        for node in tree(name).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and node.name not in {"load_ipython_extension", "unload_ipython_extension"}
    }


@pytest.mark.parametrize(
    "name", [name for name in sorted(modules()) if not name.endswith("__main__")]
)
def test_all_public_names_are_named(name):
    module = importlib.import_module(name)
    if not hasattr(module, "__all__"):
        is_folder = modules()[name].name == "__init__.py"
        assert not (is_folder and public(name)), f"{name} has no __all__"
        return

    assert not public(name) - set(module.__all__), f"__all__ of {name} lacks them"
    for each in module.__all__:
        assert hasattr(module, each), f"{name} has no {each}"


@pytest.mark.parametrize("name", sorted(modules()))
def test_every_module_says_what_it_is(name):
    assert ast.get_docstring(tree(name)), f"{name} has no docstring"


@pytest.mark.parametrize("package", sorted(SOURCES))
def test_types_are_shipped(package):
    assert (SOURCES[package] / "py.typed").is_file()


@cache
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(MAGICS))
def test_every_magic_is_in_the_readme_with_an_example(name):
    declared = MAGICS[name]
    mark = "%%" if declared.kind == "line_cell" else "%"

    assert re.search(rf"(?<!%){mark}{name}\b", readme()), f"README lacks {mark}{name}"


@pytest.mark.parametrize("name", sorted(MAGICS))
def test_every_subcommand_is_in_the_readme(name):
    module, _, owner = MAGICS[name].spec.partition(":")
    command = getattr(importlib.import_module(module), owner).commands[name]

    for word in command.subcommands:
        assert re.search(rf"\b{word}\b", readme()), f"README lacks %{name} {word}"


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_readme(name):
    assert re.search(rf"\b{name}\b", readme()), f"README lacks {name}"


def test_every_error_hangs_in_the_one_tree():
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.PilothouseError)
        assert name in (errors.__doc__ or "")
