"""Pneumo messages: what the instances of a suite tell about themselves.

Source: real SDK 1.10.3, `pneumo`; vendor manual, "Pneumo".

    message   = {"src": instance name, "timestamp": ISO-8601, "type": word, ...}
    health         instance, health: "ok" / "fail"
    log            level, text
    model-console  text
    engine-state   state, lower-case
    engine-config  item, op, [ref]
    sensor-report  id, tap, data, delta_time
    model-error    input: null / {slot, seqno, data, batch_len, encoding}, console
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from pilothouse.errors import ProtocolError

from .values import JSON, Fields

LOG_LEVELS: Final[Mapping[int, str]] = {
    128: "debug",
    64: "info",
    32: "notice",
    16: "warning",
    8: "error",
    4: "critical",
    2: "alert",
    1: "emergency",
}
"""Level number -> name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PneumoMsg:
    """What all messages have.

    Attributes:
        src: Name of the instance that it comes from.
        timestamp: When; aware.
    """

    type: ClassVar[str] = ""

    src: str
    timestamp: datetime.datetime

    def __post_init__(self) -> None:
        if self.timestamp.tzinfo is None:
            raise ProtocolError("a Pneumo timestamp needs a time zone")

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "src": self.src,
            "timestamp": timestamp_text(self.timestamp),
            "type": self.type,
            **self._extra(),
        }

    def _extra(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMsg(PneumoMsg):
    """The health of an instance has changed: ``"ok"`` or ``"fail"``."""

    type: ClassVar[str] = "health"

    instance: str
    health: str

    def _extra(self) -> dict[str, Any]:
        return {"instance": self.instance, "health": self.health}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMsg(PneumoMsg):
    """A line of a log; `LOG_LEVELS` names the levels."""

    type: ClassVar[str] = "log"

    level: int
    text: str

    @property
    def severity(self) -> str:
        """Name of the level, for instance ``"info"``."""
        return LOG_LEVELS.get(self.level, str(self.level))

    def _extra(self) -> dict[str, Any]:
        return {"level": self.level, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConsoleMsg(PneumoMsg):
    """What a model has printed, one or several lines."""

    type: ClassVar[str] = "model-console"

    text: str

    def _extra(self) -> dict[str, Any]:
        return {"text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStateMsg(PneumoMsg):
    """An engine has entered a state; `state` is as received, lower-case."""

    type: ClassVar[str] = "engine-state"

    state: str

    def _extra(self) -> dict[str, Any]:
        return {"state": self.state}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfigMsg(PneumoMsg):
    """A model, stream or jet has come or gone.

    Attributes:
        item: ``"model"``, ``"stream"`` or ``"jet"``.
        op: ``"load"``, ``"reload"``, ``"unload"``; ``"attach"``, ``"reattach"``,
            ``"detach"``; ``"start"``, ``"stop"``.
        ref: Slot of a stream (int), sandbox of a jet (str), else ``None``.
    """

    type: ClassVar[str] = "engine-config"

    item: str
    op: str
    ref: int | str | None = None

    def _extra(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"item": self.item, "op": self.op}
        if self.ref is not None:
            extra["ref"] = self.ref
        return extra


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorReportMsg(PneumoMsg):
    """What a sensor has read since its last report.

    Attributes:
        sid: Id of the sensor.
        point: What it taps.
        data: A list (accumulate), a number (sum, count) or a bare reading.
        delta_time: Seconds since the last report; ``None`` if the peer left it out.
    """

    type: ClassVar[str] = "sensor-report"

    sid: int
    point: str
    data: JSON
    delta_time: float | None = None

    def _extra(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"id": self.sid, "tap": self.point, "data": self.data}
        if self.delta_time is not None:
            extra["delta_time"] = self.delta_time
        return extra


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInputInfo:
    """The input that a model failed on.

    Attributes:
        seqno: Number of the first record in `data`.
        data: The records as texts; possibly only the last ones of the batch.
        batch_len: How many records the batch had.
    """

    slot: int
    seqno: int
    data: tuple[str, ...]
    batch_len: int
    encoding: str | None = None

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read the JSON form."""
        fields = Fields(obj, "input of a model error")
        return cls(
            slot=fields.integer("slot"),
            seqno=fields.integer("seqno"),
            data=fields.texts("data"),
            batch_len=fields.integer("batch_len"),
            encoding=fields.optional_text("encoding"),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "slot": self.slot,
            "seqno": self.seqno,
            "data": list(self.data),
            "batch_len": self.batch_len,
            "encoding": self.encoding,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelErrorMsg(PneumoMsg):
    """A model has failed; `console` holds the traceback."""

    type: ClassVar[str] = "model-error"

    input: ModelInputInfo | None
    console: str

    def _extra(self) -> dict[str, Any]:
        return {
            "input": None if self.input is None else self.input.to_wire(),
            "console": self.console,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMsg(PneumoMsg):
    """A message of a type that this package does not know.

    Attributes:
        kind: Its type, for instance ``"metadata-event"``.
        fields: All other fields as they came.
    """

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "src": self.src,
            "timestamp": timestamp_text(self.timestamp),
            "type": self.kind,
            **self.fields,
        }


def read_message(obj: JSON) -> PneumoMsg:
    """Return the message that a JSON object holds.

    Raises:
        ProtocolError: If a known type lacks a field or has a wrong one. An unknown
            type is no error: it gives an `OtherMsg`.
    """
    fields = Fields(obj, "Pneumo message")
    kind = fields.text("type")
    src = fields.text("src")
    timestamp = read_timestamp(fields.text("timestamp"))
    read = _READERS.get(kind)
    if read is None:
        common = ("src", "timestamp", "type")
        rest = {key: value for key, value in obj.items() if key not in common}
        return OtherMsg(src=src, timestamp=timestamp, kind=kind, fields=rest)
    return read(src, timestamp, fields)


def message_type(message: PneumoMsg) -> str:
    """Return the type word of a message, also of an unknown one."""
    return message.kind if isinstance(message, OtherMsg) else message.type


def read_timestamp(text: str) -> datetime.datetime:
    """Return an ISO-8601 text as an aware datetime; without a zone it is UTC.

    Raises:
        ProtocolError: If it is not ISO-8601.
    """
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError as exc:
        raise ProtocolError(f"not an ISO-8601 timestamp: {text!r}") from exc
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)


def timestamp_text(when: datetime.datetime) -> str:
    """Return the wire form: UTC, six digits of a second, ``Z``."""
    utc = when.astimezone(datetime.UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "Z"


_Reader = Callable[[str, datetime.datetime, Fields], PneumoMsg]


def _health(src: str, when: datetime.datetime, fields: Fields) -> HealthMsg:
    return HealthMsg(
        src=src,
        timestamp=when,
        instance=fields.text("instance"),
        health=fields.text("health"),
    )


def _log(src: str, when: datetime.datetime, fields: Fields) -> LogMsg:
    return LogMsg(
        src=src,
        timestamp=when,
        level=fields.integer("level"),
        text=fields.text("text"),
    )


def _console(src: str, when: datetime.datetime, fields: Fields) -> ModelConsoleMsg:
    return ModelConsoleMsg(src=src, timestamp=when, text=fields.text("text"))


def _state(src: str, when: datetime.datetime, fields: Fields) -> EngineStateMsg:
    return EngineStateMsg(src=src, timestamp=when, state=fields.text("state"))


def _config(src: str, when: datetime.datetime, fields: Fields) -> EngineConfigMsg:
    ref = fields.raw("ref", None)
    if ref is not None and not isinstance(ref, str) and type(ref) is not int:
        raise fields.wrong("ref", "an integer or a string", ref)
    return EngineConfigMsg(
        src=src,
        timestamp=when,
        item=fields.text("item"),
        op=fields.text("op"),
        ref=ref,
    )


def _report(src: str, when: datetime.datetime, fields: Fields) -> SensorReportMsg:
    delta = fields.raw("delta_time", None)
    return SensorReportMsg(
        src=src,
        timestamp=when,
        sid=fields.integer("id"),
        point=fields.text("tap"),
        data=fields.raw("data"),
        delta_time=None if delta is None else fields.number("delta_time"),
    )


def _error(src: str, when: datetime.datetime, fields: Fields) -> ModelErrorMsg:
    given = fields.raw("input", None)
    return ModelErrorMsg(
        src=src,
        timestamp=when,
        input=None if given is None else ModelInputInfo.from_wire(given),
        console=fields.text("console"),
    )


_READERS: Final[Mapping[str, _Reader]] = {
    "health": _health,
    "log": _log,
    "model-console": _console,
    "engine-state": _state,
    "engine-config": _config,
    "sensor-report": _report,
    "model-error": _error,
}
