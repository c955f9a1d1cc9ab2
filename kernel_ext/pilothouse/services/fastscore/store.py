"""What Model Manage and Connect keep: a database, and files for attachments.

Every method is synchronous and safe to call from several threads; on the event loop
go through ``asyncio.to_thread``. When a method that writes has returned, what it
wrote survives the death of the process.
"""

from __future__ import annotations

import datetime
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import orjson
import sqlalchemy as sa

from pilothouse.errors import NotFoundError, PilothouseError
from pilothouse.fastscore.wire.messages import ModelInfo, SnapshotInfo
from pilothouse.fastscore.wire.pneumo import timestamp_text
from pilothouse.fastscore.wire.values import JSON

from .attachment_files import GRACE_SECONDS, AttachmentFiles, Upload
from .database import Database
from .tables import assets, attachments, models, snapshots

__all__ = [
    "AmbiguousError",
    "AssetKind",
    "ExistsError",
    "Store",
    "StoredAttachment",
    "StoredModel",
]

AssetKind: TypeAlias = Literal["schema", "stream", "sensor", "config"]

_ID_LETTERS = string.ascii_lowercase + string.digits


class AmbiguousError(PilothouseError):
    """A prefix fits several snapshots."""


class ExistsError(PilothouseError):
    """There is one of that id already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model as it is kept."""

    name: str
    mtype: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAttachment:
    """An attachment as it is kept.

    Attributes:
        path: The file. It never changes: a new upload gets another path, and this one
            can be opened for `GRACE_SECONDS` more.
        atype: ``"zip"`` or ``"tgz"``.
        size: In bytes.
    """

    path: Path
    atype: str
    size: int


class Store:
    """Everything that survives the process.

    Args:
        data_dir: Folder of the database and the attachments.
        url: Another database, as SQLAlchemy spells it; attachments stay files.
    """

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        self._data_dir = Path(data_dir)
        self._files = AttachmentFiles(self._data_dir / "attachments")
        self._database = Database(self._data_dir, url, lambda: self.purge(0))

    def open(self) -> None:
        """Open the database, make what is missing, remove left-overs.

        Raises:
            ServiceError: If it was written by another version.
        """
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files.open()
        self._database.open()
        with self._database.reading() as db:
            used = set(db.scalars(sa.select(attachments.c.file)))
        self._files.remove_all_but(used)

    def close(self) -> None:
        """Close the database. May be called twice."""
        self.purge(0)
        self._database.close()

    def purge(self, min_age_seconds: float = GRACE_SECONDS) -> None:
        """Remove files of attachments that were replaced or deleted a while ago."""
        self._files.purge(min_age_seconds)

    # models

    def model_infos(self) -> list[ModelInfo]:
        """Return name and type of every model, sorted by name."""
        query = sa.select(models.c.name, models.c.mtype)
        with self._database.reading() as db:
            rows = db.execute(query).all()
        return sorted(
            (ModelInfo(name=name, mtype=mtype) for name, mtype in rows),
            key=lambda info: info.name,
        )

    def get_model(self, name: str) -> StoredModel:
        """Return a model.

        Raises:
            NotFoundError: If there is none of that name.
        """
        query = sa.select(models).where(models.c.name == name)
        with self._database.reading() as db:
            row = db.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"model {name!r} not found")
        return StoredModel(name=row.name, mtype=row.mtype, source=row.source.decode())

    def has_model(self, name: str) -> bool:
        """Return whether there is a model of that name."""
        with self._database.reading() as db:
            return self._knows(db, name)

    def put_model(self, name: str, mtype: str, source: str) -> bool:
        """Save a model; return whether it replaced one.

        Attachments and snapshots of a replaced model stay.
        """
        values = {"mtype": mtype, "source": source.encode()}
        return self._database.write(
            lambda db: _upsert(db, models, {"name": name}, values)
        )

    def delete_model(self, name: str) -> None:
        """Delete a model with its attachments and snapshots.

        Raises:
            NotFoundError: If there is none of that name.
        """
        files = sa.select(attachments.c.file).where(attachments.c.model == name)

        def delete(db: sa.Connection) -> list[str]:
            if not db.execute(models.delete().where(models.c.name == name)).rowcount:
                raise NotFoundError(f"model {name!r} not found")
            unused = list(db.scalars(files))
            db.execute(attachments.delete().where(attachments.c.model == name))
            db.execute(snapshots.delete().where(snapshots.c.model == name))
            return unused

        for file in self._database.write(delete, frees=True):
            self._files.retire(file)

    # attachments

    def attachment_names(self, model: str) -> list[str]:
        """Return the names of a model's attachments, sorted.

        Raises:
            NotFoundError: If there is no such model.
        """
        query = sa.select(attachments.c.name).where(attachments.c.model == model)
        with self._database.reading() as db:
            self._need_model(db, model)
            return sorted(db.scalars(query))

    def attachment(self, model: str, name: str) -> StoredAttachment:
        """Return where an attachment lies.

        Raises:
            NotFoundError: If there is none.
        """
        query = sa.select(attachments).where(_key(attachments, model=model, name=name))
        with self._database.reading() as db:
            row = db.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"model {model!r} has no attachment {name!r}")
        path = self._files.path(row.file)
        return StoredAttachment(path=path, atype=row.atype, size=row.size)

    def begin_attachment(self, model: str) -> Upload:
        """Return a file to write an attachment to; then call `put_attachment`.

        Raises:
            NotFoundError: If there is no such model.
        """
        with self._database.reading() as db:
            self._need_model(db, model)
        return self._files.begin()

    def put_attachment(self, model: str, name: str, atype: str, upload: Upload) -> bool:
        """Save a whole upload as an attachment; return whether it replaced one.

        Raises:
            NotFoundError: If the model has been deleted meanwhile.
        """
        key = {"model": model, "name": name}
        old = sa.select(attachments.c.file).where(_key(attachments, **key))
        file = upload.keep()
        values = {"atype": atype, "size": upload.size, "file": file}

        def save(db: sa.Connection) -> str | None:
            self._need_model(db, model)
            unused: str | None = db.scalar(old)
            _upsert(db, attachments, key, values)
            return unused

        try:
            unused = self._database.write(save)
        except BaseException:
            self._files.retire(file)
            raise
        if unused is not None:
            self._files.retire(unused)
        return unused is not None

    def delete_attachment(self, model: str, name: str) -> None:
        """Delete an attachment.

        Raises:
            NotFoundError: If there is none.
        """
        here = _key(attachments, model=model, name=name)

        def delete(db: sa.Connection) -> str:
            file: str | None = db.scalar(sa.select(attachments.c.file).where(here))
            if file is None:
                raise NotFoundError(f"model {model!r} has no attachment {name!r}")
            db.execute(attachments.delete().where(here))
            return file

        self._files.retire(self._database.write(delete, frees=True))

    # snapshots

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
        query = _snapshot_columns().where(snapshots.c.model == model)
        if since is not None:
            query = query.where(snapshots.c.created_on >= timestamp_text(since))
        if until is not None:
            query = query.where(snapshots.c.created_on <= timestamp_text(until))
        query = query.order_by(snapshots.c.created_on.desc(), snapshots.c.id)
        if count is not None:
            query = query.limit(count)
        with self._database.reading() as db:
            self._need_model(db, model)
            return [_snapshot_info(row) for row in db.execute(query)]

    def find_snapshot(self, model: str, prefix: str) -> SnapshotInfo:
        """Return the snapshot of an id, or of a prefix that only one id has.

        Raises:
            NotFoundError: If no id begins so, or there is no such model.
            AmbiguousError: If several do.
        """
        with self._database.reading() as db:
            return self._find_snapshot(db, model, prefix)

    def snapshot_contents(self, model: str, prefix: str) -> tuple[SnapshotInfo, bytes]:
        """Return a snapshot and what it holds; raises as `find_snapshot`."""
        with self._database.reading() as db:
            info = self._find_snapshot(db, model, prefix)
            here = _key(snapshots, model=model, id=info.id)
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
            self._need_model(db, model)
            if db.scalar(sa.select(snapshots.c.id).where(_key(snapshots, **key))):
                raise ExistsError(f"model {model!r} has a snapshot {info.id!r} already")
            row = {**key, **values, "contents": contents}
            db.execute(snapshots.insert().values(row))

        self._database.write(save)
        return info

    def delete_snapshot(self, model: str, prefix: str) -> None:
        """Delete a snapshot; raises as `find_snapshot`."""

        def delete(db: sa.Connection) -> None:
            found = self._find_snapshot(db, model, prefix)
            here = _key(snapshots, model=model, id=found.id)
            db.execute(snapshots.delete().where(here))

        self._database.write(delete, frees=True)

    # schemas, streams, sensors, configuration: named JSON values

    def names(self, kind: AssetKind) -> list[str]:
        """Return the names of one kind of asset, sorted."""
        with self._database.reading() as db:
            return sorted(
                db.scalars(sa.select(assets.c.name).where(assets.c.kind == kind))
            )

    def get(self, kind: AssetKind, name: str) -> JSON:
        """Return a JSON value.

        Raises:
            NotFoundError: If there is none of that kind and name.
        """
        query = sa.select(assets.c.body).where(_key(assets, kind=kind, name=name))
        with self._database.reading() as db:
            body = db.scalar(query)
        if body is None:
            raise NotFoundError(f"{kind} {name!r} not found")
        return orjson.loads(body)

    def get_schema(self, name: str) -> JSON:
        """Return a schema as JSON; raises as `get`."""
        return self.get("schema", name)

    def get_stream(self, name: str) -> JSON:
        """Return a stream descriptor as JSON; raises as `get`."""
        return self.get("stream", name)

    def put(self, kind: AssetKind, name: str, value: JSON) -> bool:
        """Save a JSON value; return whether it replaced one."""
        body = {"body": orjson.dumps(value)}
        key = {"kind": kind, "name": name}
        return self._database.write(lambda db: _upsert(db, assets, key, body))

    def delete(self, kind: AssetKind, name: str) -> None:
        """Delete a JSON value; raises as `get`."""
        here = _key(assets, kind=kind, name=name)

        def delete(db: sa.Connection) -> None:
            if not db.execute(assets.delete().where(here)).rowcount:
                raise NotFoundError(f"{kind} {name!r} not found")

        self._database.write(delete, frees=True)

    # below

    def _knows(self, db: sa.Connection, model: str) -> bool:
        query = sa.select(models.c.name).where(models.c.name == model)
        return db.scalar(query) is not None

    def _need_model(self, db: sa.Connection, model: str) -> None:
        if not self._knows(db, model):
            raise NotFoundError(f"model {model!r} not found")

    def _find_snapshot(
        self, db: sa.Connection, model: str, prefix: str
    ) -> SnapshotInfo:
        self._need_model(db, model)
        query = _snapshot_columns().where(
            snapshots.c.model == model,
            snapshots.c.id.startswith(prefix, autoescape=True),
        )
        found = [_snapshot_info(row) for row in db.execute(query.limit(1000))]
        found = [info for info in found if info.id.startswith(prefix)]
        exact = [info for info in found if info.id == prefix]
        if len(exact) == 1:
            return exact[0]
        if not found:
            raise NotFoundError(f"model {model!r} has no snapshot {prefix!r}")
        if len(found) > 1:
            raise AmbiguousError(f"{len(found)} snapshots begin with {prefix!r}")
        return found[0]


def _key(table: sa.Table, **values: str) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in values.items()))


def _upsert(
    db: sa.Connection,
    table: sa.Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
) -> bool:
    """Update a row, or insert it; return whether it was there."""
    here = _key(table, **key)
    if db.execute(table.update().where(here).values(**values)).rowcount:
        return True
    db.execute(table.insert().values({**key, **values}))
    return False


def _snapshot_columns() -> sa.Select[Any]:
    c = snapshots.c
    return sa.select(c.id, c.created_on, c.stype, c.size)


def _snapshot_info(row: sa.Row[Any]) -> SnapshotInfo:
    return SnapshotInfo(
        id=row.id, created_on=row.created_on, type=row.stype, size=row.size
    )
