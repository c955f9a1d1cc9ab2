"""Avro schemas, as Model Manage and engines take them.

Source: developer interface, "Schemata".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pilothouse.errors import ProtocolError

from .errors import FastScoreProtocolError, FastScoreUsageError
from .wire.values import unquoted

if TYPE_CHECKING:
    from .engine import Engine
    from .model_manage import ModelManage
    from .wire.avro import Schema as AvroSchema

__all__ = ["Schema", "in_words"]


def in_words(schema: Any) -> str:  # noqa: ANN401 - a JSON value
    """Return what an Avro schema describes, in a few words; ``any`` for none."""
    schema = unquoted(schema)
    if schema is None:
        return "any"
    if isinstance(schema, list):
        return " or ".join(map(in_words, schema))
    if not isinstance(schema, dict):
        return str(schema)
    kind = schema.get("type")
    if isinstance(kind, dict | list):
        return in_words(kind)
    if kind in ("array", "map"):
        return f"{kind} of {in_words(schema.get('items', schema.get('values')))}"
    return f"{kind} {schema['name']}" if "name" in schema else str(kind)


def _fields_in_words(schema: Any) -> str | None:  # noqa: ANN401 - a JSON value
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, list):
        return None
    known = [each for each in fields if isinstance(each, dict)]
    return ", ".join(f"{f.get('name')}: {in_words(f.get('type'))}" for f in known)


class Schema:
    """An Avro schema.

    Args:
        name: For instance ``"schema-1"``.
        source: A dict, a list, a type name, or any of them as JSON text; kept as given.
        model_manage: Where `update` saves it.
    """

    def __init__(
        self,
        name: str,
        source: Any = None,  # noqa: ANN401 - JSON comes in here
        model_manage: ModelManage | None = None,
    ) -> None:
        self.name = name
        self.source = source
        self._mm = model_manage

    def __repr__(self) -> str:
        return f"<Schema {self.name}>"

    def _repr_html_(self) -> str:
        from .tables import facts, json_code

        schema = self.json()
        pairs: list[tuple[str, Any]] = [("type", in_words(schema))]
        if fields := _fields_in_words(schema):
            pairs.append(("fields", fields))
        return facts(f"Schema {self.name}", [*pairs, ("source", json_code(schema))])

    def json(self) -> Any:  # noqa: ANN401 - a JSON value
        """Return the schema as a JSON value."""
        return unquoted(self.source)

    def check(self) -> AvroSchema:
        """Return the schema, understood; nothing is sent.

        Raises:
            FastScoreProtocolError: If it is no Avro schema.
        """
        from .wire.avro import parse_schema

        try:
            return parse_schema(self.source)
        except ProtocolError as exc:
            raise FastScoreProtocolError(
                f"{self.name!r} is no Avro schema: {exc}", exc
            ) from exc

    def update(self, model_manage: ModelManage | None = None) -> bool:
        """Save it; True if one of that name was replaced, False if it is new.

        Raises:
            FastScoreError: If there is nowhere to save it, or it is refused.
        """
        self._mm = model_manage or self._mm
        if self._mm is None:
            raise FastScoreUsageError(f"no Model Manage given to save {self.name!r} in")
        return self._mm.save_schema(self)

    def verify(self, engine: Engine) -> int:
        """Let an engine check it; the id returned is for `Engine.verify_data`.

        Raises:
            FastScoreError: If it is no schema.
        """
        return engine.verify_schema(self)

    @classmethod
    def infer(cls, name: str, samples: Iterable[Any]) -> Schema:
        """Return the schema of some sample records, which have to be JSON values.

        Raises:
            FastScoreUsageError: If there are no samples.
        """
        from .wire.avro_infer import infer

        try:
            return cls(name, infer(name, samples))
        except ValueError as exc:
            raise FastScoreUsageError(str(exc)) from exc
