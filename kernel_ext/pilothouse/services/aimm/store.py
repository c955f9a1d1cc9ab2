"""Where a server keeps its instances: one table, as the real server has it.

Source: real server, aimm 1.2, `server.backend.sqlite`.

    CREATE TABLE models (id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL,
                         instance BLOB)

A file of either server works in the other; never in both at a time. A write that has
returned survives a kill.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from pilothouse.errors import ServiceError

__all__ = ["Store", "Stored"]

_TABLES = sa.MetaData()
_MODELS = sa.Table(
    "models",
    _TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("instance", sa.LargeBinary),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One row.

    Attributes:
        id: The number of the instance; none is ever used again.
        model_type: Its type.
        data: Its bytes.
    """

    id: int
    model_type: str
    data: bytes = field(repr=False)


class Store:
    """The instances of one server; its calls block and may come from any thread.

    Args:
        path: The file; None keeps nothing beyond this process.

    Raises:
        ServiceError: If the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._name = "memory" if path is None else str(path)
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise ServiceError(
                    f"no folder for the database {path}: {exc}"
                ) from None
        url = sa.URL.create("sqlite", database=None if path is None else str(path))
        self._engine = sa.create_engine(
            url,
            connect_args={"check_same_thread": False},
            poolclass=sa.StaticPool,
        )
        self._lock = threading.Lock()
        with self._transaction("opened") as connection:
            _TABLES.create_all(connection)

    def load(self) -> list[Stored]:
        """Return all instances, the oldest first.

        Raises:
            ServiceError: If the database cannot be read.
        """
        with self._transaction("read") as connection:
            rows = connection.execute(sa.select(_MODELS).order_by(_MODELS.c.id))
            return [Stored(row.id, row.type, row.instance or b"") for row in rows]

    def create(self, model_type: str, data: bytes) -> int:
        """Keep a new instance; return its number.

        Raises:
            ServiceError: If it cannot be written.
        """
        with self._transaction("written") as connection:
            done = connection.execute(
                _MODELS.insert().values(type=model_type, instance=data)
            )
            key = done.inserted_primary_key
            assert key is not None
            return int(key[0])

    def update(self, number: int, data: bytes) -> None:
        """Keep other bytes of an instance.

        Raises:
            ServiceError: If they cannot be written.
        """
        with self._transaction("written") as connection:
            connection.execute(
                _MODELS.update().where(_MODELS.c.id == number).values(instance=data)
            )

    def delete(self, number: int) -> None:
        """Forget an instance.

        Raises:
            ServiceError: If that cannot be written.
        """
        with self._transaction("written") as connection:
            connection.execute(_MODELS.delete().where(_MODELS.c.id == number))

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, what: str) -> Iterator[sa.Connection]:
        """One transaction at a time: all threads share one connection."""
        try:
            with self._lock, self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as exc:
            cause = getattr(exc, "orig", None) or exc
            raise ServiceError(
                f"the database {self._name} cannot be {what}: {cause}"
            ) from exc
