"""Data access: an argument that names data which the server fetches itself.

Source: REPL control, "Argument preprocessing".

    {"type": "data_access", "name": NAME, "args": [argument], "kwargs": {k: argument}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.errors import ProtocolError

__all__ = ["DataAccess", "read_data_access"]


@dataclass(frozen=True, slots=True)
class DataAccess:
    """Data that a plugin of the server gives.

    Attributes:
        name: As the plugin is registered.
        args: Its positional arguments; may hold further data access.
        kwargs: Its keyword arguments; likewise.
    """

    name: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("the name of a data access is empty")
        object.__setattr__(self, "args", tuple(self.args))
        object.__setattr__(self, "kwargs", dict(self.kwargs))


def read_data_access(
    obj: Mapping[str, Any], decode: Callable[[Any], Any]
) -> DataAccess:
    """Return the data access that an object stands for.

    Args:
        obj: The tagged object.
        decode: Called with each of its arguments.

    Raises:
        ProtocolError: If a key is missing or of another type.
    """
    name, args, kwargs = obj.get("name"), obj.get("args"), obj.get("kwargs")
    if not isinstance(name, str) or not name:
        raise ProtocolError("a data_access has a name")
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ProtocolError(f"the data_access {name!r} has args and kwargs")
    return DataAccess(
        name,
        [decode(part) for part in args],
        {key: decode(part) for key, part in kwargs.items()},
    )
