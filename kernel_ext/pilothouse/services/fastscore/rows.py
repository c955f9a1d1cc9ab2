"""Single rows of the store's tables: their keys, updates, and what must be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pilothouse.errors import NotFoundError

from .tables import models

__all__ = ["key_of", "need_model", "upsert"]


def key_of(table: sa.Table, **values: str) -> sa.ColumnElement[bool]:
    """Return the condition that some columns have some values."""
    return sa.and_(*(table.c[name] == value for name, value in values.items()))


def upsert(
    db: sa.Connection,
    table: sa.Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
) -> bool:
    """Update a row, or insert it; return whether it was there."""
    here = key_of(table, **key)
    if db.execute(table.update().where(here).values(**values)).rowcount:
        return True
    db.execute(table.insert().values({**key, **values}))
    return False


def need_model(db: sa.Connection, model: str) -> None:
    """Make sure that there is a model.

    Raises:
        NotFoundError: If there is none of that name.
    """
    query = sa.select(models.c.name).where(models.c.name == model)
    if db.scalar(query) is None:
        raise NotFoundError(f"model {model!r} not found")
