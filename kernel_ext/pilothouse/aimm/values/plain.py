"""The encoding of the reference document, which every AIMM peer reads.

Source: REPL control, "Argument preprocessing"; real client and server, aimm 1.2.

Arrays, series, frames and data access have tags; the real peers look for them at the
top of an argument and of a result only. Inside a data access we look at any depth, as
the document's schema says. What real peers would lose silently, or drop the connection
for, is refused; NaN and the infinities travel as the bare tokens that both peers read.
"""

from __future__ import annotations

from typing import Any, Final

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

__all__ = ["Plain"]

_TAGS: Final = frozenset(
    {"numpy_array", "pandas_series", "pandas_dataframe", "data_access"}
)


class Plain(Walk):
    """Encodes and decodes values as the real peers do.

    Args:
        integer_index: Take the labels of a frame's rows as integers when all of them
            are written so and the sender said nothing of their type. Real peers turn
            every label into a text.
    """

    def __init__(self, *, integer_index: bool = True) -> None:
        self._integer_index = integer_index

    def encode(self, value: object) -> Any:  # noqa: ANN401  any JSON
        """Return the JSON of an argument or a result.

        Raises:
            CannotTravelError: If real peers have no form for it.
        """
        if isinstance(value, DataAccess):
            return self._data_access(value, 0)
        if (tagged := _tagged(value)) is not None:
            return tagged
        return self.walk(value, 0)

    def decode(self, obj: Any) -> Any:  # noqa: ANN401  any JSON to any value
        """Return the argument or result that a JSON value stands for.

        Raises:
            ProtocolError: If a tagged object does not fit its tag.
        """
        if not isinstance(obj, dict) or not isinstance(obj.get("type"), str):
            return obj
        match obj["type"]:
            case "numpy_array":
                from .arrays import decode_plain

                return decode_plain(obj)
            case "pandas_series":
                from .plain_frames import decode_series

                return decode_series(obj)
            case "pandas_dataframe":
                from .plain_frames import decode_frame

                return decode_frame(obj, integer_index=self._integer_index)
            case "data_access":
                return self._read_data_access(obj, 0)
        return obj

    def mapping(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return an object as it is, unless the peer would take it for a tag."""
        kind = obj.get("type")
        if isinstance(kind, str) and kind in _TAGS:
            raise CannotTravelError(
                f"an object with the type {kind!r}, which the peer would convert",
                hint="another key than 'type'",
            )
        return obj

    def foreign(self, value: Any, depth: int) -> Any:  # noqa: ANN401
        """Return the scalar of numpy's; nothing else has a form inside a list."""
        found = plain_item(value) if is_numpy(value) and not value.shape else None
        if found is not None and is_scalar(found):
            return found
        raise CannotTravelError(
            f"a {kind_of(value)} inside a list or an object"
            if depth
            else f"a {kind_of(value)}",
            hint="arrays and frames as arguments of their own; else numbers, texts, "
            "lists, dicts",
        )

    def _data_access(self, value: DataAccess, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise CannotTravelError(f"it nests deeper than {MAX_DEPTH} levels")
        with at(f"DataAccess({value.name!r})"):
            return {
                "type": "data_access",
                "name": value.name,
                "args": [self._inside(part, depth) for part in value.args],
                "kwargs": {
                    name: self._inside(part, depth)
                    for name, part in value.kwargs.items()
                },
            }

    def _inside(self, value: object, depth: int) -> Any:  # noqa: ANN401  any JSON
        if isinstance(value, DataAccess):
            return self._data_access(value, depth + 1)
        return self.encode(value)

    def _read_data_access(self, obj: dict[str, Any], depth: int) -> DataAccess:
        if depth > MAX_DEPTH:
            raise ProtocolError(f"a data access nests deeper than {MAX_DEPTH} levels")

        def inside(part: Any) -> Any:  # noqa: ANN401  any JSON to any value
            if isinstance(part, dict) and part.get("type") == "data_access":
                return self._read_data_access(part, depth + 1)
            return self.decode(part)

        return read_data_access(obj, inside)


def _tagged(value: object) -> dict[str, Any] | None:
    if is_pandas(value):
        from .plain_frames import encode_pandas

        return encode_pandas(value)
    if is_numpy(value):
        import numpy as np

        from .arrays import encode_plain

        if isinstance(value, np.ndarray):
            return encode_plain(value)
    return None
