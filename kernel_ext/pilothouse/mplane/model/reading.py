"""From parsed JSON to the parts of a statement.

Source: contract §1.2 (keys and their types), §1.5 (constraints or values).

Every key is checked for its type; unknown keys are passed over, as the real peer does.
A version above 1 is refused, a missing one is 1. All errors are `ValueError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .constraints import Constraint, ListConstraint, constraint_all, parse_constraint
from .elements import Element, Metavalue, Parameter, ResultColumn
from .errors import MessageError
from .registry import Registry, base_registry, registry_for_uri
from .when import When

if TYPE_CHECKING:
    from .statement import Statement

__all__ = ["check_version", "read_head", "read_metadata", "read_schema", "text_of"]

_VERSION: Final = 1


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


def read_head(made: Statement, d: dict[str, Any]) -> None:
    """Read all but parameters, metadata and results."""
    if d.get("version") != _VERSION:
        check_version(d)
    verb = d.get(made._kind)
    if not isinstance(verb, str):
        raise MessageError(f"{made._kind} has no verb: {verb!r:.80}")
    made._verb = verb
    made._label = text_of(d, "label") if "label" in d else None
    made._link = text_of(d, "link") if "link" in d else None
    made._export = text_of(d, "export") if "export" in d else None
    made._token = text_of(d, "token") if "token" in d else None
    made._registry = _registry(d)
    when = d.get("when")
    if isinstance(when, str):
        made._when = When.parse(when)
        return
    token_is_all = made._token is not None and "parameters" not in d
    if when is not None or not (made._token_is_enough and token_is_all):
        raise MessageError(f"{made._kind} has no temporal scope (when: {when!r:.80})")
    made._when = None


def _registry(d: dict[str, Any]) -> Registry:
    uri = d.get("registry")
    if isinstance(uri, str):
        return registry_for_uri(uri)
    if uri is not None:
        raise MessageError(f"registry is not a string: {uri!r:.80}")
    for key in ("parameters", "metadata", "results"):
        if d.get(key):
            raise MessageError(f"a message with {key} names their registry")
    return base_registry()


def _mapping(d: dict[str, Any], key: str) -> dict[str, Any]:
    found = d.get(key)
    if isinstance(found, dict):
        return found
    if found is None:
        return {}
    raise MessageError(f"{key} is not an object: {found!r:.80}")


def _list(d: dict[str, Any], key: str) -> list[Any]:
    found = d.get(key)
    if isinstance(found, list):
        return found
    if found is None:
        return []
    raise MessageError(f"{key} is not an array: {found!r:.80}")


def read_schema(made: Statement, d: dict[str, Any]) -> None:
    """Read parameters, result columns and rows; a statement of one kind or another."""
    registry = made._registry
    params = _mapping(d, "parameters")
    read = _constrained if made._reads_constraints else _valued
    made._params = {
        name: read(registry[name] or registry.find(name), raw)
        for name, raw in params.items()
    }
    made._columns = columns = {}
    for name in _list(d, "results"):
        if not isinstance(name, str):
            raise MessageError(f"results holds no name: {name!r:.80}")
        columns[name] = ResultColumn(registry[name] or registry.find(name))
    if "resultvalues" in d:
        _read_rows(list(columns.values()), _list(d, "resultvalues"))


def _read_rows(columns: list[ResultColumn], rows: list[Any]) -> None:
    for row in rows:
        if not isinstance(row, list) or len(row) > len(columns):
            raise MessageError(
                f"a row of results has {len(columns)} values at most: {row!r:.80}"
            )
    for index, column in enumerate(columns):
        convert = column.convert
        column._vals = [
            convert(_plain(row[index])) if index < len(row) else None for row in rows
        ]


def read_metadata(registry: Registry, d: dict[str, Any]) -> dict[str, Metavalue]:
    """Read the metadata."""
    found = _mapping(d, "metadata")
    return {
        name: Metavalue(registry.find(name), _plain(raw)) for name, raw in found.items()
    }


def _plain(raw: object) -> object:
    if isinstance(raw, dict | list):
        raise MessageError(f"a value is text, a number or a boolean: {raw!r:.80}")
    return raw


def _constrained(element: Element, raw: object) -> Parameter:
    if isinstance(raw, str):
        return Parameter.with_constraint(element, _constraint(element, raw))
    return Parameter(element, constraint_all if raw is None else _plain(raw))


def _constraint(element: Element, raw: str) -> Constraint:
    try:
        return parse_constraint(element.primitive(), raw)
    except ValueError as exc:
        raise MessageError(f"{element}: {exc}") from None


def _valued(element: Element, raw: object) -> Parameter:
    if isinstance(raw, list):
        values = [_plain(each) for each in raw]
        return Parameter(element, ListConstraint(None, constraint_all), values or None)
    return Parameter.with_value(element, element.convert(_plain(raw)))
