"""A score on disk: what was sent, and all that came back, as it came.

The records of a score are with an engine, the outputs with the process that asked for
them; when that is killed the engine goes on. What it has written down until then lets
another process go on where it stopped (`pilothouse.fastscore.score_resume`).

    file   = entry { entry }
    entry  = kind count place size data     ; one letter, three numbers, bytes
    kind   = "h"  data are the `Heading`, as JSON
           | "p"  count records are about to be sent
           | "s"  count records were accepted
           | "e"  the mark behind the last record was accepted
           | "o"  data are an answer of the engine, with count outputs; place is how
                  many bytes came before. One that is there twice counts once: two
                  processes may have asked for it when one took over
           | "d"  all of it came back, also if there is no "e": the answer to the last
                  mark may come behind the mark itself

An entry is written in one piece, so a kill leaves at most one that is not whole; it
is taken off. The file is its owner's only. Reads and writes that file, no more.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from .errors import FastScoreProtocolError

__all__ = ["Heading", "Journal", "Noted"]

_HEAD = struct.Struct("<cIQQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What has to be known to go on with a score.

    Attributes:
        job: Tells it apart from others at the engine.
        engine: The engine's name.
        slots: Where records go in, and where outputs come out.
        descriptors: Of the streams at these slots.
        schemas: Of the model at these slots; ``None`` for none.
        is_recordset: Whether the model takes record sets.
        marks: The numbers of the first and of the last mark among the records.
        total: Records in all; ``None`` if that was not known.
        as_frame: What to make of the outputs, as `score` takes it.
    """

    job: str
    engine: str
    slots: tuple[int, int]
    descriptors: tuple[dict[str, Any], dict[str, Any]]
    schemas: tuple[Any, Any]
    is_recordset: bool
    marks: tuple[int, int]
    total: int | None
    as_frame: bool | None

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `Journal` has written.

        Raises:
            ValueError: If it is none.
        """
        found: Any = orjson.loads(data)
        try:
            pairs = ("slots", "descriptors", "schemas", "marks")
            both: dict[str, Any] = {key: tuple(found[key]) for key in pairs}
            return cls(**{**found, **both})
        except (LookupError, TypeError) as exc:
            raise ValueError("it is no heading of a score") from exc


@dataclass(slots=True)
class Noted:
    """What a journal holds.

    Attributes:
        heading: How to go on.
        sent: Records that the engine has accepted.
        in_doubt: Records of a call whose answer nobody has seen.
        received: Outputs that came back.
        is_all_sent: Whether the mark behind the last record was accepted.
        is_done: Whether all of it came back.
        size: Bytes of outputs that came back.
        answers: The engine's answers, in order; empty when they were not asked for.
    """

    heading: Heading
    sent: int = 0
    in_doubt: int = 0
    received: int = 0
    is_all_sent: bool = False
    is_done: bool = False
    size: int = 0
    answers: list[bytes] = field(default_factory=list)

    def __str__(self) -> str:
        total = self.heading.total
        of = "" if total is None else f" of {total:,}"
        doubt = f" ({self.in_doubt:,} more may have been)" if self.in_doubt else ""
        return f"{self.sent:,}{of} records sent{doubt}, {self.received:,} outputs back"


class Journal:
    """The journal of one score, open to be written.

    Args:
        path: The file; its folder is there.
        heading: Of a new one; ``None`` goes on with one that is there.
    """

    def __init__(self, path: Path, heading: Heading | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        if heading is None:
            whole = _whole(path)
            self._file = path.open("ab", buffering=0)
            self._file.truncate(whole)
        else:
            self._file = open(path, "xb", buffering=0, opener=_private)  # noqa: SIM115
            self._write(b"h", 0, orjson.dumps(asdict(heading)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sending(self, count: int) -> None:
        """Note that records are about to be sent."""
        self._write(b"p", count)

    def sent(self, count: int) -> None:
        """Note that they were accepted."""
        self._write(b"s", count)

    def all_sent(self) -> None:
        """Note that the mark behind the last record was accepted."""
        self._write(b"e", 0)

    def came(self, answer: bytes, count: int, place: int) -> None:
        """Note an answer with outputs, and how many bytes came before it."""
        self._write(b"o", count, answer, place)

    def done(self) -> None:
        """Note that all of it came back."""
        self._write(b"d", 0)

    def close(self) -> None:
        """Write no more; may be called twice."""
        with self._lock:
            self._file.close()

    def _write(
        self, kind: bytes, count: int, data: bytes = b"", place: int = 0
    ) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.write(_HEAD.pack(kind, count, place, len(data)) + data)

    @staticmethod
    def read(path: Path, *, answers: bool = True) -> Noted:
        """Return what a journal holds.

        Args:
            path: The file.
            answers: Whether to read the engine's answers, too.

        Raises:
            FileNotFoundError: If there is none.
            FastScoreProtocolError: If it is no journal.
        """
        noted: Noted | None = None
        for kind, count, place, size, data in _entries(path, answers=answers):
            if kind == b"h":
                noted = Noted(_heading(path, data))
            elif noted is None:
                break
            elif kind == b"p":
                noted.in_doubt = count
            elif kind == b"s":
                noted.sent, noted.in_doubt = noted.sent + count, 0
            elif kind == b"e":
                noted.is_all_sent, noted.in_doubt = True, 0
            elif kind == b"d":
                noted.is_done = noted.is_all_sent = True
                noted.in_doubt = 0
            elif kind == b"o" and place == noted.size:
                noted.received, noted.size = noted.received + count, noted.size + size
                noted.answers += [data] if answers else []
        if noted is None:
            raise FastScoreProtocolError(f"{path} is no journal of a score")
        return noted


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _heading(path: Path, data: bytes) -> Heading:
    try:
        return Heading.from_json(data)
    except ValueError as exc:
        raise FastScoreProtocolError(f"{path} is no journal of a score", exc) from exc


def _entries(
    path: Path, *, answers: bool
) -> Iterator[tuple[bytes, int, int, int, bytes]]:
    length = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            kind, count, place, size = _HEAD.unpack(head)
            if file.tell() + size > length:
                return
            if kind == b"o" and not answers:
                file.seek(size, os.SEEK_CUR)
                yield kind, count, place, size, b""
            else:
                yield kind, count, place, size, file.read(size)


def _whole(path: Path) -> int:
    """Return how many bytes of a journal are whole entries."""
    return sum(_HEAD.size + size for _, _, _, size, _ in _entries(path, answers=False))
