"""Remote work that outlives the kernel: written down when sent, crossed out at the end.

A kernel can be killed at any moment, and what it had sent somewhere goes on there. Each
such job has a small file of its own, so that a later kernel finds it again:

    <state folder>/jobs/<kind>-<id>.json =
        {"id", "kind", "url", "label", "created", "details"}
    <state folder>/jobs/<kind>-<id>.kept =
        what has come back of it, where its service gives that only once

Files are written whole or not at all, are readable by their owner only, and never hold
a secret: who takes a job up again needs the credentials of its service as ever. A file
that makes no sense is told and left alone. Reads and writes the state folder, no more.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from pilothouse.errors import NotFoundError

__all__ = ["MAX_BYTES", "MAX_DAYS", "Damaged", "JobBook", "JobRecord"]

MAX_BYTES: Final = 64 * 1024
"""How large one record may be, as JSON."""
MAX_DAYS: Final = 30
"""Records that are older are dropped when a new one is written."""

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}\Z")
_KEPT = ".kept"
_SECRET = re.compile(r"pass(word|wd|phrase)|secret|credential|authorization", re.I)
_USERINFO = re.compile(r"^[a-z+]+://[^/@]*@", re.IGNORECASE)
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What is written down of one job.

    Attributes:
        id: Tells the jobs of a kind apart; letters, digits, ``_``, ``-``, ``.``.
        kind: The system that it runs on: ``"fastmap"``, ``"mplane"``.
        url: The address of the service, without user or password.
        label: What it is, for people.
        created: When it was sent, with a time zone.
        details: What its kind needs to find it again: small JSON, never a secret.
    """

    id: str
    kind: str
    url: str
    label: str = ""
    created: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("id", self.id), ("kind", self.kind)):
            if not _NAME.match(value):
                raise ValueError(f"{value!r} cannot be a job's {name}")
        if "-" in self.kind:
            raise ValueError(f"a kind has no '-': {self.kind!r}")
        if self.created.tzinfo is None:
            raise ValueError("a job's time needs a time zone")
        if _USERINFO.match(self.url):
            raise ValueError("a job's address must not hold a user or a password")
        for key in self.details:
            if _SECRET.search(key):
                raise ValueError(f"a job's details never hold a secret: {key!r}")
        if len(size := self.to_json()) > MAX_BYTES:
            raise ValueError(f"a job of {len(size):,} bytes is above {MAX_BYTES:,}")

    @property
    def key(self) -> str:
        """What tells it apart from jobs of all kinds."""
        return f"{self.kind}-{self.id}"

    def to_json(self) -> bytes:
        """Return the form that is written.

        Raises:
            ValueError: If the details are no JSON.
        """
        obj = {
            "id": self.id,
            "kind": self.kind,
            "url": self.url,
            "label": self.label,
            "created": self.created.isoformat(),
            "details": dict(self.details),
        }
        try:
            return json.dumps(obj, allow_nan=False).encode()
        except TypeError as exc:
            raise ValueError(f"a job's details have to be JSON: {exc}") from exc

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read the form that is written.

        Raises:
            ValueError: If it is not one.
        """
        obj = json.loads(data)
        if not isinstance(obj, dict) or not isinstance(obj.get("details"), dict):
            raise ValueError("it is no job")  # noqa: TRY004  all faults are one here
        texts: dict[str, str] = {}
        for key in ("id", "kind", "url", "label", "created"):
            if not isinstance(text := obj.get(key), str):
                raise ValueError(f"{key!r} is no text")  # noqa: TRY004
            texts[key] = text
        created = dt.datetime.fromisoformat(texts.pop("created"))
        return cls(created=created, details=obj["details"], **texts)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that should hold a job and does not.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    path: Path
    reason: str


class JobBook:
    """The jobs that are known on this machine, of all kernels of this user.

    Args:
        folder: Where it is kept; ``jobs`` in the user's state folder by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given = folder

    @property
    def folder(self) -> Path:
        """Where it is kept; there may be none yet."""
        if self._given is not None:
            return self._given
        import platformdirs

        return platformdirs.user_state_path("pilothouse") / "jobs"

    def remember(self, record: JobRecord) -> None:
        """Write a job down; one of the same kind and id is replaced."""
        self._make_folder()
        with self._locked():
            self._write(record)
        self._drop_old()

    def update(self, job_id: str, **details: Any) -> JobRecord:  # noqa: ANN401  JSON
        """Change some details of a job, and return what is written now.

        Raises:
            NotFoundError: If it is not written down.
            ValueError: If it would be too large, or hold a secret.
        """
        record = self.get(job_id)
        with self._locked():
            path = self._path(record)
            if not path.exists():
                raise NotFoundError(f"job {job_id!r} was crossed out meanwhile")
            with suppress(OSError, ValueError):  # what another kernel wrote meanwhile
                record = JobRecord.from_json(path.read_bytes())
            changed = replace(record, details={**record.details, **details})
            self._write(changed)
        return changed

    def kept(self, record: JobRecord) -> Path:
        """Return the file for what comes back of a job; it goes with the record."""
        return self._path(record).with_suffix(_KEPT)

    def forget(self, job_id: str) -> None:
        """Cross a job out, by its id or by ``kind-id``, if it is there."""
        found = [
            path
            for path in self._paths()
            if job_id in (path.stem, path.stem.partition("-")[2])
        ]
        if found:
            with self._locked():
                for path in found:
                    _remove(path)

    def get(self, job_id: str) -> JobRecord:
        """Return a job by its id, or by ``kind-id``, or by how its id begins.

        Raises:
            NotFoundError: If there is none, or more than one.
        """
        records = self.records()
        whole = [r for r in records if job_id in (r.id, r.key)]
        found = whole or [r for r in records if job_id and r.id.startswith(job_id)]
        if len(found) == 1:
            return found[0]
        problem = f"{len(found)} jobs begin with" if found else "no job"
        raise NotFoundError(
            f"{problem} {job_id!r}", hint="%pilot jobs shows what is out there"
        )

    def has(self, job_id: str) -> bool:
        """Tell whether a job of this whole id is written down."""
        return any(record.id == job_id for record in self.records())

    def records(self, kind: str | None = None) -> list[JobRecord]:
        """Return the jobs, the oldest first; of one kind, or of all."""
        found = [one for one in self._read() if isinstance(one, JobRecord)]
        found = [one for one in found if kind in (None, one.kind)]
        return sorted(found, key=lambda record: record.created)

    def damaged(self) -> list[Damaged]:
        """Return the files that cannot be read."""
        return [one for one in self._read() if isinstance(one, Damaged)]

    def _paths(self) -> list[Path]:
        try:
            return sorted(self.folder.glob("[!.]*-*.json"))
        except OSError:
            return []

    def _path(self, record: JobRecord) -> Path:
        return self.folder / f"{record.key}.json"

    def _read(self) -> Iterator[JobRecord | Damaged]:
        for path in self._paths():
            try:
                with path.open("rb") as file:
                    record = JobRecord.from_json(file.read(MAX_BYTES + 1))
            except FileNotFoundError:  # crossed out meanwhile
                continue
            except (OSError, ValueError) as exc:
                yield Damaged(path, str(exc))
                continue
            if path == self._path(record):
                yield record
            else:
                yield Damaged(path, f"it holds {record.key}")

    def _write(self, record: JobRecord) -> None:
        path = self._path(record)
        partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(record.to_json())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _drop_old(self) -> None:
        limit = dt.datetime.now(dt.UTC) - dt.timedelta(days=MAX_DAYS)
        for record in self.records():
            if record.created < limit:
                _remove(self._path(record))
        for path in self.folder.glob(f"*-*{_KEPT}"):  # of a record that is gone
            if not path.with_suffix(".json").exists():
                with suppress(OSError):
                    path.unlink()
        for path in self.folder.glob(".*-*.json.*"):  # of a kernel killed in a write
            with suppress(OSError):
                if path.stat().st_mtime < limit.timestamp():
                    path.unlink()

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads out, and other processes where the system can."""
        with _LOCK, (self.folder / ".lock").open("ab") as file:
            try:
                import fcntl
            except ImportError:  # no such thing there: whole files are still whole
                yield
                return
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with suppress(OSError):  # it is open where files in use cannot be removed
        path.with_suffix(_KEPT).unlink(missing_ok=True)
