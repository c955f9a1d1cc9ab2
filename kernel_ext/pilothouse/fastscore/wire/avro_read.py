"""Checking a value against a type, step by step, with the reason of a refusal.

Source: Apache Avro specification 1.11, "JSON Encoding"; vendor manual, "Schemas".

    value for  null     null
               boolean  true / false
               int      integer of 32 bits           ; true is no integer
               long     integer of 64 bits
               float    number
               double   number
               bytes    string of code points 0 to 255 / bytes
               string   string
               array    array, tuple, numpy array
               map      object
               record   object with exactly the fields; one with a default may lack
               enum     string, one of the symbols
               fixed    as bytes, of its size
               union    a value for one branch / {tag of the branch: value}

`read` returns the value as a model sees it: unions without tags, defaults filled in,
bytes as `bytes`, numpy scalars as Python numbers, times as the integers that the
schema holds.
"""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .avro_types import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    Array,
    Enum,
    Fixed,
    Map,
    Node,
    Primitive,
    Record,
    Union,
)
from .values import Value

Path = tuple["str | int", ...]


class Mismatch(Exception):  # noqa: N818 - it is an answer, and stays in this package
    """A value does not fit its type; the text says why and where."""


def read(node: Node, value: Value, path: Path = ()) -> Value:
    """Return a value as a model sees it.

    Raises:
        Mismatch: If it does not fit.
    """
    return _READERS[type(node)](node, value, path)


def expected(node: Node, value: Value, path: Path, more: str = "") -> Mismatch:
    """Return the refusal ``Int expected, not "fastscore"``."""
    return Mismatch(f"{node.label} expected, not {shown(value)}{more}{where(path)}")


def where(path: Path) -> str:
    """Return ``, at x.items[2]``; nothing for the value itself."""
    if not path:
        return ""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return f", at {text.removeprefix('.')}"


def shown(value: Value) -> str:
    """Return a value as JSON, at most 60 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        try:
            text = f"{type(value).__name__} {value!r}"
        except Exception:  # a model's own class may fail at anything
            text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def numpy_kind(value: Value) -> str:
    """Return the kind letter of a numpy scalar or array: ``f``, ``i``, ...; or ``""``.

    It does not import numpy: where that is not loaded, no value is of it.
    """
    if not type(value).__module__.startswith("numpy"):
        return ""
    dtype = getattr(value, "dtype", None)
    return str(getattr(dtype, "kind", ""))


def is_number(value: Value) -> bool:
    """Tell whether a value fits float and double; true and false do not."""
    kind = type(value)
    if kind is int:
        return bool(_DOUBLE_MIN <= value <= _DOUBLE_MAX)
    if isinstance(value, float):
        return True
    return numpy_kind(value) in ("f", "i", "u") and not getattr(value, "ndim", 0)


def is_integer(value: Value, low: int, high: int) -> bool:
    """Tell whether a value is an integer of a range; true and false are none."""
    if type(value) is int:
        return low <= value <= high
    if numpy_kind(value) in ("i", "u") and not getattr(value, "ndim", 0):
        number = int(value)
        return low <= number <= high
    return False


_DOUBLE_MAX: Final = int(1.7976931348623157e308)
_DOUBLE_MIN: Final = -_DOUBLE_MAX
_INTEGERS: Final = {"int": (INT_MIN, INT_MAX), "long": (LONG_MIN, LONG_MAX)}


def _read_primitive(node: Primitive, value: Value, path: Path) -> Value:
    name = node.name
    if name in _INTEGERS:
        return _read_integer(node, value, path)
    if name in ("float", "double"):
        if not is_number(value):
            raise expected(node, value, path)
        return value if type(value) in (int, float) else float(value)
    if name == "string":
        if isinstance(value, uuid.UUID) and node.logical == "uuid":
            return str(value)
        if not isinstance(value, str):
            raise expected(node, value, path)
        return value if type(value) is str else str(value)
    if name == "null":
        if value is not None:
            raise expected(node, value, path)
        return None
    if name == "boolean":
        if isinstance(value, bool):
            return value
        if numpy_kind(value) == "b" and not getattr(value, "ndim", 0):
            return bool(value)
        raise expected(node, value, path)
    return _read_bytes(node, value, path)


def _read_integer(node: Primitive, value: Value, path: Path) -> int:
    if node.logical is not None and not isinstance(value, int):
        value = _from_time(node.logical, value)
    low, high = _INTEGERS[node.name]
    if is_integer(value, low, high):
        return value if type(value) is int else int(value)
    wide = type(value) is int
    raise expected(node, value, path, " (out of range)" if wide else "")


def _read_bytes(node: Primitive | Fixed, value: Value, path: Path) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, str):
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError as exc:
            raise expected(node, value, path, " (code points above 255)") from exc
    if isinstance(value, decimal.Decimal) and node.logical == "decimal":
        return _from_decimal(node, value, path)
    raise expected(node, value, path)


def _read_fixed(node: Fixed, value: Value, path: Path) -> bytes:
    data = _read_bytes(node, value, path)
    if len(data) != node.size:
        raise expected(node, value, path, f" ({len(data)} bytes, not {node.size})")
    return data


def _read_enum(node: Enum, value: Value, path: Path) -> str:
    if isinstance(value, str) and value in node.symbols:
        return value if type(value) is str else str(value)
    raise expected(node, value, path)


def _read_array(node: Array, value: Value, path: Path) -> list[Any]:
    if isinstance(value, tuple | list):
        items: Value = value
    elif numpy_kind(value) and value.ndim:
        items = value.tolist()
    else:
        raise expected(node, value, path)
    return [read(node.items, item, (*path, at)) for at, item in enumerate(items)]


def _read_map(node: Map, value: Value, path: Path) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise expected(node, value, path)
    out: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise Mismatch(f"String expected as a key, not {shown(key)}{where(path)}")
        out[key] = read(node.values, item, (*path, key))
    return out


def _read_record(node: Record, value: Value, path: Path) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise expected(node, value, path)
    out: dict[str, Any] = {}
    for field in node.fields:
        if field.name in value:
            out[field.name] = read(field.type, value[field.name], (*path, field.name))
        elif field.has_default:
            out[field.name] = read_default(field.type, field.default)
        else:
            raise Mismatch(f'Field "{field.name}" is missing{where(path)}')
    if len(value) > sum(field.name in value for field in node.fields):
        extra = next(key for key in value if key not in out)
        raise Mismatch(f"Field {shown(extra)} is not in the schema{where(path)}")
    return out


def read_default(node: Node, default: Value) -> Value:
    """Return the value that a default stands for.

    For a union it belongs to the first branch by the specification; a later one that
    fits is taken too.
    """
    return read(node, default)


def _read_union(node: Union, value: Value, path: Path) -> Value:
    tagged: Mismatch | None = None
    if isinstance(value, dict) and len(value) == 1:
        ((tag, inner),) = value.items()
        for branch in node.branches:
            if _has_tag(branch, tag):
                try:
                    return read(branch, inner, path)
                except Mismatch as exc:
                    tagged = exc
                    break
    reasons: list[tuple[Node, Mismatch]] = []
    for branch in _by_likeness(node, value):
        try:
            return read(branch, value, path)
        except Mismatch as exc:
            reasons.append((branch, exc))
    raise tagged or _union_refusal(node, value, path, reasons)


def _has_tag(branch: Node, tag: Value) -> bool:
    if branch.tag == tag:
        return True
    return isinstance(branch, Record | Enum | Fixed) and branch.short_name == tag != ""


def _by_likeness(node: Union, value: Value) -> Iterator[Node]:
    """Yield the branches, for a string those that keep it a string first."""
    if not isinstance(value, str):
        yield from node.branches
        return
    for text in (True, False):
        for branch in node.branches:
            is_text = isinstance(branch, Enum) or branch.tag == "string"
            if is_text is text:
                yield branch


def _union_refusal(
    node: Union, value: Value, path: Path, reasons: list[tuple[Node, Mismatch]]
) -> Mismatch:
    """Return the reason of the one branch that the value resembles, if there is one."""
    kinds: tuple[type[Node], ...] = ()
    if isinstance(value, Mapping):
        kinds = (Record, Map)
    elif isinstance(value, list | tuple):
        kinds = (Array,)
    similar = [exc for branch, exc in reasons if isinstance(branch, kinds)]
    return similar[0] if len(similar) == 1 else expected(node, value, path)


def _from_time(logical: str, value: Value) -> Value:
    """Return the integer that stands for a time; anything else as it is."""
    if isinstance(value, datetime.datetime):
        if logical.endswith(("timestamp-millis", "timestamp-micros")):
            utc = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
            micros = (utc - _EPOCH) // datetime.timedelta(microseconds=1)
            return micros // 1000 if logical.endswith("millis") else micros
        return value
    if isinstance(value, datetime.date) and logical == "date":
        return (value - _EPOCH.date()).days
    if isinstance(value, datetime.time) and logical in ("time-millis", "time-micros"):
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        micros = seconds * 1_000_000 + value.microsecond
        return micros // 1000 if logical == "time-millis" else micros
    return value


_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _from_decimal(node: Primitive | Fixed, value: decimal.Decimal, path: Path) -> bytes:
    try:
        scaled = value.scaleb(node.scale, decimal.Context(prec=10**4))
        number = int(scaled)
    except (ArithmeticError, ValueError) as exc:
        raise expected(node, value, path) from exc
    if number != scaled or len(str(abs(number))) > node.precision:
        digits = f" (decimal of {node.precision} digits, {node.scale} after the point)"
        raise expected(node, value, path, digits)
    size = node.size if isinstance(node, Fixed) else number.bit_length() // 8 + 1
    try:
        return number.to_bytes(size, "big", signed=True)
    except OverflowError as exc:
        raise expected(node, value, path) from exc


_READERS: Final[dict[type[Node], Callable[..., Any]]] = {
    Primitive: _read_primitive,
    Array: _read_array,
    Map: _read_map,
    Record: _read_record,
    Enum: _read_enum,
    Fixed: _read_fixed,
    Union: _read_union,
}
