"""Plain JSON: what every peer reads, and the walk through it that encoders share."""

from __future__ import annotations

import abc
import sys
from collections.abc import Mapping
from typing import Any, Final

from .refusal import CannotTravelError, at, at_item

__all__ = [
    "MAX_DEPTH",
    "Walk",
    "is_numpy",
    "is_pandas",
    "is_scalar",
    "kind_of",
    "plain_item",
]

MAX_DEPTH: Final = 100
"""Deepest nesting of lists and objects that travels."""

_SCALARS: Final = frozenset({str, bool, int, float, type(None)})


def is_scalar(value: object) -> bool:
    """Tell whether a value is one of JSON's scalars, exactly."""
    return type(value) in _SCALARS


def plain_item(value: Any) -> Any:  # noqa: ANN401  a scalar of numpy's to any value
    """Return Python's value of a scalar of numpy's, or the scalar where it has none.

    A moment or a span in nanoseconds would become a bare integer, a missing one None.
    """
    return value if value.dtype.kind in "mM" else value.item()


def kind_of(value: object) -> str:
    """Return the name of a value's type, as a user would write it."""
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def is_numpy(value: object) -> bool:
    """Tell whether a value is an array or a scalar of numpy, without importing it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray | numpy.generic)


def is_pandas(value: object) -> bool:
    """Tell whether a value is a series or a frame of pandas, without importing it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(
        value, pandas.Series | pandas.DataFrame | pandas.Index
    )


class Walk(abc.ABC):
    """Makes JSON of a value; subclasses say what becomes of the rest.

    A tuple becomes a list, and a subclass of a text or a number that text or number.
    """

    def walk(self, value: object, depth: int) -> Any:  # noqa: ANN401  any JSON
        """Return the JSON of a value that stands ``depth`` levels deep.

        Raises:
            CannotTravelError: If it nests too deeply, has keys that are no text, or
                a part of it has no form.
        """
        if type(value) in _SCALARS:
            return value
        if depth > MAX_DEPTH:
            raise CannotTravelError(f"it nests deeper than {MAX_DEPTH} levels")
        if isinstance(value, list | tuple):
            return [self._part(item, i, depth) for i, item in enumerate(value)]
        if isinstance(value, Mapping):
            return self.mapping(
                {_key(k): self._part(v, k, depth) for k, v in value.items()}
            )
        if is_numpy(value) or not isinstance(value, str | int | float):
            return self.foreign(value, depth)
        if isinstance(value, str):
            return str(value)
        return float(value) if isinstance(value, float) else int(value)

    @abc.abstractmethod
    def mapping(self, obj: dict[str, Any]) -> Any:  # noqa: ANN401  any JSON
        """Return what travels for a plain object, whose parts are JSON already."""

    @abc.abstractmethod
    def foreign(self, value: object, depth: int) -> Any:  # noqa: ANN401  any JSON
        """Return the JSON of what JSON lacks.

        Raises:
            CannotTravelError: If it has none.
        """

    def _part(self, value: object, place: int | str, depth: int) -> Any:  # noqa: ANN401
        if type(value) in _SCALARS:
            return value
        with at(at_item(place)):
            return self.walk(value, depth + 1)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise CannotTravelError(
            f"a mapping has the key {key!r}, and keys are texts on this wire",
            hint="text keys, or a list of pairs",
        )
    return str(key)
