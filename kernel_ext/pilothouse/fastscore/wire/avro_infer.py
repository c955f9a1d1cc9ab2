"""Guessing the Avro schema of some sample records.

Source: real SDK 1.10.3, `Schema.infer`, with its usability problems put right: names
come from the caller and from the fields, never at random; floats are doubles; strings
are strings, whatever their lengths; equal samples give equal schemas.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .avro_types import INT_MAX, INT_MIN
from .values import JSON, Value, brief

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ORDER: Final = (
    "null",
    "boolean",
    "int",
    "long",
    "double",
    "timestamp-millis",
    "bytes",
    "string",
    "array",
    "record",
)


def infer(name: str, samples: Iterable[Any], *, enum_limit: int = 0) -> JSON:
    """Return an Avro schema, as JSON, that all samples fit.

    Objects become records: a field that some samples lack becomes nullable with the
    default null. Integers become int, or long where one needs it; numbers with a
    fraction double; mixtures unions. numpy scalars and arrays count as what they hold.

    Args:
        name: Name of the record, if the samples are objects; records inside are named
            after it and their fields. What is no Avro name is made one.
        samples: At least one.
        enum_limit: Strings of at most so many distinct values, each met ten times on
            average, become an enum; 0 never makes one.

    Raises:
        ValueError: If there is no sample, a sample cannot be described, or a field's
            name is no Avro name.
    """
    guess = _Guess(enum_limit)
    for sample in samples:
        guess.add(_plain(sample))
    if guess.count == 0:
        raise ValueError("at least one sample is needed")
    return guess.schema(_avro_name(name), set())


class _Guess:
    """What the samples of one place have been so far."""

    def __init__(self, enum_limit: int) -> None:
        self.count = 0
        self._enum_limit = enum_limit
        self._kinds: dict[str, int] = {}
        self._words: dict[str, int] = {}
        self._items: _Guess | None = None
        self._fields: dict[str, _Guess] = {}

    def add(self, value: Value) -> None:
        self.count += 1
        kind = _kind(value)
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if kind == "string" and len(self._words) <= self._enum_limit:
            self._words[value] = self._words.get(value, 0) + 1
        elif kind == "array":
            if self._items is None:
                self._items = _Guess(self._enum_limit)
            for item in value:
                self._items.add(_plain(item))
        elif kind == "record":
            for key, inner in value.items():
                if key not in self._fields:
                    self._fields[key] = _Guess(self._enum_limit)
                self._fields[key].add(_plain(inner))

    def schema(self, name: str, used: set[str]) -> JSON:
        kinds = set(self._kinds)
        if {"int", "long"} <= kinds:
            kinds.discard("int")
        if "double" in kinds:
            kinds -= {"int", "long"}
        branches = [self._branch(kind, name, used) for kind in _ORDER if kind in kinds]
        if not branches:
            return "null"
        return branches[0] if len(branches) == 1 else branches

    def _branch(self, kind: str, name: str, used: set[str]) -> JSON:
        if kind == "timestamp-millis":
            return {"type": "long", "logicalType": "timestamp-millis"}
        if kind == "array":
            items = self._items.schema(f"{name}_item", used) if self._items else "null"
            return {"type": "array", "items": items}
        if kind == "record":
            return self._record(name, used)
        if kind == "string" and self._is_enum():
            symbols = sorted(self._words)
            return {"type": "enum", "name": _free(name, used), "symbols": symbols}
        return kind

    def _is_enum(self) -> bool:
        words = self._words
        return (
            0 < len(words) <= self._enum_limit
            and self._kinds["string"] >= 10 * len(words)
            and all(_NAME.fullmatch(word) for word in words)
        )

    def _record(self, name: str, used: set[str]) -> JSON:
        own = _free(name, used)
        fields = []
        for key, guess in self._fields.items():
            if not _NAME.fullmatch(key):
                raise ValueError(
                    f"{brief(key)} cannot be the name of a field: letters, digits "
                    "and _ only, no digit first"
                )
            inner = guess.schema(f"{own}_{key}", used)
            if guess.count < self._kinds["record"]:
                fields.append({"name": key, "type": _nullable(inner), "default": None})
            else:
                fields.append({"name": key, "type": inner})
        return {"type": "record", "name": own, "fields": fields}


def _nullable(schema: JSON) -> JSON:
    """Return a union with null as its first branch."""
    branches = schema if isinstance(schema, list) else [schema]
    others = [branch for branch in branches if branch != "null"]
    return ["null", *others] if others else "null"


def _plain(value: Value) -> Value:
    """Return Python's own value for one of numpy or pandas."""
    if type(value).__module__.partition(".")[0] == "numpy":
        return value.tolist()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value


def _kind(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"an integer of more than 64 bits: {brief(value)}")
        return "int" if INT_MIN <= value <= INT_MAX else "long"
    if isinstance(value, float):
        return "double"
    if isinstance(value, str):
        return "string"
    if isinstance(value, bytes | bytearray):
        return "bytes"
    if isinstance(value, datetime.datetime):
        return "timestamp-millis"
    if isinstance(value, list | tuple):
        return "array"
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(f"an object with keys that are no strings: {brief(value)}")
        return "record"
    raise ValueError(f"no Avro type for {type(value).__name__} {brief(value)}")


def _avro_name(name: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", name) or "record"
    return f"_{cleaned}" if cleaned[0].isdigit() else cleaned


def _free(name: str, used: set[str]) -> str:
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}_{number}"
    used.add(candidate)
    return candidate
