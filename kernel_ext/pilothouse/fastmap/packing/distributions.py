"""Which installed distribution a module belongs to, and its version.

It reads the metadata of installed packages. The whole table takes a while to make, so a
distribution that has the module's own name is looked at first.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata

__all__ = ["requirements_of"]


def requirements_of(tops: set[str]) -> dict[str, str]:
    """Return version by distribution for top-level modules, in order of names.

    Args:
        tops: Names such as ``"sklearn"``; what belongs to none is left out.
    """
    found = {}
    for top in tops:
        for name, version in _distributions(top):
            found[name] = version
    return dict(sorted(found.items()))


@lru_cache(maxsize=4096)
def _distributions(top: str) -> tuple[tuple[str, str], ...]:
    try:
        one = metadata.distribution(top)
    except (metadata.PackageNotFoundError, ValueError):
        return tuple((name, metadata.version(name)) for name in _table().get(top, ()))
    if _holds(one, top):
        return ((one.metadata["Name"], one.version),)
    return tuple((name, metadata.version(name)) for name in _table().get(top, ()))


def _holds(one: metadata.Distribution, top: str) -> bool:
    listed = one.read_text("top_level.txt")
    if listed is not None:
        return top in listed.split()
    record = one.read_text("RECORD") or ""
    return (
        record.startswith(f"{top}/") or f"\n{top}/" in record or f"{top}.py" in record
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, list[str]]:
    return {top: sorted(set(n)) for top, n in metadata.packages_distributions().items()}
