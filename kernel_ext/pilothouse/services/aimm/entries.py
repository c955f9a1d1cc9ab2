"""The server's state: instances and actions, as the clients are told of them.

Source: REPL control, "State"; real server, aimm 1.2; the extensions `slim1`.

    model   {"instance_id", "model_type", "id", "type", "size", "sha256"}, "instance"
    action  {"meta": {"call", "model" / "model_type", "args", "kwargs"}, "progress",
             "data_access", "action", "error", "started", "ended"}

The document names the keys of a model ``id`` and ``type``, real peers ``instance_id``
and ``model_type``: both are sent. Values here never change; a change makes a new one.
"""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import pybase64

__all__ = ["Instance", "describe", "told_of"]

_SHOWN: Final = 200
_SHOWN_ITEMS: Final = 50


class Instance:
    """A model instance: its bytes, and what is told of it.

    Attributes:
        id: Its number.
        model_type: Its type.
        data: Its bytes, as its plugin wrote them.
        digest: Their SHA-256 in lower-case hex.
    """

    def __init__(self, number: int, model_type: str, data: bytes) -> None:
        self.id = number
        self.model_type = model_type
        self.data = data
        self.digest = hashlib.sha256(data).hexdigest()

    @cached_property
    def slim(self) -> dict[str, Any]:
        """What is told without the bytes."""
        return {
            "instance_id": self.id,
            "model_type": self.model_type,
            "id": self.id,
            "type": self.model_type,
            "size": len(self.data),
            "sha256": self.digest,
        }

    @cached_property
    def text(self) -> str:
        """The bytes in base64."""
        return pybase64.b64encode_as_string(self.data)

    def to_wire(self, *, slim: bool) -> dict[str, Any]:
        """Return what is told, with the bytes unless the client can do without."""
        return self.slim if slim else {**self.slim, "instance": self.text}


def told_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of an action's arguments, which are JSON."""
    return {
        "args": [describe(value) for value in args[:_SHOWN_ITEMS]],
        "kwargs": {
            name[:_SHOWN]: describe(value)
            for name, value in list(kwargs.items())[:_SHOWN_ITEMS]
        },
    }


def describe(value: Any) -> str:  # noqa: ANN401  any JSON
    """Return an argument in a few words, without decoding it."""
    if isinstance(value, dict):
        match value.get("type"):
            case "data_access":
                name, args, kwargs = (value.get(k) for k in ("name", "args", "kwargs"))
                args, kwargs = _SHORT.repr(args), _SHORT.repr(kwargs)
                return f"DataAccess({name!r}, {args=!s}, {kwargs=!s})"[:_SHOWN]
            case "numpy_array":
                shape, dtype = value.get("shape", ""), value.get("dtype", "")
                return f"array {shape} {dtype}"[:_SHOWN]
            case "pandas_series" | "pandas_dataframe" as kind:
                return str(kind)
    text = value if isinstance(value, str) else _SHORT.repr(value)
    return str(text)[:_SHOWN]


_SHORT: Final = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxlist = 20
_SHORT.maxstring = _SHORT.maxother = _SHOWN
