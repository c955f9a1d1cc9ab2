"""Snapshots: states of a model that were saved.

Source: developer interface, "Snapshots".
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from .collections import RemoteMapping
from .errors import FastScoreRefusedError, refused
from .gateway import json_of, quoted
from .tables import table
from .wire import mime
from .wire.messages import SnapshotInfo
from .wire.pneumo import read_timestamp, timestamp_text

if TYPE_CHECKING:
    from .engine import Engine
    from .model import Model

__all__ = ["Snapshot", "SnapshotList", "Snapshots"]

_AMBIGUOUS = 300
Moment = datetime.datetime | datetime.date | str


class Snapshot:
    """A saved state of a model; `Model.snapshots` gives them.

    Attributes:
        id: For instance ``"yu647a12"``.
        created_on: When; aware.
        stype: A short tag of its format.
        size: In bytes.
        model: Whose state it is.
    """

    def __init__(
        self,
        snapid: str,
        created_on: datetime.datetime | str,
        stype: str,
        size: int,
        model: Model,
    ) -> None:
        self.id = snapid
        self.created_on = (
            read_timestamp(created_on) if isinstance(created_on, str) else created_on
        )
        self.stype = stype
        self.size = size
        self.model = model

    def __repr__(self) -> str:
        return f"<Snapshot {self.id} of {self.model.name}, {self.created_on:%F %T}>"

    def to_dict(self) -> dict[str, Any]:
        """Return ``id``, ``created_on`` (ISO-8601), ``type`` and ``size``."""
        return {
            "id": self.id,
            "created_on": timestamp_text(self.created_on),
            "type": self.stype,
            "size": self.size,
        }

    def restore(self, engine: Engine) -> None:
        """Give its state to an engine, which has to be in INIT.

        Raises:
            FastScoreError: If it cannot be fetched, or the engine refuses it.
        """
        mm = self.model.saved_in()
        route = f"1/model/{quoted(self.model.name)}/snapshot/{quoted(self.id)}/contents"
        with tempfile.SpooledTemporaryFile(max_size=1 << 23) as file:
            sink = cast("BinaryIO", file)
            mm.gateway.download(
                f"Unable to retrieve snapshot {self.id!r}",
                mm.route(route),
                sink,
                headers={"Accept": mime.BYTES_MIME},
            )
            size = sink.tell()
            sink.seek(0)
            engine.restore_state(sink, size=size)


class SnapshotList(list[Snapshot]):
    """Snapshots, the newest first."""

    def _repr_html_(self) -> str:
        rows = [[s.id, f"{s.created_on:%F %T}", s.stype, s.size] for s in self]
        columns = ["id", "created on", "type", "bytes"]
        return table(columns, rows, caption="snapshots", empty="no snapshots")


class Snapshots(RemoteMapping[str, Snapshot]):
    """The snapshots of a model by id, or by the beginning of one."""

    kind = "snapshots"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._mm = model.saved_in()

    def browse(
        self,
        date1: Moment | None = None,
        date2: Moment | None = None,
        count: int | None = None,
    ) -> SnapshotList:
        """Return snapshots, the newest first.

        Args:
            date1: Only those from this moment on; a moment without a zone is UTC.
            date2: Only those up to this moment.
            count: At most so many.

        Raises:
            FastScoreError: If they cannot be had.
        """
        query = []
        if count is not None:
            query.append(f"count={int(count)}")
        if date1 is not None or date2 is not None:
            span = f"{_iso(date1)}--{_iso(date2)}"
            query.append("date-range=" + quote(span, safe=""))
        what = f"Unable to list snapshots of model {self._model.name!r}"
        found = self._mm.gateway.get_json(
            what, self._path() + ("?" + "&".join(query) if query else "")
        )
        with self._mm.gateway.reading(what):
            return SnapshotList(self._made(item) for item in found)

    def keys(self) -> list[str]:
        """Return the ids, the newest first."""
        return [snapshot.id for snapshot in self.browse()]

    def ids(self) -> list[str]:
        """Return the ids, the newest first."""
        return self.keys()

    def values(self) -> Iterator[Snapshot]:
        """Yield the snapshots, the newest first."""
        return iter(self.browse())

    def __getitem__(self, key: str) -> Snapshot:
        what = f"Unable to retrieve snapshot {key!r}"
        answer = self._mm.gateway.call(
            what,
            "GET",
            self._path(key) + "/metadata",
            headers={"Accept": "application/json"},
            accept=frozenset({_AMBIGUOUS}),
            not_found=f"Snapshot {key!r} not found",
        )
        self._unambiguous(key, answer)
        with self._mm.gateway.reading(what):
            return self._made(json_of(what, answer))

    def __delitem__(self, key: str) -> None:
        answer = self._mm.gateway.call(
            f"Unable to remove snapshot {key!r}",
            "DELETE",
            self._path(key),
            accept=frozenset({_AMBIGUOUS}),
            not_found=f"Snapshot {key!r} not found",
        )
        self._unambiguous(key, answer)

    def _unambiguous(self, key: str, answer: Any) -> None:  # noqa: ANN401
        if answer.status == _AMBIGUOUS:
            cause = refused("", answer).caused_by
            raise FastScoreRefusedError(
                f"Several snapshots begin with {key!r}",
                cause,
                hint="give more of the id",
            )

    def _made(self, item: Any) -> Snapshot:  # noqa: ANN401 - a JSON value
        info = SnapshotInfo.from_wire(item)
        return Snapshot(info.id, info.created_on, info.type, info.size, self._model)

    def _path(self, key: str | None = None) -> str:
        rest = "" if key is None else f"/{quoted(key)}"
        return self._mm.route(f"1/model/{quoted(self._model.name)}/snapshot{rest}")

    def _table(self) -> tuple[list[str], list[list[object]]]:
        rows = [[s.id, f"{s.created_on:%F %T}", s.size] for s in self.browse()]
        return ["id", "created on", "bytes"], [list(row) for row in rows]


def _iso(moment: Moment | None) -> str:
    if moment is None:
        return ""
    return moment if isinstance(moment, str) else moment.isoformat()
