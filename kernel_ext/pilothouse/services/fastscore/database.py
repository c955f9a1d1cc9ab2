"""The database behind the store: reads, and writes that survive a full disk.

A write that finds the disk full is tried once more after room was made; what deletes
may use the spare file for that, which is set aside while there is room. So a full
disk can always be cleared through the service itself.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from pilothouse.errors import ServiceError
from pilothouse.services.storage import is_storage_full

from .tables import check_version, open_engine

__all__ = ["Database"]

T = TypeVar("T")

_SPARE_BYTES = 1024 * 1024


class Database:
    """One database; safe to use from several threads.

    Args:
        data_dir: Folder of the SQLite file and of the spare file.
        url: Another database, as SQLAlchemy spells it.
        make_room: Called when the disk is full, before a write is tried again.
    """

    def __init__(
        self, data_dir: Path, url: str | None, make_room: Callable[[], None]
    ) -> None:
        self._data_dir = data_dir
        self._url = url
        self._make_room = make_room
        self._spare = data_dir / "spare"
        self._engine: sa.Engine | None = None
        self._write_lock = threading.Lock()

    def open(self) -> None:
        """Open the database, and make what is missing.

        Raises:
            ServiceError: If it cannot be used, or was written by another version.
        """
        try:
            self._engine = open_engine(self._data_dir, self._url)
            self.write(check_version)
        except (sa.exc.SQLAlchemyError, ImportError) as exc:
            cause = getattr(exc, "orig", None) or exc  # without the URL: it may hold
            self.close()  # a password
            raise ServiceError(f"the database cannot be used: {cause}") from None
        self._set_aside()

    def close(self) -> None:
        """Close the database. May be called twice."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection to read with."""
        with self._opened().connect() as db:
            yield db.execution_options(reads_only=True)

    def write(self, work: Callable[[sa.Connection], T], *, frees: bool = False) -> T:
        """Do some work in one transaction, and return what it returns.

        Args:
            work: Called again if the disk was full at first.
            frees: Whether it deletes, and may use the spare file.
        """
        with self._write_lock:
            try:
                return self._transact(work)
            except sa.exc.DBAPIError as exc:
                if not is_storage_full(exc):
                    raise
            self._make_room()
            if frees:
                self._spare.unlink(missing_ok=True)
                self._empty_log()
            try:
                return self._transact(work)
            finally:
                self._set_aside()

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        with self._opened().begin() as db:
            return work(db)

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            raise RuntimeError("the store is not open")
        return self._engine

    def _empty_log(self) -> None:
        """Move SQLite's log into its file, as far as that is possible."""
        if self._opened().dialect.name != "sqlite":
            return
        with contextlib.suppress(sa.exc.DBAPIError), self._opened().connect() as db:
            raw = db.connection.dbapi_connection
            if raw is not None:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _set_aside(self) -> None:
        """Fill the spare file, if there is room for it."""
        if self._spare.exists():
            return
        try:
            with self._spare.open("xb") as file:
                file.write(bytes(_SPARE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self._spare.unlink(missing_ok=True)
