"""What Model Manage and Connect keep: a database, and files for attachments.

Every method is synchronous and safe to call from several threads; on the event loop
go through ``asyncio.to_thread``. When a method that writes has returned, what it
wrote survives the death of the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import orjson
import sqlalchemy as sa

from pilothouse.errors import NotFoundError
from pilothouse.fastscore.wire.messages import ModelInfo
from pilothouse.fastscore.wire.values import JSON

from .attachment_files import GRACE_SECONDS, AttachmentFiles, Upload
from .database import Database
from .rows import key_of, need_model, upsert
from .snapshot_store import SnapshotStore
from .tables import assets, attachments, models, snapshots

__all__ = [
    "AssetKind",
    "Store",
    "StoredAttachment",
    "StoredModel",
]

AssetKind: TypeAlias = Literal["schema", "stream", "sensor", "config"]


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


class Store(SnapshotStore):
    """Everything that survives the process.

    Args:
        data_dir: Folder of the database and the attachments.
        url: Another database, as SQLAlchemy spells it; attachments stay files.
    """

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        self._data_dir = Path(data_dir)
        self._files = AttachmentFiles(self._data_dir / "attachments")
        super().__init__(Database(self._data_dir, url, lambda: self.purge(0)))

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

    def put_model(self, name: str, mtype: str, source: str) -> bool:
        """Save a model; return whether it replaced one.

        Attachments and snapshots of a replaced model stay.
        """
        values = {"mtype": mtype, "source": source.encode()}
        return self._database.write(
            lambda db: upsert(db, models, {"name": name}, values)
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
            need_model(db, model)
            return sorted(db.scalars(query))

    def attachment(self, model: str, name: str) -> StoredAttachment:
        """Return where an attachment lies.

        Raises:
            NotFoundError: If there is none.
        """
        query = sa.select(attachments).where(
            key_of(attachments, model=model, name=name)
        )
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
            need_model(db, model)
        return self._files.begin()

    def put_attachment(self, model: str, name: str, atype: str, upload: Upload) -> bool:
        """Save a whole upload as an attachment; return whether it replaced one.

        Raises:
            NotFoundError: If the model has been deleted meanwhile.
        """
        key = {"model": model, "name": name}
        old = sa.select(attachments.c.file).where(key_of(attachments, **key))
        file = upload.keep()
        values = {"atype": atype, "size": upload.size, "file": file}

        def save(db: sa.Connection) -> str | None:
            need_model(db, model)
            unused: str | None = db.scalar(old)
            upsert(db, attachments, key, values)
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
        here = key_of(attachments, model=model, name=name)

        def delete(db: sa.Connection) -> str:
            file: str | None = db.scalar(sa.select(attachments.c.file).where(here))
            if file is None:
                raise NotFoundError(f"model {model!r} has no attachment {name!r}")
            db.execute(attachments.delete().where(here))
            return file

        self._files.retire(self._database.write(delete, frees=True))

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
        query = sa.select(assets.c.body).where(key_of(assets, kind=kind, name=name))
        with self._database.reading() as db:
            body = db.scalar(query)
        if body is None:
            raise NotFoundError(f"{kind} {name!r} not found")
        return orjson.loads(body)

    def get_schema(self, name: str) -> JSON:
        """Return a schema as JSON; raises as `get`."""
        return self.get("schema", name)

    def put(self, kind: AssetKind, name: str, value: JSON) -> bool:
        """Save a JSON value; return whether it replaced one."""
        body = {"body": orjson.dumps(value)}
        key = {"kind": kind, "name": name}
        return self._database.write(lambda db: upsert(db, assets, key, body))

    def delete(self, kind: AssetKind, name: str) -> None:
        """Delete a JSON value; raises as `get`."""
        here = key_of(assets, kind=kind, name=name)

        def delete(db: sa.Connection) -> None:
            if not db.execute(assets.delete().where(here)).rowcount:
                raise NotFoundError(f"{kind} {name!r} not found")

        self._database.write(delete, frees=True)
