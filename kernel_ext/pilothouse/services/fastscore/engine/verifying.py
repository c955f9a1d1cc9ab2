"""Schemas to check data with, by small ids (contract §6.8)."""

from __future__ import annotations

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.fastscore.wire.avro import Schema, parse_schema
from pilothouse.fastscore.wire.values import JSON

__all__ = ["Verifier"]

MAX_SCHEMAS = 10_000


class Verifier:
    """Holds compiled schemas until they are unverified; a reset does not touch them."""

    def __init__(self) -> None:
        self._schemas: dict[int, Schema] = {}
        self._last_id = 0

    def verify(self, json: JSON) -> int:
        """Compile a schema and return its id.

        Raises:
            ProtocolError: If it is no schema.
        """
        schema = parse_schema(json)
        if len(self._schemas) >= MAX_SCHEMAS:
            del self._schemas[next(iter(self._schemas))]  # the oldest
        self._last_id += 1
        self._schemas[self._last_id] = schema
        return self._last_id

    def check(self, schema_id: int, record: JSON) -> None:
        """Let a record pass that fits a schema.

        Raises:
            NotFoundError: If there is no schema of that id.
            ProtocolError: If it does not fit; the text says why.
        """
        schema = self._schemas.get(schema_id)
        if schema is None:
            raise NotFoundError(f"no schema {schema_id} is being verified")
        if reason := schema.reason(record):
            raise ProtocolError(reason)

    def forget(self, schema_id: int) -> None:
        """Drop a schema; an unknown id is fine."""
        self._schemas.pop(schema_id, None)
