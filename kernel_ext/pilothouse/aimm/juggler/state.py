"""The shared state: a JSON value that the server changes and the client follows.

Source: hat-juggler 0.7.6 with hat-json 0.6.8; RFC 6902 and 6901.

    operation = {"op": "add" / "remove" / "replace" / "move" / "copy" / "test",
                 "path": pointer, ["from": pointer], ["value": JSON]}
    pointer   = *( "/" token )            ; "~1" is "/", "~0" is "~"

Both ends begin with null. Two things bend the RFC, as the real consumer does: a
``replace`` makes a member that is missing, and a ``remove`` of the root gives null.

States are never changed in place: a new one shares with the old one whatever has not
changed. So a change costs what has changed, however large the rest is, a state that was
given out stays as it was, and who compares parts by identity sees what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pilothouse.errors import ProtocolError

from .messages import JSON

__all__ = ["patched"]

_MISSING = object()


class _MisfitError(Exception):
    """An operation does not fit; the text says why."""


def patched(state: JSON, diff: Sequence[JSON]) -> JSON:
    """Return the state that a diff leads to; the one given stays as it was.

    Raises:
        ProtocolError: If an operation is none, or does not fit the state.
    """
    for operation in diff:
        try:
            state = _applied(state, operation)
        except _MisfitError as exc:
            where = operation.get("path") if isinstance(operation, Mapping) else None
            raise ProtocolError(
                f"the state cannot change at {where!r}: {exc}", protocol="AIMM"
            ) from None
    return state


def _applied(state: JSON, operation: JSON) -> JSON:
    if not isinstance(operation, Mapping):
        raise _MisfitError("no JSON Patch operation")
    path = _tokens(operation.get("path"))
    match operation.get("op"):
        case "add":
            return _changed(state, path, _adder(_value(operation)))
        case "replace":
            return _changed(state, path, _replacer(_value(operation)))
        case "remove":
            return _changed(state, path, _remove) if path else None
        case "test":
            if _at(state, path) != _value(operation):
                raise _MisfitError("another value is there")
            return state
        case "copy":
            found = _at(state, _tokens(operation.get("from")))
            return _changed(state, path, _adder(found))
        case "move":
            source = _tokens(operation.get("from"))
            found = _at(state, source)
            if path[: len(source)] == source:
                if path == source:
                    return state
                raise _MisfitError("nothing moves into itself")
            return _changed(_changed(state, source, _remove), path, _adder(found))
        case word:
            raise _MisfitError(f"no operation {word!r}")


Edit = Callable[[JSON, str], JSON]
"""Takes a container and a token; returns a changed copy of the container."""


def _changed(state: JSON, path: list[str], edit: Edit) -> JSON:
    """Return the state with an edit at a path, copying what lies on the way there."""
    if not path:
        return edit([None], "0")[0]
    chain = [state]
    for token in path[:-1]:
        chain.append(_member(chain[-1], token))
    new = edit(chain.pop(), path[-1])
    for token in reversed(path[:-1]):
        above = chain.pop()
        if isinstance(above, dict):
            above = {**above, token: new}
        else:
            above = list(above)
            above[_index(above, token)] = new
        new = above
    return new


def _adder(value: JSON) -> Edit:
    def add(container: JSON, token: str) -> JSON:
        if isinstance(container, dict):
            return {**container, token: value}
        items = _items(container)
        at = len(items) if token == "-" else _index(items, token, beyond=1)
        return [*items[:at], value, *items[at:]]

    return add


def _replacer(value: JSON) -> Edit:
    def replace(container: JSON, token: str) -> JSON:
        if isinstance(container, dict):
            return {**container, token: value}
        items = list(_items(container))
        items[_index(items, token)] = value
        return items

    return replace


def _remove(container: JSON, token: str) -> JSON:
    if isinstance(container, dict):
        if token not in container:
            raise _MisfitError(f"there is no {token!r}")
        return {key: value for key, value in container.items() if key != token}
    items = list(_items(container))
    del items[_index(items, token)]
    return items


def _at(state: JSON, path: list[str]) -> JSON:
    for token in path:
        state = _member(state, token)
    return state


def _member(container: JSON, token: str) -> JSON:
    if isinstance(container, dict):
        found = container.get(token, _MISSING)
        if found is _MISSING:
            raise _MisfitError(f"there is no {token!r}")
        return found
    items = _items(container)
    return items[_index(items, token)]


def _items(container: JSON) -> list[JSON]:
    if not isinstance(container, list):
        raise _MisfitError("neither an object nor an array is there")
    return container


def _index(items: list[JSON], token: str, *, beyond: int = 0) -> int:
    is_number = token.isascii() and token.isdecimal() and len(token) < 16
    if not is_number or (token[0] == "0" and token != "0"):
        raise _MisfitError(f"{token!r} is no place in an array")
    if int(token) >= len(items) + beyond:
        raise _MisfitError(f"the array has no place {token}")
    return int(token)


def _tokens(pointer: JSON) -> list[str]:
    if not isinstance(pointer, str) or (pointer and pointer[0] != "/"):
        raise _MisfitError("no JSON pointer")
    tokens = pointer.split("/")[1:]
    if "~" not in pointer:
        return tokens
    if any("~" in t.replace("~0", "").replace("~1", "") for t in tokens):
        raise _MisfitError("an escape that is none")
    return [token.replace("~1", "/").replace("~0", "~") for token in tokens]


def _value(operation: Mapping[str, JSON]) -> JSON:
    if "value" not in operation:
        raise _MisfitError("no value")
    return operation["value"]
