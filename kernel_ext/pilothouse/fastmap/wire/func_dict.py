"""The function dictionary: what travels of a function.

    blob            = gzip( msgpack( {
        func            bin    ; dill of the callable
        local_sources   map    ; module name -> source text
        installed_mods  array  ; module names
        requirements    map    ; package -> version (the real client)
                        / array of "package==version" (seed)
    } ) )
    func_hash       = first 16 lower-hex digits of SHA-256( blob )   ; real clients
                    / first 16 lower-hex digits of SHA-256( func )   ; seed

Nothing is unpickled here. Source: seed; contract §2.5, §3.1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from .gz import bounded_gunzip, gzip
from .limits import FUNCTION_BYTES
from .packed import Fields, unpack_map
from .packed import pack as pack_map

__all__ = ["FunctionDict", "hash_of_blob", "hash_of_func", "pack", "unpack"]


_CONTAINERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDict:
    """A function with what it needs.

    Attributes:
        func: dill of the callable.
        local_sources: Source text of each local module, by its name.
        installed_mods: Modules that the far side has to have.
        requirements: Version by package.
    """

    func: bytes = field(repr=False)
    local_sources: dict[str, str] = field(default_factory=dict, repr=False)
    installed_mods: tuple[str, ...] = ()
    requirements: dict[str, str] = field(default_factory=dict)


def pack(function: FunctionDict, level: int = 1) -> bytes:
    """Return the blob; the same function gives the same bytes."""
    body = {
        "func": function.func,
        "local_sources": function.local_sources,
        "installed_mods": list(function.installed_mods),
        "requirements": function.requirements,
    }
    return gzip(pack_map(body), level)


def unpack(blob: bytes, limit: int = FUNCTION_BYTES) -> FunctionDict:
    """Return what a blob holds; its ``func`` stays opaque.

    Args:
        blob: All parts, joined.
        limit: Most bytes that it may open to.

    Raises:
        ProtocolError: If it is no function dictionary.
    """
    fields = unpack_map(
        bounded_gunzip(blob, limit), "function dictionary", containers=_CONTAINERS
    )
    func = fields.get("func", bytes)
    if not func:
        fields.refuse("has an empty 'func'")
    return FunctionDict(
        func=func,
        local_sources=fields.text_map("local_sources"),
        installed_mods=fields.texts("installed_mods"),
        requirements=_requirements(fields),
    )


def _requirements(fields: Fields) -> dict[str, str]:
    if not fields.is_a("requirements", list):
        return fields.text_map("requirements")
    found = {}
    for line in fields.texts("requirements"):
        package, _, version = line.partition("==")
        found[package.strip()] = version.strip()
    return found


def hash_of_blob(blob: bytes) -> str:
    """Return the hash as the real clients make it."""
    return hashlib.sha256(blob).hexdigest()[:16]


def hash_of_func(func: bytes) -> str:
    """Return the hash as the document makes it."""
    return hashlib.sha256(func).hexdigest()[:16]
