"""Registries: which elements there are. The core registry is shipped with the package.

Source: mPlane protocol specification, "Element registry"; contract §2.5.

A registry is a JSON object: ``registry-format`` "mplane-0", ``registry-uri``,
``registry-revision``, ``includes`` (URIs, depth first; a later definition replaces an
earlier one of the same name) and ``elements`` (``name``, ``prim``, ``desc``, perhaps
``units``). This module reads files, and fetches by HTTP what `allow_place` allows.

A URI that stands in a message loads nothing but registries that are shipped, preloaded
or in an allowed place: no peer makes this process fetch an address or open a file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import orjson

from .elements import CORE_URI, Element
from .errors import MessageError, UnknownElementError
from .primitives import PRIMITIVES
from .units import unit_named

__all__ = [
    "Registry",
    "allow_place",
    "base_registry",
    "element",
    "forget_registries",
    "initialize_registry",
    "loaded_registries",
    "preload_registry",
    "registry_for_uri",
]

_SHIPPED: Final = Path(__file__).parent / "registries"
_CORE_FILE: Final = _SHIPPED / "core.json"
_FORMAT: Final = "mplane-0"
_LARGEST_BYTES: Final = 4 * 2**20
_FETCH_TIMEOUT_S: Final = 10.0
_HINT: Final = "preload_registry(file), or allow_place(folder or URL prefix)"


class Registry:
    """A collection of named elements, with the URI that is their namespace.

    Args:
        uri: The core registry's or a loaded one's URI, a path or ``file:`` URL, or an
            address in an allowed place. The core registry when nothing is given.
        filename: A local file, instead.
        noparse: With a URI: an empty registry of that name.

    Raises:
        ValueError: If there is no such registry there; ``Invalid Registry uri: ...``.
    """

    def __init__(
        self, uri: str | None = None, filename: str | None = None, noparse: bool = False
    ) -> None:
        self._uri = uri or CORE_URI
        self._revision = 0
        self._elements: dict[str, Element] = {}
        self._known: dict[Any, Any] = {}  # sets of columns read before, by `reading`
        if noparse:
            return
        try:
            if filename is not None:
                self._load(_read_file(Path(filename)), ())
            else:
                self._load(_read_place(self._uri), ())
        except (OSError, ValueError, RecursionError) as exc:
            where = filename if filename is not None else uri
            raise MessageError(f"Invalid Registry uri: {where} ({exc})") from exc

    @classmethod
    def _included(cls, uri: str, chain: tuple[str, ...]) -> Registry:
        if (loaded := _loaded.get(uri)) is not None:
            return loaded
        made = cls(uri, noparse=True)
        made._load(_read_allowed(uri), chain)
        return made

    def _load(self, text: bytes, chain: tuple[str, ...]) -> None:
        data = orjson.loads(text)
        if not isinstance(data, dict) or data.get("registry-format") != _FORMAT:
            raise ValueError(f"it is no registry of format {_FORMAT}")
        uri, revision = data.get("registry-uri"), data.get("registry-revision", 0)
        if not isinstance(uri, str) or not uri:
            raise ValueError(f"registry-uri is {uri!r}")
        if not isinstance(revision, int):
            raise ValueError(f"registry-revision is {revision!r}")  # noqa: TRY004
        if uri in chain:
            raise ValueError(f"it includes itself: {' -> '.join((*chain, uri))}")
        self._uri, self._revision = uri, revision
        for included in _list(data, "includes"):
            if included in (*chain, uri):
                loop = " -> ".join((*chain, uri, included))
                raise ValueError(f"it includes itself: {loop}")
            self._elements |= Registry._included(included, (*chain, uri))._elements
        for definition in _list(data, "elements"):
            made = _element_from(definition, uri)
            self._elements[made.name()] = made

    def __len__(self) -> int:
        return len(self._elements)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> Element | None:
        return self._elements.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._elements

    def __iter__(self) -> Iterator[str]:
        return iter(self._elements)

    def __repr__(self) -> str:
        return f"<Registry {self._uri} with {len(self._elements)} elements>"

    def uri(self) -> str:
        """Return the URI by which this registry is known."""
        return self._uri

    def revision(self) -> int:
        """Return the revision of this registry."""
        return self._revision

    def find(self, name: str) -> Element:
        """Return the element of that name: from here, else from any loaded registry.

        Raises:
            UnknownElementError: If none has it (a `KeyError`).
        """
        found = self._elements.get(name)
        return found if found is not None else element(name)


def _list(data: dict[str, Any], key: str) -> list[Any]:
    found = data.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{key} is no list")  # noqa: TRY004 - read from a file
    return found


def _element_from(definition: object, uri: str) -> Element:
    if not isinstance(definition, dict):
        raise ValueError(f"{definition!r} defines no element")  # noqa: TRY004
    name, prim = definition.get("name"), definition.get("prim")
    desc, unit = definition.get("desc"), definition.get("units")
    if not isinstance(name, str) or not name:
        raise ValueError(f"an element has the name {name!r}")
    if not isinstance(prim, str) or prim not in PRIMITIVES:
        raise ValueError(f"element {name} has the unknown type {prim!r}")
    if desc is not None and not isinstance(desc, str):
        raise ValueError(f"element {name} has a description that is no text")
    return Element(name, PRIMITIVES[prim], desc, uri, _unit(unit))


def _unit(unit: object) -> str | None:
    return unit_named(unit) if isinstance(unit, str) and unit else None


_lock = threading.RLock()
_loaded: dict[str, Registry] = {}
_places: list[str] = []
_base: Registry | None = None


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        text = file.read(_LARGEST_BYTES + 1)
    if len(text) > _LARGEST_BYTES:
        raise ValueError(f"it is larger than {_LARGEST_BYTES} bytes")
    return text


def _read_place(uri: str) -> bytes:
    """Read a registry that the program (no message) names."""
    scheme = urlsplit(uri).scheme
    if scheme == "file":
        return _read_file(Path(unquote(urlsplit(uri).path)))
    return _read_file(Path(uri)) if not scheme else _read_allowed(uri)


def _read_allowed(uri: object) -> bytes:
    """Read a registry that a message or a file names."""
    if uri == CORE_URI:
        return _CORE_FILE.read_bytes()
    if isinstance(uri, str) and (shipped := _shipped().get(uri)) is not None:
        return shipped.read_bytes()
    for place in _places:
        if urlsplit(place).scheme in ("http", "https"):
            if isinstance(uri, str) and uri.startswith(place):
                return _fetch(uri)
        elif (text := _find_in(Path(place), uri)) is not None:
            return text
    raise ValueError(f"registry {uri!r} is not loaded, and not allowed: {_HINT}")


@cache
def _shipped() -> dict[str, Path]:
    """The files of this package, by the URI inside."""
    files = sorted(_SHIPPED.glob("*.json"))
    return {orjson.loads(each.read_bytes())["registry-uri"]: each for each in files}


def _find_in(place: Path, uri: object) -> bytes | None:
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    for path in files:
        try:
            text = _read_file(path)
            data = orjson.loads(text)
        except (OSError, ValueError):
            continue
        if isinstance(data, dict) and data.get("registry-uri") == uri:
            return text
    return None


def _fetch(uri: str) -> bytes:
    from urllib import request  # only when a place of this kind was allowed

    class NoRedirect(request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    opener = request.build_opener(NoRedirect)
    with opener.open(uri, timeout=_FETCH_TIMEOUT_S) as answer:
        text: bytes = answer.read(_LARGEST_BYTES + 1)
    if len(text) > _LARGEST_BYTES:
        raise ValueError(f"it is larger than {_LARGEST_BYTES} bytes")
    return text


def allow_place(place: str | Path) -> None:
    """Allow registries to be loaded from a place when a message or a file names them.

    Args:
        place: A folder (its ``*.json`` files), a file, or the beginning of an
            ``http(s)`` address that ends in a slash; redirects are not followed.

    Raises:
        ValueError: If it is an address that ends elsewhere: it would allow other hosts.
    """
    text = str(place)
    if urlsplit(text).scheme in ("http", "https") and not text.endswith("/"):
        raise ValueError(f"an allowed address ends in a slash: {text!r}")
    with _lock:
        if text not in _places:
            _places.append(text)


def preload_registry(filename: str | Path) -> Registry:
    """Load a local file under the URI that it names, and return the registry.

    Raises:
        ValueError: If it is no registry; ``Invalid Registry uri: ...``.
    """
    with _lock:
        made = Registry(filename=str(filename))
        _loaded[made.uri()] = made
        return made


def registry_for_uri(uri: str) -> Registry:
    """Return the registry for a URI, loaded once; called when messages are read.

    Raises:
        ValueError: If it is neither shipped, nor preloaded, nor in an allowed place.
    """
    if (found := _loaded.get(uri)) is not None:
        return found
    with _lock:
        if (found := _loaded.get(uri)) is None:
            try:
                found = Registry._included(uri, ())
            except (OSError, ValueError, RecursionError) as exc:
                raise MessageError(f"Invalid Registry uri: {uri} ({exc})") from exc
            found = _loaded.setdefault(found.uri(), found)
            _loaded[uri] = found
        return found


def initialize_registry(uri: str | None = None) -> None:
    """Load a registry and make it the base: that of statements which name none.

    Args:
        uri: The core registry when None; else as for `Registry`.

    Raises:
        ValueError: If there is no such registry there.
    """
    global _base
    with _lock:
        name = uri or CORE_URI
        if (made := _loaded.get(name)) is None:
            made = Registry(name)
            made = _loaded.setdefault(made.uri(), made)
            _loaded[name] = made
        _base = made


def base_registry() -> Registry:
    """Return the base registry; the core registry until another was initialized."""
    if _base is None:
        initialize_registry()
    return _base or registry_for_uri(CORE_URI)


def element(name: str, reguri: str | None = None) -> Element:
    """Return the element of that name.

    Args:
        name: Name of the element.
        reguri: Where to look first; then in all loaded registries, in the order of
            their loading, and in the base registry.

    Raises:
        UnknownElementError: If none has it (a `KeyError`).
    """
    places = [registry_for_uri(reguri)] if reguri is not None else []
    with _lock:
        places += _loaded.values()
    for registry in (*places, base_registry()):
        if (found := registry[name]) is not None:
            return found
    raise UnknownElementError(
        f"Key error: {name} not present in registries",
        hint="preload_registry(file) loads the registry that defines it",
    )


def loaded_registries() -> list[Registry]:
    """Return the registries loaded so far, each once."""
    with _lock:
        return list({id(each): each for each in _loaded.values()}.values())


def forget_registries() -> None:
    """Forget loaded registries, allowed places and the base, as in a new process."""
    global _base
    with _lock:
        _loaded.clear()
        _places.clear()
        _base = None
