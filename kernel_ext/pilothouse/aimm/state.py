"""The server's state as values: models and actions.

Source: REPL control, "State"; real server, aimm 1.2.

    {"models": {"1": {"instance_id", "model_type", "instance", "id", "type",
                      "size", "sha256"}},
     "actions": {"1": {"meta", "progress", "data_access", "action", "error"}}}

The document names the keys of a model ``type`` and ``id``, real servers send
``model_type`` and ``instance_id``; either is read. ``size`` and ``sha256`` stand in for
``instance`` where both ends agree on that.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OVER", "ActionEntry", "Entries", "ModelEntry", "State", "StateReader"]

Value = TypeVar("Value")

OVER: Final = frozenset({"complete", "failed", "cancelled"})
"""The words of progress after which an action changes no more."""

_COUNTED: Final = (("epoch", "epochs"), ("step", "steps"), ("done", "total"))
_WORD_CHARS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """What the state says of a model instance.

    Attributes:
        id: Its number on the server.
        model_type: As the plugin is registered.
        instance: Its bytes, or None when the state leaves them out.
        size: Length of these bytes, or None when nobody said.
        sha256: Their digest in lower-case hex, or empty.
    """

    id: int
    model_type: str
    instance: bytes | None = field(default=None, repr=False)
    size: int | None = None
    sha256: str = ""

    @classmethod
    def from_wire(cls, obj: Any) -> ModelEntry | None:  # noqa: ANN401  any JSON
        """Read a model of the state or of an answer; None when it is none."""
        if not isinstance(obj, Mapping):
            return None
        number = _integer(obj.get("instance_id", obj.get("id")))
        kind = obj.get("model_type", obj.get("type"))
        if number is None or not isinstance(kind, str):
            return None
        text = obj.get("instance")
        data: bytes | None = None
        if isinstance(text, str):
            try:
                data = base64.b64decode(text, validate=True)
            except (ValueError, binascii.Error):
                data = None
        size = _integer(obj.get("size"))
        return cls(
            id=number,
            model_type=kind,
            instance=data,
            size=len(data) if data is not None else size,
            sha256=str(obj.get("sha256") or ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEntry:
    """What the state says of an action.

    Attributes:
        id: Its number in this run of the server.
        call: ``create_instance``, ``fit`` or ``predict``.
        model: Id of the model instance, or None when it makes one.
        model_type: The type of which it makes one; empty otherwise.
        args: Its arguments as the server shows them.
        kwargs: Its keyword arguments likewise.
        progress: ``accessing_data``, ``executing``, ``storing``, ``complete``; our
            server has ``queued``, ``failed`` and ``cancelled`` too.
        data_access: What data access plugins reported, by place.
        report: What the plugin reported last, or None.
        error: Why it failed; empty otherwise.
        started: When it began, or None when the server does not tell.
        ended: When it ended, or None.
    """

    id: int
    call: str
    model: int | None = None
    model_type: str = ""
    args: tuple[str, ...] = ()
    kwargs: Mapping[str, str] = field(default_factory=dict)
    progress: str = ""
    data_access: Mapping[str, Any] = field(default_factory=dict)
    report: Any = None
    error: str = ""
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether it changes no more."""
        return self.progress in OVER

    @property
    def steps(self) -> tuple[float, float | None]:
        """What its plugin says to have done, and of how much, or None.

        Read from a report with ``epoch`` and ``epochs``, ``step`` and ``steps``,
        ``done`` and ``total``, or ``fraction``; or that is a number from 0 to 1.
        """
        return _steps(self.report)

    @property
    def words(self) -> str:
        """What its plugin reported last, in a few words, without the steps."""
        return _words(self.report)

    @classmethod
    def from_wire(cls, key: str, obj: Any) -> ActionEntry | None:  # noqa: ANN401
        """Read an action of the state; None when it is none."""
        number = _integer(key)
        meta = obj.get("meta") if isinstance(obj, Mapping) else None
        if number is None or not isinstance(meta, Mapping):
            return None
        args, kwargs = meta.get("args"), meta.get("kwargs")
        return cls(
            id=number,
            call=str(meta.get("call") or ""),
            model=_integer(meta.get("model")),
            model_type=str(meta.get("model_type") or ""),
            args=tuple(map(str, args)) if isinstance(args, list) else (),
            kwargs=dict(kwargs) if isinstance(kwargs, Mapping) else {},
            progress=str(obj.get("progress") or ""),
            data_access=_mapping(obj.get("data_access")),
            report=obj.get("action"),
            error=str(obj.get("error") or ""),
            started=_time(obj.get("started")),
            ended=_time(obj.get("ended")),
        )


class Entries(Mapping[int, Value]):
    """A part of the state by number, at one moment; shows itself as a table."""

    def __init__(
        self, entries: Mapping[int, Value], row: Callable[[Value], dict[str, Any]]
    ) -> None:
        self._entries = dict(entries)
        self._row = row

    def __getitem__(self, number: int) -> Value:
        return self._entries[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def rows(self) -> list[dict[str, Any]]:
        """Return the entries as rows of a table, each with its ``id``."""
        return [{"id": n, **self._row(entry)} for n, entry in self._entries.items()]

    def to_frame(self) -> pd.DataFrame:
        """Return the entries as a frame, indexed by ``id``."""
        import pandas as pd

        rows = self.rows()
        columns = list(rows[0]) if rows else ["id"]
        return pd.DataFrame(rows, columns=columns).set_index("id")

    def __repr__(self) -> str:
        lines = [
            "  ".join(f"{key}={value}" for key, value in row.items() if value != "")
            for row in self.rows()
        ]
        return "\n".join(lines) or "(none)"

    def _repr_html_(self) -> str:
        rows = self.rows()
        if not rows:
            return "<p>(none)</p>"
        head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
        body = "".join(
            "<tr>"
            + "".join(f"<td>{escape(_shown(value))}</td>" for value in row.values())
            + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The server's state at one moment.

    Attributes:
        models: Model instances by id.
        actions: Actions by id, the oldest first.
    """

    models: Mapping[int, ModelEntry] = field(default_factory=dict)
    actions: Mapping[int, ActionEntry] = field(default_factory=dict)

    def last_action(self, model: int) -> ActionEntry | None:
        """Return the newest action on a model instance, or None."""
        found = [entry for entry in self.actions.values() if entry.model == model]
        return found[-1] if found else None


class StateReader:
    """Reads one state after another; what is the same object is not read again.

    What is no model and no action is passed over; before login a state is null or an
    empty object.
    """

    def __init__(self) -> None:
        self._models: dict[str, tuple[Any, ModelEntry | None]] = {}
        self._actions: dict[str, tuple[Any, ActionEntry | None]] = {}

    def read(self, obj: Any) -> State:  # noqa: ANN401  any JSON
        """Return what a state says."""
        parts = _mapping(obj)
        self._models = _reread(
            self._models,
            parts.get("models"),
            lambda _, part: ModelEntry.from_wire(part),
        )
        self._actions = _reread(
            self._actions, parts.get("actions"), ActionEntry.from_wire
        )
        models = [entry for _, entry in self._models.values() if entry is not None]
        actions = [entry for _, entry in self._actions.values() if entry is not None]
        actions.sort(key=lambda entry: entry.id)
        return State(
            models={entry.id: entry for entry in models},
            actions={entry.id: entry for entry in actions},
        )


def _reread(
    before: Mapping[str, tuple[Any, Value | None]],
    obj: object,
    read: Callable[[str, Any], Value | None],
) -> dict[str, tuple[Any, Value | None]]:
    found = {}
    for key, part in _mapping(obj).items():
        known = before.get(key)
        if known is not None and known[0] is part:
            found[key] = known
        else:
            found[key] = (part, read(key, part))
    return found


def _mapping(obj: object) -> Mapping[str, Any]:
    return obj if isinstance(obj, Mapping) else {}


def _integer(obj: object) -> int | None:
    if isinstance(obj, bool) or not isinstance(obj, int | str | float):
        return None
    try:
        return int(obj)
    except (ValueError, OverflowError):
        return None


def _time(obj: object) -> datetime.datetime | None:
    if isinstance(obj, bool) or not isinstance(obj, int | float):
        return None
    try:
        return datetime.datetime.fromtimestamp(obj, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _words(report: object) -> str:
    if not isinstance(report, Mapping):
        counts = report is None or _steps(report)[1] is not None
        return "" if counts else _word(report)
    counted = {name for pair in _COUNTED for name in pair} | {"fraction"}
    told = {name: value for name, value in report.items() if name not in counted}
    return ", ".join(f"{name} {_word(value)}" for name, value in told.items())


def _word(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _WORD_CHARS else f"{text[: _WORD_CHARS - 1]}…"


def _steps(report: object) -> tuple[float, float | None]:
    if isinstance(report, Mapping):
        for name, whole in _COUNTED:
            done, total = report.get(name), report.get(whole)
            if _is_number(done):
                return float(done), float(total) if _is_number(total) else None
        report = report.get("fraction")
    if _is_number(report) and 0 <= report <= 1:
        return float(report), 1.0
    return 0.0, None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return "" if value is None else str(value)
