"""Bodies of answers that are MessagePack; results are opaque here.

    auth              = { [features] [pythons] [workers] }      ; {} of a real server
    INITIALIZING      = { init_step }
    INITIALIZATION_ERROR = { init_error init_tb }
    PROCESS_ERROR     = { exception traceback bad_modules
                          [index] [item] [partial] [error] [logs] }
    NOT_ENOUGH_CREDITS = { credits_used }
    refusals          = { [reason] }
    runs              = { runs: [ { run_id func_hash name label state created
                                    done failed queued running
                                    [batches: [ { index count state } ]] } ] }

Reading is lenient about what is absent, as servers differ, and exact about types. Keys
that are not named here are ignored. Source: contract §2.6, §6.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypeVar

from .packed import Fields, pack, unpack_map

__all__ = [
    "BatchInfo",
    "BatchState",
    "Credits",
    "Features",
    "InitError",
    "InitStep",
    "ProcessError",
    "Reason",
    "RunInfo",
    "RunState",
    "Runs",
]

_SOME = 64
_MANY = 1_000_000
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a service can do beyond the document; the body of a good auth.

    Attributes:
        features: Words: ``"bind"`` (bound signatures), ``"resume"`` (kept runs).
        pythons: Python versions of its workers, such as ``"3.11"``; empty: not told.
        workers: How many workers it has; 0: not told.
    """

    features: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    workers: int = 0

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack(
            {
                "features": list(self.features),
                "pythons": list(self.pythons),
                "workers": self.workers,
            }
        )

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none.
        """
        fields = unpack_map(body, "auth answer", containers=_SOME)
        return cls(
            features=fields.texts("features", []),
            pythons=fields.texts("pythons", []),
            workers=fields.whole("workers", 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InitStep:
    """What a worker that is not ready yet does now.

    Attributes:
        init_step: For instance ``"queued"`` or ``"importing"``.
    """

    init_step: str = ""

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack({"init_step": self.init_step})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none.
        """
        return cls(
            init_step=unpack_map(body, "answer", containers=_SOME).get(
                "init_step", str, ""
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InitError:
    """Why no worker can start.

    Attributes:
        init_error: The repr of what went wrong.
        init_tb: Its traceback.
    """

    init_error: str = ""
    init_tb: str = ""

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack({"init_error": self.init_error, "init_tb": self.init_tb})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none.
        """
        fields = unpack_map(body, "answer", containers=_SOME)
        return cls(
            init_error=fields.get("init_error", str, ""),
            init_tb=fields.get("init_tb", str, ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessError:
    """Why a batch failed.

    Attributes:
        exception: The repr of the user's exception.
        traceback: Its traceback, the user's frames.
        bad_modules: Modules that could not be imported.
        index: Number of the item in the batch, from 0; None: not known.
        item: A short repr of the item; None: not known.
        partial: Whether items before it were done.
        error: The exception itself as dill wrote it; None: not sent. Only for whoever
            has checked the signature.
        logs: What the user's code printed, bounded.
    """

    exception: str
    traceback: str = ""
    bad_modules: tuple[str, ...] = ()
    index: int | None = None
    item: str | None = None
    partial: bool = False
    error: bytes | None = None
    logs: str = ""

    def to_bytes(self) -> bytes:
        """Return the body."""
        body: dict[str, Any] = {
            "exception": self.exception,
            "traceback": self.traceback,
            "bad_modules": list(self.bad_modules),
        }
        if self.index is not None:
            body["index"] = self.index
        if self.item is not None:
            body["item"] = self.item
        if self.partial:
            body["partial"] = True
        if self.error is not None:
            body["error"] = self.error
        if self.logs:
            body["logs"] = self.logs
        return pack(body)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none.
        """
        fields = unpack_map(body, "answer", containers=_SOME)
        return cls(
            exception=fields.get("exception", str, ""),
            traceback=fields.get("traceback", str, ""),
            bad_modules=fields.texts("bad_modules", []),
            index=fields.whole("index", None),
            item=fields.get("item", str, None),
            partial=fields.get("partial", bool, False),
            error=fields.get("error", bytes, None),
            logs=fields.get("logs", str, ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was refused.

    Attributes:
        reason: In words; may be empty.
    """

    reason: str = ""

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack({"reason": self.reason} if self.reason else {})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none.
        """
        return cls(
            reason=unpack_map(body, "answer", containers=_SOME).get("reason", str, "")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """The balance, where it does not suffice.

    Attributes:
        credits_used: As the service counts.
    """

    credits_used: float = 0.0

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack({"credits_used": self.credits_used})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none.
        """
        return cls(
            credits_used=unpack_map(body, "answer", containers=_SOME).number(
                "credits_used", 0.0
            )
        )


class BatchState(StrEnum):
    """Where a batch is that a service knows."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RunState(StrEnum):
    """Where a run is that a service knows."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    KEPT = "kept"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchInfo:
    """One batch of a run.

    Attributes:
        index: Number of its first item in the whole.
        count: Items in it; 0: not told.
        state: Where it is.
    """

    index: int
    count: int
    state: BatchState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """One run that a service knows.

    Attributes:
        run_id: Its id.
        func_hash: Its function.
        name: The function's name; may be empty.
        label: The user's words; may be empty.
        state: Where it is.
        created: When it began, in seconds since 1970.
        done: Items in batches that are done.
        failed: Items in batches that failed.
        queued: Batches that wait for a worker.
        running: Batches at workers.
        batches: Those that told their index and can be fetched, in the order of it;
            told to who asks for this run alone, as there may be very many.
    """

    run_id: str
    func_hash: str
    name: str
    label: str
    state: RunState
    created: float
    done: int = 0
    failed: int = 0
    queued: int = 0
    running: int = 0
    batches: tuple[BatchInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The runs of a token that a service knows.

    Attributes:
        runs: Oldest first.
    """

    runs: tuple[RunInfo, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack({"runs": [_run_to_map(run) for run in self.runs]})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none.
        """
        maps = unpack_map(body, "runs answer", containers=_MANY).maps("runs")
        return cls(runs=tuple(_run(fields) for fields in maps))


def _run_to_map(run: RunInfo) -> dict[str, Any]:
    told: dict[str, Any] = {
        "run_id": run.run_id,
        "func_hash": run.func_hash,
        "name": run.name,
        "label": run.label,
        "state": run.state.value,
        "created": run.created,
        "done": run.done,
        "failed": run.failed,
        "queued": run.queued,
        "running": run.running,
    }
    if run.batches:
        told["batches"] = [
            {"index": each.index, "count": each.count, "state": each.state.value}
            for each in run.batches
        ]
    return told


def _run(fields: Fields) -> RunInfo:
    return RunInfo(
        run_id=fields.get("run_id", str),
        func_hash=fields.get("func_hash", str),
        name=fields.get("name", str, ""),
        label=fields.get("label", str, ""),
        state=_word(fields, RunState),
        created=fields.number("created", 0.0),
        done=fields.whole("done", 0),
        failed=fields.whole("failed", 0),
        queued=fields.whole("queued", 0),
        running=fields.whole("running", 0),
        batches=tuple(
            BatchInfo(
                index=each.whole("index"),
                count=each.whole("count", 0),
                state=_word(each, BatchState),
            )
            for each in fields.maps("batches", [])
        ),
    )


def _word(fields: Fields, kind: type[E]) -> E:
    text = fields.get("state", str)
    try:
        return kind(text)
    except ValueError:
        fields.refuse(f"has an unknown state {text[:100]!r}")
