"""From parsed JSON to a statement.

Source: contract §1.2 (keys and their types), §1.5 (constraints or values).

Every key is checked for its type and every value for its grammar; unknown keys are
passed over, as the real peer does. A version above 1 is refused, a missing one is 1.
All errors are `ValueError`.

Most messages are read to be passed on, or to be looked at in one place. So what is read
is kept as canonical text, checked, and becomes `Parameter` and `ResultColumn` objects
when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .constraints import ListConstraint, constraint_all, parse_constraint
from .elements import Element, Metavalue, Parameter, ResultColumn
from .errors import MessageError
from .primitives import remember
from .registry import Registry, base_registry, registry_for_uri
from .when import When

if TYPE_CHECKING:
    from .statement import Statement

__all__ = [
    "Columns",
    "check_version",
    "make_columns",
    "make_parameters",
    "read_statement",
    "text_of",
]

_VERSION: Final = 1


class Columns(NamedTuple):
    """Result columns as text, checked and canonical.

    Attributes:
        names: Their names, in order.
        elements: Their elements, in the same order.
        readers: What makes a text of each canonical.
        rows: The rows; all are as long as `names`.
    """

    names: Sequence[str]
    elements: Sequence[Element]
    readers: Sequence[Callable[[str], str]]
    rows: list[list[str]]


def text_of(d: dict[str, Any], key: str) -> str | None:
    """Return the text under a key, None if it is missing or null."""
    value = d.get(key)
    if value is None or isinstance(value, str):
        return value
    raise MessageError(f"{key} is not a string: {value!r:.80}")


def check_version(d: dict[str, Any]) -> None:
    """Refuse versions above 1; take a missing or older one, also as text."""
    version = d.get("version", _VERSION)
    try:
        known = int(version) <= _VERSION
    except (TypeError, ValueError, OverflowError):
        raise MessageError(f"version is not a number: {version!r:.80}") from None
    if not known:
        raise MessageError(
            f"version {version} is newer than {_VERSION}",
            hint="the peer has to speak version 1 of the protocol",
        )


def read_statement(made: Statement, d: dict[str, Any]) -> None:
    """Read a statement of the kind that `made` is; it has no other state before."""
    if d.get("version") != _VERSION:
        check_version(d)
    verb = d[made._kind]
    if not isinstance(verb, str):
        raise MessageError(f"{made._kind} has no verb: {verb!r:.80}")
    made._verb = verb
    made._label = text_of(d, "label") if "label" in d else None
    made._link = text_of(d, "link") if "link" in d else None
    made._export = text_of(d, "export") if "export" in d else None
    made._token = text_of(d, "token") if "token" in d else None
    uri = d.get("registry")
    made._registry = registry = (
        registry_for_uri(uri) if isinstance(uri, str) else _no_registry(d)
    )
    when = d.get("when")
    made._when = When.parse(when) if isinstance(when, str) else _no_scope(made, d)
    _read_parameters(made, registry, d.get("parameters"))
    made._columns_made = None
    columns = _known_columns(registry, d.get("results"))
    if "resultvalues" in d:
        columns = _with_rows(columns, d["resultvalues"])
    made._column_texts = columns
    made._metadata = _read_metadata(registry, d) if "metadata" in d else {}


def _no_registry(d: dict[str, Any]) -> Registry:
    if (uri := d.get("registry")) is not None:
        raise MessageError(f"registry is not a string: {uri!r:.80}")
    for key in ("parameters", "metadata", "results"):
        if d.get(key):
            raise MessageError(f"a message with {key} names their registry")
    return base_registry()


def _no_scope(made: Statement, d: dict[str, Any]) -> When | None:
    when = d.get("when")
    token_is_all = made._token is not None and not d.get("parameters")
    if when is not None or not (made._token_is_enough and token_is_all):
        raise MessageError(f"{made._kind} has no temporal scope (when: {when!r:.80})")
    return None


# parameters


def _read_parameters(made: Statement, registry: Registry, found: Any) -> None:  # noqa: ANN401
    made._params_made = None
    made._param_texts = texts = {}
    if not isinstance(found, dict):
        if found is not None:
            raise MessageError(f"parameters is not an object: {found!r:.80}")
        return
    elements = registry._elements
    constrained = made._reads_constraints
    for name, raw in found.items():
        if not isinstance(raw, str):
            made._params_made = _read_natives(made, found)
            return
        prim = (elements.get(name) or registry.find(name))._core.prim
        try:
            if constrained:
                texts[name] = parse_constraint(prim, raw)._text
            else:
                texts[name] = "*" if raw == "*" else prim.canonical(raw)
        except ValueError as exc:
            raise MessageError(f"{name}: {exc}") from None


def _read_natives(made: Statement, found: dict[str, Any]) -> dict[str, Parameter]:
    read = _constrained if made._reads_constraints else _valued
    find = made._registry.find
    return {name: read(find(name), raw) for name, raw in found.items()}


def make_parameters(made: Statement) -> dict[str, Parameter]:
    """Return the parameters of a statement that was read as text."""
    return _read_natives(made, made._param_texts)


def _plain(raw: object) -> object:
    if isinstance(raw, dict | list):
        raise MessageError(f"a value is text, a number or a boolean: {raw!r:.80}")
    return raw


def _constrained(element: Element, raw: object) -> Parameter:
    if isinstance(raw, str):
        prim = element._core.prim
        return Parameter.with_constraint(element, parse_constraint(prim, raw))
    return Parameter(element, constraint_all if raw is None else _plain(raw))


def _valued(element: Element, raw: object) -> Parameter:
    if isinstance(raw, list):
        values = [_plain(each) for each in raw]
        return Parameter(element, ListConstraint(None, constraint_all), values or None)
    return Parameter.with_value(element, element.convert(_plain(raw)))


def _read_metadata(registry: Registry, d: dict[str, Any]) -> dict[str, Metavalue]:
    found = d["metadata"]
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MessageError(f"metadata is not an object: {found!r:.80}")
    return {
        name: Metavalue(registry.find(name), _plain(raw)) for name, raw in found.items()
    }


# results


def _known_columns(registry: Registry, names: Any) -> Columns:  # noqa: ANN401
    if not isinstance(names, list):
        if names is not None:
            raise MessageError(f"results is not an array: {names!r:.80}")
        return _NONE
    key = tuple(names)
    try:
        found: Columns | None = registry._known.get(key)
    except TypeError:
        raise MessageError(f"results holds no names: {names!r:.80}") from None
    if found is None:
        for name in names:
            if not isinstance(name, str):
                raise MessageError(f"results holds no name: {name!r:.80}")
        found = _columns(registry, dict.fromkeys(names))
        remember(registry._known, key, found)
    return found


_NONE: Final = Columns((), (), (), [])


def _columns(registry: Registry, names: Iterable[str]) -> Columns:
    unique = tuple(names)
    elements = tuple(map(registry.find, unique))
    readers = tuple(each._core.prim.canonical for each in elements)
    return Columns(unique, elements, readers, [])


def _with_rows(columns: Columns, rows: Any) -> Columns:  # noqa: ANN401
    if not isinstance(rows, list):
        if rows is not None:
            raise MessageError(f"resultvalues is not an array: {rows!r:.80}")
        return columns
    names, elements, readers, _ = columns
    read = []
    for row in rows:
        if not isinstance(row, list) or len(row) > len(names):
            raise MessageError(f"a row has {len(names)} values at most: {row!r:.80}")
        try:
            "".join(row)  # all of it is text, the quickest way to know
            texts = [
                "*" if text == "*" else reader(text)
                for reader, text in zip(readers, row, strict=False)
            ]
        except (TypeError, ValueError, OverflowError):
            texts = list(map(_cell, elements, row))  # natives; or says which one
        if len(texts) < len(names):
            texts.extend(["*"] * (len(names) - len(texts)))
        read.append(texts)
    return Columns(names, elements, readers, read if names else [])


def _cell(element: Element, raw: object) -> str:
    try:
        return element.unparse(element.convert(_plain(raw)))
    except ValueError as exc:
        raise MessageError(str(exc)) from None


def make_columns(made: Statement) -> dict[str, ResultColumn]:
    """Return the result columns of a statement that was read."""
    names, elements, _, rows = made._column_texts
    columns = dict(zip(names, map(ResultColumn, elements), strict=True))
    for column, texts in zip(columns.values(), zip(*rows, strict=True), strict=False):
        column._vals = column._core.prim.parse_all(texts)
    return columns
