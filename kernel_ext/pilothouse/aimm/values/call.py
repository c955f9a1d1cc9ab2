"""The arguments of a call: each one encoded for itself, each refusal with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pilothouse.errors import ProtocolError

from .refusal import at, at_item

__all__ = ["Codec", "decode_call", "encode_call"]


class Codec(Protocol):
    """One of the two encodings."""

    def encode(self, value: object) -> Any:  # noqa: ANN401  any JSON
        """Return the JSON of an argument or a result.

        Raises:
            CannotTravelError: If it has none.
        """

    def decode(self, obj: Any) -> Any:  # noqa: ANN401  any JSON to any value
        """Return the argument or result that a JSON value stands for.

        Raises:
            ProtocolError: If it stands for none.
        """


def encode_call(
    codec: Codec, args: Sequence[object], kwargs: Mapping[str, object]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the JSON of a call's arguments.

    Raises:
        CannotTravelError: If one has none; it names the place.
    """
    encoded = []
    for i, value in enumerate(args):
        with at(f"args{at_item(i)}"):
            encoded.append(codec.encode(value))
    named = {}
    for name, value in kwargs.items():
        with at(f"kwargs{at_item(name)}"):
            named[name] = codec.encode(value)
    return encoded, named


def decode_call(
    codec: Codec, args: object, kwargs: object
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments that a call's JSON stands for.

    Raises:
        ProtocolError: If they are no list and no object, or one stands for nothing.
    """
    if not isinstance(args, list):
        raise ProtocolError(f"args is a list, not {type(args).__name__}")
    if not isinstance(kwargs, dict):
        raise ProtocolError(f"kwargs is an object, not {type(kwargs).__name__}")
    return (
        [codec.decode(obj) for obj in args],
        {name: codec.decode(obj) for name, obj in kwargs.items()},
    )
