"""Bodies of requests.

    auth     = {}
    init     = { func_hash [func] [payload_part] [payload_len] }
    map      = { func_hash batch run_id [label] [index] [count] [name] [defer] }
    done     = { func_hash run_id [keep] }
    runs     = { [run_id] }                             ; feature "resume"
    results  = { run_id index }                         ; feature "resume"

Keys beside these are refused, so that a signed body of one endpoint passes at no other.
``index``, ``count``, ``name``, ``defer`` and ``keep`` go only to a service that has the
feature "resume". Source: seed; contract §2.5 to §2.7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from pilothouse.errors import ProtocolError

from .limits import LABEL_CHARACTERS, PART_BYTES, PARTS
from .packed import bin_header, pack, unpack_map

__all__ = [
    "EMPTY",
    "DoneRequest",
    "InitRequest",
    "MapRequest",
    "ResultsRequest",
    "RunsRequest",
    "read_empty",
]

EMPTY: Final = pack({})
"""The body of auth."""

_HASH: Final = re.compile(r"[0-9a-f]{16}")
_RUN_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
_MOST: Final = 2**53
_SMALL_MAP: Final = 0x80  # MessagePack: a map of up to 15 keys


def read_empty(body: bytes) -> None:
    """Check the body of auth.

    Raises:
        ProtocolError: If it is not the empty map.
    """
    unpack_map(body, "request").only(())


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    """Ask whether a function is stored, or send a part of it.

    Attributes:
        func_hash: 16 lower-case hex digits.
        func: A part of the function's blob; None only asks.
        payload_part: Number of the part, from 0.
        payload_len: How many parts there are.
    """

    func_hash: str
    func: bytes | None = None
    payload_part: int = 0
    payload_len: int = 1

    def __post_init__(self) -> None:
        _check_hash(self.func_hash)
        if not 1 <= self.payload_len <= PARTS:
            raise _wrong(f"payload_len has to be 1 to {PARTS}, not {self.payload_len}")
        if not 0 <= self.payload_part < self.payload_len:
            raise _wrong(f"there is no part {self.payload_part} of {self.payload_len}")
        if self.func is not None and not 0 < len(self.func) <= PART_BYTES:
            raise _wrong(
                f"a part of {len(self.func):,} bytes; 1 to {PART_BYTES:,} are allowed"
            )

    def to_bytes(self) -> bytes:
        """Return the body."""
        if self.func is None:
            return pack({"func_hash": self.func_hash})
        return pack(
            {
                "func_hash": self.func_hash,
                "func": self.func,
                "payload_part": self.payload_part,
                "payload_len": self.payload_len,
            }
        )

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none of an init request.
        """
        fields = unpack_map(body, "init request")
        fields.only(("func_hash", "func", "payload_part", "payload_len"))
        return cls(
            func_hash=fields.get("func_hash", str),
            func=fields.get("func", bytes, None),
            payload_part=fields.get("payload_part", int, 0),
            payload_len=fields.get("payload_len", int, 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRequest:
    """Map one batch.

    Attributes:
        func_hash: 16 lower-case hex digits.
        batch: gzip of the dill of any iterable; opaque here.
        run_id: The same for every batch of a map.
        label: The user's own words.
        index: Number of the batch's first item in the whole; None is not sent.
        count: Items in the batch; None is not sent.
        name: The function's name; None is not sent.
        defer: Whether to answer at once, before the batch is done.
    """

    func_hash: str
    batch: bytes
    run_id: str
    label: str = ""
    index: int | None = None
    count: int | None = None
    name: str | None = None
    defer: bool = False

    def __post_init__(self) -> None:
        _check_hash(self.func_hash)
        _check_run(self.run_id)
        _check_text("label", self.label)
        _check_text("name", self.name or "")
        for key, number in (("index", self.index), ("count", self.count)):
            if number is not None and not 0 <= number <= _MOST:
                raise _wrong(f"{key} has to be 0 to {_MOST}, not {number}")

    def to_bytes(self) -> bytes:
        """Return the body."""
        return b"".join(self.to_pieces())

    def to_pieces(self) -> tuple[bytes, bytes, bytes]:
        """Return the body in three pieces; the second is the batch, as it is."""
        more: Mapping[str, Any] = {
            "label": self.label,
            "run_id": self.run_id,
            "index": self.index,
            "count": self.count,
            "name": self.name,
            "defer": self.defer or None,
        }
        rest = {key: value for key, value in more.items() if value is not None}
        head = bytes([_SMALL_MAP | (len(rest) + 2)])
        head += pack("func_hash") + pack(self.func_hash) + pack("batch")
        tail = [pack(word) for item in rest.items() for word in item]
        return head + bin_header(len(self.batch)), self.batch, b"".join(tail)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none of a map request.
        """
        fields = unpack_map(body, "map request")
        fields.only(
            (
                "func_hash",
                "batch",
                "label",
                "run_id",
                "index",
                "count",
                "name",
                "defer",
            )
        )
        return cls(
            func_hash=fields.get("func_hash", str),
            batch=fields.get("batch", bytes),
            run_id=fields.get("run_id", str),
            label=fields.get("label", str, ""),
            index=fields.get("index", int, None),
            count=fields.get("count", int, None),
            name=fields.get("name", str, None),
            defer=fields.get("defer", bool, False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneRequest:
    """End a run.

    Attributes:
        func_hash: 16 lower-case hex digits.
        run_id: The run.
        keep: Whether to finish what was accepted and keep the results for a while.
    """

    func_hash: str
    run_id: str
    keep: bool = False

    def __post_init__(self) -> None:
        _check_hash(self.func_hash)
        _check_run(self.run_id)

    def to_bytes(self) -> bytes:
        """Return the body."""
        body: dict[str, Any] = {"func_hash": self.func_hash, "run_id": self.run_id}
        return pack({**body, "keep": True} if self.keep else body)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none of a done request.
        """
        fields = unpack_map(body, "done request")
        fields.only(("func_hash", "run_id", "keep"))
        return cls(
            func_hash=fields.get("func_hash", str),
            run_id=fields.get("run_id", str),
            keep=fields.get("keep", bool, False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsRequest:
    """Fetch the kept answer to one batch.

    Attributes:
        run_id: The run.
        index: Number of the batch's first item, as the map request told it; or of an
            item of a batch that failed.
    """

    run_id: str
    index: int

    def __post_init__(self) -> None:
        _check_run(self.run_id)
        if not 0 <= self.index <= _MOST:
            raise _wrong(f"index has to be 0 to {_MOST}, not {self.index}")

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack({"run_id": self.run_id, "index": self.index})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none of a results request.
        """
        fields = unpack_map(body, "results request")
        fields.only(("run_id", "index"))
        return cls(run_id=fields.get("run_id", str), index=fields.get("index", int))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsRequest:
    """Ask for the runs of a token.

    Attributes:
        run_id: Only this run, with its batches; None: all, each without them.
    """

    run_id: str | None = None

    def __post_init__(self) -> None:
        if self.run_id is not None:
            _check_run(self.run_id)

    def to_bytes(self) -> bytes:
        """Return the body."""
        return pack({} if self.run_id is None else {"run_id": self.run_id})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read a body.

        Raises:
            ProtocolError: If it is none of a runs request.
        """
        fields = unpack_map(body, "runs request")
        fields.only(("run_id",))
        return cls(run_id=fields.get("run_id", str, None))


def _check_hash(func_hash: str) -> None:
    if not _HASH.fullmatch(func_hash):
        raise _wrong(f"func_hash has to be 16 hex digits, not {func_hash[:100]!r}")


def _check_run(run_id: str) -> None:
    if not _RUN_ID.fullmatch(run_id):
        raise _wrong(
            "run_id has to be 1 to 128 letters, digits, '-' and '_', not "
            f"{run_id[:140]!r}"
        )


def _check_text(key: str, text: str) -> None:
    if len(text) > LABEL_CHARACTERS:
        raise _wrong(f"{key} is longer than {LABEL_CHARACTERS:,} characters")


def _wrong(what: str) -> ProtocolError:
    return ProtocolError(what, protocol="Fastmap")
