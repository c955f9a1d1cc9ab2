"""Our own encoding, by agreement of both ends: what comes back is what was sent.

    {"type": "numpy_array" / "pandas_series" / "pandas_dataframe", ...}
    {"type": "data_access", "name", "args", "kwargs"}
    {"type": "json", "value": object}   an object whose "type" would be taken for a tag

Tags count at any depth. A large array travels as one base64 text.
"""

from __future__ import annotations

from typing import Any, Final

from pilothouse.aimm.json_text import Base64
from pilothouse.errors import ProtocolError

from .data_access import DataAccess, read_data_access
from .refusal import CannotTravelError, at
from .scalars import (
    MAX_DEPTH,
    Walk,
    is_numpy,
    is_pandas,
    is_scalar,
    kind_of,
    plain_item,
)

__all__ = ["EXTENSION", "Lossless"]

EXTENSION: Final = "nd1"
"""The name by which both ends agree on it, at login."""

_JSON: Final = "json"
_TAGS: Final = frozenset(
    {"numpy_array", "pandas_series", "pandas_dataframe", "data_access", _JSON}
)


class Lossless(Walk):
    """Encodes and decodes values so that nothing of them is lost.

    A tuple comes back as a list, and a numpy scalar as Python's of the same value where
    there is one.
    """

    def encode(self, value: object) -> Any:  # noqa: ANN401  any JSON
        """Return the JSON of an argument or a result.

        Raises:
            CannotTravelError: If it has none; it names the place.
        """
        return self.walk(value, 0)

    def decode(self, obj: Any) -> Any:  # noqa: ANN401  any JSON to any value
        """Return the argument or result that a JSON value stands for.

        Raises:
            ProtocolError: If a tagged object does not fit its tag.
        """
        return _decode(obj, 0)

    def mapping(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return an object, wrapped when it would be taken for one of ours."""
        kind = obj.get("type")
        if isinstance(kind, str) and kind in _TAGS:
            return {"type": _JSON, "value": obj}
        return obj

    def foreign(self, value: object, depth: int) -> Any:  # noqa: ANN401  any JSON
        """Return the tagged object of a value that JSON lacks."""
        if is_numpy(value):
            return _numpy(value)
        if is_pandas(value):
            from .frames import encode_pandas

            return encode_pandas(value)
        if isinstance(value, DataAccess):
            with at(f"DataAccess({value.name!r})"):
                return {
                    "type": "data_access",
                    "name": value.name,
                    "args": self.walk(value.args, depth + 1),
                    "kwargs": {
                        name: self.walk(part, depth + 1)
                        for name, part in value.kwargs.items()
                    },
                }
        raise CannotTravelError(
            f"a {kind_of(value)}", hint="numbers, texts, lists, dicts, arrays, frames"
        )


def _numpy(value: Any) -> Any:  # noqa: ANN401  an array or a scalar to any JSON
    import numpy as np

    from .arrays import encode_bytes

    if not isinstance(value, np.generic):
        return encode_bytes(value)
    found = plain_item(value)
    if is_scalar(found):
        return found
    return {**encode_bytes(np.asarray(value)), "scalar": True}


def _decode(obj: Any, depth: int) -> Any:  # noqa: ANN401
    if is_scalar(obj):
        return obj
    if isinstance(obj, Base64):
        return str(obj)  # a long text of the user's own, under the same key
    if depth > MAX_DEPTH:
        raise ProtocolError(f"a value nests deeper than {MAX_DEPTH} levels")
    if isinstance(obj, list):
        return [_decode(item, depth + 1) for item in obj]
    kind = obj.get("type")
    if not isinstance(kind, str) or kind not in _TAGS:
        return {key: _decode(item, depth + 1) for key, item in obj.items()}
    if kind == _JSON:
        inner = obj.get("value")
        if not isinstance(inner, dict):
            raise ProtocolError("the value of a json tag is an object")
        return {key: _decode(item, depth + 1) for key, item in inner.items()}
    if kind == "data_access":
        return read_data_access(obj, lambda part: _decode(part, depth + 1))
    return _decode_array(kind, obj)


def _decode_array(kind: str, obj: dict[str, Any]) -> Any:  # noqa: ANN401
    if kind == "numpy_array":
        from .arrays import decode_bytes

        return decode_bytes(obj)
    from .frames import decode_frame, decode_series

    return decode_series(obj) if kind == "pandas_series" else decode_frame(obj)
