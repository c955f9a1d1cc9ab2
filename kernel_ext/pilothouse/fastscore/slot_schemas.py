"""The schemas of a model's slots: those that its annotations name, found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import FastScoreNotFoundError
from .wire.annotations import ModelOptions
from .wire.avro import Schema as AvroSchema

if TYPE_CHECKING:
    from .model import Model

__all__ = ["slot_schemas"]


def slot_schemas(
    model: Model, options: ModelOptions, given: Mapping[str, Any]
) -> dict[int, AvroSchema]:
    """Return the schema of each slot that has one."""
    from .schema import Schema

    known: dict[str, Any] = {**model.schemas, **given}
    found: dict[int, AvroSchema] = {}
    for slot, slot_options in options.slots.items():
        name = slot_options.schema_name
        if name is None:
            if slot_options.schema is not None:
                found[slot] = Schema(f"slot {slot}", slot_options.schema).check()
            continue
        schema = known.get(name)
        if schema is None and model.model_manage is not None:
            schema = model.model_manage.schemata.get(name)
        if schema is None:
            raise FastScoreNotFoundError(
                f"Schema {name!r} of slot {slot} not found",
                hint="pass schemas={name: schema}, or save it in Model Manage",
            )
        if not isinstance(schema, Schema):
            schema = Schema(name, schema)
        found[slot] = schema.check()
    return found
