"""The tables that Model Manage keeps, and how the database is opened.

SQLite by default: write-ahead log, so that readers never wait, and
``synchronous=FULL``, so that what was committed survives a kill and a power cut.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from pilothouse.errors import ServiceError
from pilothouse.services.web import MAX_NAME_CHARS

__all__ = [
    "SCHEMA_VERSION",
    "assets",
    "attachments",
    "check_version",
    "metadata",
    "models",
    "open_engine",
    "snapshots",
]

SCHEMA_VERSION = 1

metadata = sa.MetaData()

_Name = sa.String(MAX_NAME_CHARS)
_Bytes = sa.LargeBinary(2**32 - 1)  # some databases have small ones by default

meta = sa.Table(
    "pilothouse_meta",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
)

models = sa.Table(
    "model",
    metadata,
    sa.Column("name", _Name, primary_key=True),
    sa.Column("mtype", sa.String(64), nullable=False),
    sa.Column("source", _Bytes, nullable=False),
)

attachments = sa.Table(
    "attachment",
    metadata,
    sa.Column("model", _Name, primary_key=True),
    sa.Column("name", _Name, primary_key=True),
    sa.Column("atype", sa.String(16), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("file", sa.String(64), nullable=False),
)

snapshots = sa.Table(
    "snapshot",
    metadata,
    sa.Column("model", _Name, primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_on", sa.String(32), nullable=False),
    sa.Column("stype", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("contents", _Bytes, nullable=False),
)

assets = sa.Table(
    "asset",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", _Name, primary_key=True),
    sa.Column("body", _Bytes, nullable=False),
)


def open_engine(data_dir: Path, url: str | None) -> sa.Engine:
    """Return an engine for a database; ``None`` is an SQLite file in the folder."""
    if url is None:
        url = f"sqlite:///{data_dir / 'fastscore.sqlite'}"
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def check_version(connection: sa.Connection) -> None:
    """Make the tables, or check that they are of this version.

    Raises:
        ServiceError: If the database was written by another version.
    """
    metadata.create_all(connection)
    found = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "version"))
    if found is None:
        row = {"key": "version", "value": str(SCHEMA_VERSION)}
        connection.execute(meta.insert().values(row))
    elif found != str(SCHEMA_VERSION):
        raise ServiceError(
            f"the database has version {found}, this release reads {SCHEMA_VERSION}",
            protocol="FastScore",
            hint="use the release that wrote it, or another --data-dir",
        )


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by sqlite3
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=30000",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Begin a write at once: one that began as a read could not become a write."""
    options = connection.get_execution_options()
    mode = "DEFERRED" if options.get("reads_only") else "IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN {mode}")
