"""The shared state: a JSON value that the server changes and the client follows.

Source: hat-juggler 0.7.6 with hat-json 0.6.8; RFC 6902.

Both ends begin with null. Two things bend the RFC, as the real consumer does: a
``replace`` makes a member that is missing, and a ``remove`` of the root gives null.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import jsonpatch

from pilothouse.errors import ProtocolError

from .messages import JSON

__all__ = ["patched"]


def patched(state: JSON, diff: Sequence[JSON]) -> JSON:
    """Return the state that a diff leads to; the one given stays as it was.

    Raises:
        ProtocolError: If an operation is none, or does not fit the state.
    """
    new = copy.deepcopy(state)
    for operation in diff:
        new = _applied(new, operation)
    return new


def _applied(state: JSON, operation: JSON) -> JSON:
    if not isinstance(operation, Mapping):
        raise _misfit(operation, "no JSON Patch operation")
    if operation.get("op") == "remove" and operation.get("path") == "":
        return None
    try:
        return _apply(state, operation)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as exc:
        if operation.get("op") != "replace":
            raise _misfit(operation, str(exc)) from None
    try:
        return _apply(state, {**operation, "op": "add"})
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as exc:
        raise _misfit(operation, str(exc)) from None


def _apply(state: JSON, operation: Mapping[str, JSON]) -> JSON:
    try:
        return jsonpatch.JsonPatch([operation]).apply(state, in_place=True)
    except (TypeError, KeyError, ValueError, AttributeError) as exc:
        raise jsonpatch.InvalidJsonPatch(str(exc)) from None


def _misfit(operation: JSON, why: str) -> ProtocolError:
    where = operation.get("path") if isinstance(operation, Mapping) else None
    return ProtocolError(
        f"the state cannot change at {where!r}: {why}", protocol="AIMM"
    )
