"""Values as expressions of R, for models in R.

Arrays of numbers, texts or booleans become vectors, other arrays and objects lists,
record sets data frames.
"""

from __future__ import annotations

import math
from typing import Any

from pilothouse.fastscore.wire.values import Value

__all__ = ["r_expression"]


def r_expression(value: Value) -> str:
    """Return an expression on one line whose value in R is `value`.

    Raises:
        TypeError: If R has nothing like it.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return _text(value.decode("latin-1"))
    if isinstance(value, dict):
        items = (f"{_name(str(k))}={r_expression(v)}" for k, v in value.items())
        return f"list({','.join(items)})"
    if isinstance(value, list | tuple):
        return _array(list(value))
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        columns = (
            f"{_name(str(name))}={_array(value[name].tolist())}"
            for name in value.columns
        )
        return f"data.frame({','.join(columns)},check.names=FALSE)"
    if hasattr(value, "tolist"):
        return r_expression(value.tolist())
    raise TypeError(f"R has nothing like {type(value).__name__}")


def _array(items: list[Any]) -> str:
    kinds = {_kind(item) for item in items}
    word = "c" if len(kinds) == 1 and "" not in kinds else "list"
    return f"{word}({','.join(map(r_expression, items))})"


def _kind(item: Value) -> str:
    if isinstance(item, bool):
        return "boolean"
    if isinstance(item, int | float):
        return "number"
    return "text" if isinstance(item, str) else ""


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Inf" if value > 0 else "-Inf")
    return repr(value)


def _name(name: str) -> str:
    return _text(name) if name else '"X"'


def _text(text: str) -> str:
    """Return a string constant; everything but plain characters as a code."""
    parts = []
    for character in text:
        code = ord(character)
        if character in '"\\':
            parts.append(f"\\{character}")
        elif 32 <= code < 127:
            parts.append(character)
        elif code == 0:
            continue  # R strings cannot hold it
        else:
            parts.append(f"\\U{{{code:x}}}")
    return f'"{"".join(parts)}"'
