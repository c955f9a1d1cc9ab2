"""Snapshots as the store keeps them: saved states of models, by id or prefix."""

from __future__ import annotations

import datetime
import secrets
import string
from typing import Any

import sqlalchemy as sa

from pilothouse.errors import NotFoundError, PilothouseError
from pilothouse.fastscore.wire.messages import SnapshotInfo
from pilothouse.fastscore.wire.pneumo import timestamp_text

from .database import Database
from .rows import key_of, need_model
from .tables import snapshots

__all__ = ["AmbiguousError", "ExistsError", "SnapshotStore"]

_ID_LETTERS = string.ascii_lowercase + string.digits


class AmbiguousError(PilothouseError):
    """A prefix fits several snapshots."""


class ExistsError(PilothouseError):
    """There is one of that id already."""


class SnapshotStore:
    """The part of the store that keeps snapshots.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def snapshot_infos(
        self,
        model: str,
        *,
        since: datetime.datetime | None = None,
        until: datetime.datetime | None = None,
        count: int | None = None,
    ) -> list[SnapshotInfo]:
        """Return a model's snapshots, newest first.

        Args:
            model: Name of the model.
            since: Not older than this.
            until: Not newer than this.
            count: At most so many.

        Raises:
            NotFoundError: If there is no such model.
        """
        query = _columns().where(snapshots.c.model == model)
        if since is not None:
            query = query.where(snapshots.c.created_on >= timestamp_text(since))
        if until is not None:
            query = query.where(snapshots.c.created_on <= timestamp_text(until))
        query = query.order_by(snapshots.c.created_on.desc(), snapshots.c.id)
        if count is not None:
            query = query.limit(count)
        with self._database.reading() as db:
            need_model(db, model)
            return [_info(row) for row in db.execute(query)]

    def find_snapshot(self, model: str, prefix: str) -> SnapshotInfo:
        """Return the snapshot of an id, or of a prefix that only one id has.

        Raises:
            NotFoundError: If no id begins so, or there is no such model.
            AmbiguousError: If several do.
        """
        with self._database.reading() as db:
            return _find(db, model, prefix)

    def snapshot_contents(self, model: str, prefix: str) -> tuple[SnapshotInfo, bytes]:
        """Return a snapshot and what it holds; raises as `find_snapshot`."""
        with self._database.reading() as db:
            info = _find(db, model, prefix)
            here = key_of(snapshots, model=model, id=info.id)
            contents = db.scalar(sa.select(snapshots.c.contents).where(here))
        return info, bytes(contents or b"")

    def put_snapshot(
        self,
        model: str,
        stype: str,
        contents: bytes,
        *,
        snapshot_id: str | None = None,
        created_on: datetime.datetime | None = None,
    ) -> SnapshotInfo:
        """Save a snapshot under a new id and return what was saved.

        Args:
            model: Name of the model it belongs to.
            stype: Short tag that tells its format.
            contents: The state.
            snapshot_id: The id; by default eight random letters and digits.
            created_on: When it was made, aware; by default now.

        Raises:
            NotFoundError: If there is no such model.
            ExistsError: If the model has a snapshot of that id.
        """
        info = SnapshotInfo(
            id=snapshot_id or "".join(secrets.choice(_ID_LETTERS) for _ in range(8)),
            created_on=timestamp_text(
                created_on or datetime.datetime.now(datetime.UTC)
            ),
            type=stype,
            size=len(contents),
        )
        key = {"model": model, "id": info.id}
        values = {"created_on": info.created_on, "stype": stype, "size": info.size}

        def save(db: sa.Connection) -> None:
            need_model(db, model)
            if db.scalar(sa.select(snapshots.c.id).where(key_of(snapshots, **key))):
                raise ExistsError(f"model {model!r} has a snapshot {info.id!r} already")
            row = {**key, **values, "contents": contents}
            db.execute(snapshots.insert().values(row))

        self._database.write(save)
        return info

    def delete_snapshot(self, model: str, prefix: str) -> None:
        """Delete a snapshot; raises as `find_snapshot`."""

        def delete(db: sa.Connection) -> None:
            found = _find(db, model, prefix)
            here = key_of(snapshots, model=model, id=found.id)
            db.execute(snapshots.delete().where(here))

        self._database.write(delete, frees=True)


def _find(db: sa.Connection, model: str, prefix: str) -> SnapshotInfo:
    need_model(db, model)
    exact = db.execute(_columns().where(key_of(snapshots, model=model, id=prefix)))
    if (row := exact.one_or_none()) is not None:
        return _info(row)
    query = _columns().where(
        snapshots.c.model == model,
        snapshots.c.id.startswith(prefix, autoescape=True),
    )
    found = [_info(row) for row in db.execute(query.limit(1000))]
    found = [info for info in found if info.id.startswith(prefix)]
    if not found:
        raise NotFoundError(f"model {model!r} has no snapshot {prefix!r}")
    if len(found) > 1:
        raise AmbiguousError(f"{len(found)} snapshots begin with {prefix!r}")
    return found[0]


def _columns() -> sa.Select[Any]:
    c = snapshots.c
    return sa.select(c.id, c.created_on, c.stype, c.size)


def _info(row: sa.Row[Any]) -> SnapshotInfo:
    return SnapshotInfo(
        id=row.id, created_on=row.created_on, type=row.stype, size=row.size
    )
