"""How running services are found: one 0600 file for each, in Jupyter's runtime folder.

    pilothouse-<node>-<pid>.json =
        {"node", "pid", "created", "data_dir", "log", "version", "services"}

``created`` is when the process was created: a file whose process is gone, or whose
pid belongs to another process by now, is stale and is removed. The file holds the
credentials of that start, hence its mode. Several machines may share the folder: each
looks at its own files only.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pilothouse.errors import ServiceError

from .endpoints import Endpoint, Fields

__all__ = ["Record", "find_records", "own_record", "runtime_dir"]

_SAME_PROCESS_SECONDS = 3.0
"""How far two readings of one process's creation may lie apart: it is computed from
the boot time, which moves when the clock is set."""

_MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of one running process of services.

    Attributes:
        created: When the process was created, seconds since the epoch.
        node: Name of its machine.
        log: Its log file; empty when it runs in the foreground.
        services: Service -> its endpoint.
    """

    pid: int
    created: float
    data_dir: str
    log: str = ""
    version: str = ""
    node: str = field(default_factory=socket.gethostname)
    services: Mapping[str, Mapping[str, str]] = field(repr=False)

    def __post_init__(self) -> None:
        shown = {name: Fields(one) for name, one in self.services.items()}
        object.__setattr__(self, "services", shown)

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Service -> endpoint."""
        return {name: Endpoint(name, one) for name, one in self.services.items()}

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("the record of running services cannot be pickled")

    def __copy__(self) -> Record:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Record:
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, secrets included."""
        return {
            "node": self.node,
            "pid": self.pid,
            "created": self.created,
            "data_dir": self.data_dir,
            "log": self.log,
            "version": self.version,
            "services": {name: dict(one) for name, one in self.services.items()},
        }

    def announcement(self) -> dict[str, Any]:
        """Return what ``pilothouse up --json`` prints."""
        return {"pid": self.pid, **self.to_dict()["services"]}

    @property
    def path(self) -> Path:
        """Its file."""
        return runtime_dir() / f"pilothouse-{self.node}-{self.pid}.json"

    def write(self) -> None:
        """Write the file: nobody else may read it, and no reader sees half of it."""
        folder = runtime_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = folder / f".{self.path.name}.partial"
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self.to_dict(), file)
        partial.rename(self.path)

    def remove(self) -> None:
        """Remove the file. May be called twice."""
        self.path.unlink(missing_ok=True)

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        created = _created(self.pid)
        return created is not None and (
            abs(created - self.created) < _SAME_PROCESS_SECONDS
        )


def runtime_dir() -> Path:
    """Return Jupyter's runtime folder."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def own_record(
    services: Mapping[str, Mapping[str, str]], data_dir: Path, log: str = ""
) -> Record:
    """Return the record of this process."""
    import pilothouse

    created = _created(os.getpid())
    if created is None:
        raise ServiceError("cannot tell when this process was created")
    return Record(
        pid=os.getpid(),
        created=created,
        data_dir=str(data_dir),
        log=log,
        version=pilothouse.__version__,
        services=services,
    )


def find_records() -> list[Record]:
    """Return the running ones, the youngest first; stale files are removed."""
    found = []
    for path in runtime_dir().glob("pilothouse-*.json"):
        record = _read(path)
        if record is None or record.node != socket.gethostname():
            continue
        if record.is_alive:
            found.append(record)
        else:
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda record: record.created, reverse=True)


def _read(path: Path) -> Record | None:
    """Return what a file says, or ``None`` if it is not ours or makes no sense."""
    try:
        with path.open("rb") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            obj = json.loads(file.read(_MAX_FILE_BYTES))
        return Record(
            node=str(obj["node"]),
            pid=int(obj["pid"]),
            created=float(obj["created"]),
            data_dir=str(obj["data_dir"]),
            log=str(obj["log"]),
            version=str(obj["version"]),
            services={str(k): dict(v) for k, v in obj["services"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _created(pid: int) -> float | None:
    """Return when a running process was created; ``None`` if there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None
