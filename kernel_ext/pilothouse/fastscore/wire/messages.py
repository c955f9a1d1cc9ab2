"""The shapes of the REST API, as values.

Source: vendor API specifications v1 and v2; real SDK 1.10.3 as recorded.

    Health       = {"id", "release", "built_on"}
    InstanceInfo = {"id", "name", "api", "host", "port", "release", "built_on",
                    "health"}
    SlotInfo     = {"slot", "schema", "recordsets", "action"}
    JetInfo      = {"pid", "sandbox"}            ; sandbox: digits only
    ActiveModel  = {"name", "mtype", "source", "slots", "attachments", "snapshots",
                    "jets"}
    ActiveStream = {"slot", "name", "descriptor", "eof"}
    VerifyInfo   = {"slots", "install_libs", "warn_libs", "attach_libs", "snapshots"}
    SnapshotInfo = {"id", "created_on", "type", "size"}
    SensorInfo   = {"id", "tap"}

`from_wire` and `to_wire` are inverse to each other. Unknown fields are ignored.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Self

from pilothouse.errors import ProtocolError

from .values import JSON, Fields


class EngineState(enum.StrEnum):
    """What an engine is doing.

    The value is the upper-case word that the developer interface names; on the wire
    it is lower-case.
    """

    INIT = "INIT"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    PIGGING = "PIGGING"
    FINISHING = "FINISHING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"

    def __repr__(self) -> str:
        return repr(self.value)

    @property
    def wire(self) -> str:
        """The word on the wire, in lower case."""
        return self.value.lower()

    @classmethod
    def of(cls, word: JSON) -> EngineState:
        """Return the state that a word names, in any case.

        Raises:
            ProtocolError: If no state has that name.
        """
        if not isinstance(word, str) or word.upper() not in cls.__members__:
            raise ProtocolError(f"unknown engine state {word!r}")
        return cls[word.upper()]

    @classmethod
    def from_wire(cls, obj: JSON) -> EngineState:
        """Read ``{"state": "init"}``."""
        return cls.of(Fields(obj, "engine state").text("state"))

    def to_wire(self) -> dict[str, str]:
        """Return ``{"state": "init"}``."""
        return {"state": self.wire}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Which release an instance is; that it answers makes it healthy."""

    id: str
    release: str
    built_on: str

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read the answer to ``GET 1/health``."""
        fields = Fields(obj, "Health")
        return cls(
            id=fields.text("id"),
            release=fields.text("release"),
            built_on=fields.text("built_on"),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"id": self.id, "release": self.release, "built_on": self.built_on}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceInfo:
    """One instance of the fleet.

    Attributes:
        api: Its service: ``"model-manage"`` or ``"engine"``.
        health: ``"ok"`` or ``"fail"``.
    """

    id: str
    name: str
    api: str
    host: str
    port: int
    release: str
    built_on: str
    health: str

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read one element of ``GET 1/connect``.

        A filtered answer (``return=``) and an unhealthy instance leave fields out or
        null; they read as empty.
        """
        fields = Fields(obj, "InstanceInfo")
        port = fields.raw("port", None)
        return cls(
            id=fields.optional_text("id") or "",
            name=fields.text("name"),
            api=fields.optional_text("api") or "",
            host=fields.optional_text("host") or "",
            port=0 if port is None else fields.integer("port"),
            release=fields.optional_text("release") or "",
            built_on=fields.optional_text("built_on") or "",
            health=fields.optional_text("health") or "",
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.id,
            "name": self.name,
            "api": self.api,
            "host": self.host,
            "port": self.port,
            "release": self.release,
            "built_on": self.built_on,
            "health": self.health,
        }

    @property
    def is_healthy(self) -> bool:
        """Whether its health is ``"ok"``."""
        return self.health == "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotInfo:
    """One slot of a model.

    Attributes:
        slot: Even for inputs, odd for outputs.
        schema: The resolved Avro schema as JSON; ``None`` when untyped.
        recordsets: Whether the slot uses record sets.
        action: Function that handles an input slot; ``None`` for outputs.
    """

    slot: int
    schema: JSON = None
    recordsets: bool = False
    action: str | None = None

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read the JSON form."""
        fields = Fields(obj, "SlotInfo")
        return cls(
            slot=fields.integer("slot"),
            schema=fields.raw("schema", None),
            recordsets=fields.boolean("recordsets", False),
            action=fields.optional_text("action"),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "slot": self.slot,
            "schema": self.schema,
            "recordsets": self.recordsets,
            "action": self.action,
        }

    @property
    def is_input(self) -> bool:
        """Whether records come in here; even slots do."""
        return self.slot % 2 == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JetInfo:
    """One running instance of a model.

    Attributes:
        pid: Process id.
        sandbox: Name of the jet, digits only; it is part of tapping points.
    """

    pid: int
    sandbox: str

    def __post_init__(self) -> None:
        if not (self.sandbox.isascii() and self.sandbox.isdigit()):
            raise ProtocolError(f"a sandbox is made of digits, not {self.sandbox!r}")

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read the JSON form."""
        fields = Fields(obj, "JetInfo")
        return cls(pid=fields.integer("pid"), sandbox=fields.text("sandbox"))

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"pid": self.pid, "sandbox": self.sandbox}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveModel:
    """The model that an engine has loaded.

    Attributes:
        snapshots: ``"none"`` or ``"eof"``.
    """

    name: str
    mtype: str
    source: str
    slots: tuple[SlotInfo, ...] = ()
    attachments: tuple[str, ...] = ()
    snapshots: str = "none"
    jets: tuple[JetInfo, ...] = ()

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read the answer to ``GET 2/active/model``."""
        fields = Fields(obj, "ActiveModel")
        return cls(
            name=fields.text("name"),
            mtype=fields.text("mtype"),
            source=fields.text("source"),
            slots=tuple(SlotInfo.from_wire(slot) for slot in fields.items("slots", [])),
            attachments=fields.texts("attachments", []),
            snapshots=fields.text("snapshots", "none"),
            jets=tuple(JetInfo.from_wire(jet) for jet in fields.items("jets", [])),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "mtype": self.mtype,
            "source": self.source,
            "slots": [slot.to_wire() for slot in self.slots],
            "attachments": list(self.attachments),
            "snapshots": self.snapshots,
            "jets": [jet.to_wire() for jet in self.jets],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveStream:
    """A stream attached to a slot.

    Attributes:
        descriptor: As it was attached (external form); the real CLI reads its
            ``"Transport"``.
        eof: Whether it has come to its end.
    """

    slot: int
    name: str
    descriptor: dict[str, Any]
    eof: bool = False

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read one element of ``GET 2/active/stream``."""
        fields = Fields(obj, "ActiveStream")
        return cls(
            slot=fields.integer("slot"),
            name=fields.text("name"),
            descriptor=fields.mapping("descriptor"),
            eof=fields.boolean("eof", False),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "slot": self.slot,
            "name": self.name,
            "descriptor": self.descriptor,
            "eof": self.eof,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyInfo:
    """What a dry run of "load model" found out.

    All five fields are always on the wire: the real CLI compares the lists with
    ``[]`` and joins them.

    Attributes:
        install_libs: Imported libraries that the policy says to install.
        warn_libs: Imported libraries that the policy flags.
        attach_libs: Libraries declared as attached.
        snapshots: ``"none"`` or ``"eof"``.
    """

    slots: tuple[SlotInfo, ...] = ()
    install_libs: tuple[str, ...] = ()
    warn_libs: tuple[str, ...] = ()
    attach_libs: tuple[str, ...] = ()
    snapshots: str = "none"

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read the answer to a dry run of ``PUT 1/job/model``."""
        fields = Fields(obj, "VerifyInfo")
        return cls(
            slots=tuple(SlotInfo.from_wire(slot) for slot in fields.items("slots", [])),
            install_libs=fields.texts("install_libs", []),
            warn_libs=fields.texts("warn_libs", []),
            attach_libs=fields.texts("attach_libs", []),
            snapshots=fields.text("snapshots", "none"),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "slots": [slot.to_wire() for slot in self.slots],
            "install_libs": list(self.install_libs),
            "warn_libs": list(self.warn_libs),
            "attach_libs": list(self.attach_libs),
            "snapshots": self.snapshots,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """A saved state of a model.

    Attributes:
        created_on: ISO-8601 text.
        size: In bytes.
    """

    id: str
    created_on: str
    type: str
    size: int

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read the JSON form."""
        fields = Fields(obj, "SnapshotInfo")
        return cls(
            id=fields.text("id"),
            created_on=fields.text("created_on"),
            type=fields.text("type"),
            size=fields.integer("size"),
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.id,
            "created_on": self.created_on,
            "type": self.type,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorInfo:
    """An installed sensor and what it taps."""

    id: int
    tap: str

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read one element of ``GET 2/active/sensor``."""
        fields = Fields(obj, "SensorInfo")
        return cls(id=fields.integer("id"), tap=fields.text("tap"))

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"id": self.id, "tap": self.tap}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that Model Manage holds, without its source."""

    name: str
    mtype: str

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read one element of ``GET 1/model?return=type``."""
        fields = Fields(obj, "ModelInfo")
        return cls(name=fields.text("name"), mtype=fields.text("type"))

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"name": self.name, "type": self.mtype}


@dataclass(frozen=True, slots=True, kw_only=True)
class RateInfo:
    """How fast a stream delivers, measured outside of a pipeline.

    Attributes:
        rps: Records per second.
        mbps: Megabytes (1,048,576 bytes) per second.
    """

    rps: float
    mbps: float

    @classmethod
    def from_wire(cls, obj: JSON) -> Self:
        """Read one element of the answer to ``POST 1/stream/rate``."""
        fields = Fields(obj, "RateInfo")
        return cls(rps=fields.number("rps"), mbps=fields.number("mbps"))

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"rps": self.rps, "mbps": self.mbps}
