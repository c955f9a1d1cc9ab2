"""The body of "load model": what is sent along, and what goes by reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import FastScoreUsageError
from .wire.load import (
    MAX_INLINE_BYTES,
    ExternalAttachment,
    InlineAttachment,
    build_load,
)

if TYPE_CHECKING:
    from .attachment import Attachment
    from .engine import Engine
    from .model import Model
    from .schema import Schema

__all__ = ["load_body"]


def load_body(
    engine: Engine,
    model: Model,
    *,
    force_inline: bool,
    schemas: Mapping[str, Any],
    attachments: Sequence[Attachment] | None,
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of "load model".

    An attachment goes by reference when it is large and the engine can fetch it: when
    the Model Manage that holds it belongs to the same suite.

    Args:
        engine: Who will load it.
        model: The model.
        force_inline: Send everything along.
        schemas: Name -> schema, as JSON, JSON text or a `Schema`.
        attachments: Instead of the model's own.

    Raises:
        FastScoreUsageError: If it is no model.
    """
    from .model import Model

    if not isinstance(model, Model):
        raise FastScoreUsageError(f"a Model can be loaded, not {model!r:.80}")
    chosen = model.all_attachments() if attachments is None else attachments
    return build_load(
        name=model.name,
        mtype=model.mtype,
        source=model.source_bytes().decode(),
        attachments=[_part(engine, model, one, force_inline) for one in chosen],
        schemas={name: _text(schema) for name, schema in schemas.items()},
    )


def _part(
    engine: Engine, model: Model, attachment: Attachment, force_inline: bool
) -> InlineAttachment | ExternalAttachment:
    owner = attachment.model or model
    stored = owner.model_manage
    fetchable = stored is not None and stored.gateway is engine.gateway
    large = attachment.datasize > MAX_INLINE_BYTES
    if large and fetchable and not force_inline and attachment.is_stored:
        return ExternalAttachment(
            name=attachment.name,
            atype=attachment.atype,
            size=attachment.datasize,
            model=owner.name,
        )
    return InlineAttachment(
        name=attachment.name,
        atype=attachment.atype,
        data=Path(attachment.datafile).read_bytes(),
    )


def _text(schema: Schema | Any) -> str:  # noqa: ANN401 - JSON, JSON text or a Schema
    """Return a schema as JSON text, so that a type name comes with its quotes."""
    from .schema import Schema
    from .wire.values import unquoted

    value = schema.json() if isinstance(schema, Schema) else unquoted(schema)
    return json.dumps(value)
