"""Streams attached to slots: descriptor, schema, and what feeds or drains them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.fastscore.wire import transports as wire
from pilothouse.fastscore.wire.avro import Schema, accepts, parse_schema
from pilothouse.fastscore.wire.messages import ActiveStream
from pilothouse.fastscore.wire.streams import (
    Inherit,
    SchemaRef,
    StreamDescriptor,
    masked,
    parse_descriptor,
    schema_clash,
    secret_names,
    with_secrets,
)
from pilothouse.fastscore.wire.values import JSON
from pilothouse.services.fastscore.store import Store

from .intake import Intake
from .splitting import Splitter, splitter_of
from .transports.base import Reader, StreamError

__all__ = [
    "AttachedStream",
    "Feed",
    "open_descriptor",
    "splitter_for",
]


@dataclass(slots=True, kw_only=True)
class AttachedStream:
    """A stream at a slot.

    Attributes:
        external: The descriptor as it was attached.
        own_schema: Its own schema; ``None`` if it inherits the model's or is untyped.
        eof: Whether it has come to its end.
    """

    slot: int
    name: str
    external: dict[str, Any]
    stream: StreamDescriptor
    own_schema: Schema | None = None
    eof: bool = False

    @property
    def info(self) -> ActiveStream:
        """What GET shows: the descriptor as attached, secrets masked."""
        return ActiveStream(
            slot=self.slot,
            name=self.name,
            descriptor=masked(self.external),
            eof=self.eof,
        )

    @property
    def is_rest(self) -> bool:
        """Whether clients feed or drain it."""
        return isinstance(self.stream.transport, wire.Rest)

    @property
    def is_chunked(self) -> bool:
        """Whether it is REST in chunked mode."""
        transport = self.stream.transport
        return isinstance(transport, wire.Rest) and transport.is_chunked

    @property
    def encoding(self) -> str:
        """Name of its encoding."""
        return self.stream.encoding.kind.value

    def reads_like(self, other: AttachedStream) -> bool:
        """Whether records of another stream can be read as if they were its own."""
        return (
            self.stream.encoding == other.stream.encoding
            and self.stream.envelope == other.stream.envelope
            and self.stream.transport.keeps_bounds
            == other.stream.transport.keeps_bounds
        )

    def schemas(self, model_schema: Schema | None) -> list[Any]:
        """Return the schemas that records are checked with, as JSON.

        Raises:
            ProtocolError: If stream and model do not go together.
        """
        own = self.own_schema
        if own is not None and model_schema is not None:
            reader, writer = (
                (model_schema, own) if self.slot % 2 == 0 else (own, model_schema)
            )
            if clash := accepts(reader, writer):
                raise ProtocolError(
                    f"the schema of stream {self.name!r} does not fit slot "
                    f"{self.slot}: {clash}"
                )
        found = [schema for schema in (own, model_schema) if schema is not None]
        effective = found[0].json if found else None
        if clash := schema_clash(self.stream.encoding.kind, effective):
            raise ProtocolError(f"stream {self.name!r} at slot {self.slot}: {clash}")
        if len(found) == 2 and found[0].json == found[1].json:
            found = found[:1]
        return [schema.json for schema in found]

    def jet_form(self) -> dict[str, Any]:
        """Return what jets know of it: no addresses, no secrets."""
        mode = "simple" if self.stream.transport.keeps_bounds else "chunked"
        kept = {
            key: value
            for key, value in self.external.items()
            if key.lower() in ("encoding", "envelope")
        }
        if mode == "simple":
            kept = {k: v for k, v in kept.items() if k.lower() != "envelope"}
        return {"Transport": {"Type": "REST", "Mode": mode}, **kept}


async def open_descriptor(
    external: JSON, slot: int, name: str, store: Store, secrets: Path
) -> AttachedStream:
    """Return a stream for a slot; nothing is opened.

    Args:
        external: The descriptor as it came.
        slot: Where it goes.
        name: Of the stream.
        store: Where schemas are found by name.
        secrets: Folder of the files that ``secret://`` refers to.

    Raises:
        ProtocolError: If the descriptor is wrong.
    """
    resolved = await asyncio.to_thread(_resolved, external, secrets)
    stream = parse_descriptor(resolved)
    own: Schema | None = None
    if isinstance(stream.schema, SchemaRef):
        try:
            json = await asyncio.to_thread(store.get_schema, stream.schema.name)
        except NotFoundError as exc:
            raise ProtocolError(f"schema '{stream.schema.name}' not found") from exc
        own = await asyncio.to_thread(parse_schema, json)
    elif stream.schema is not None and not isinstance(stream.schema, Inherit):
        own = await asyncio.to_thread(parse_schema, stream.schema)
    return AttachedStream(
        slot=slot, name=name, external=dict(external), stream=stream, own_schema=own
    )


def _resolved(external: JSON, secrets: Path) -> JSON:
    def lookup(name: str) -> str:
        path = secrets / name
        if Path(name).name != name or not path.is_file():
            raise ProtocolError(f"secret {name!r} is not mounted in this engine")
        return path.read_text(encoding="utf-8").rstrip("\n")

    return with_secrets(external, lookup) if secret_names(external) else external


class Feed:
    """Reads a transport into an input slot, no faster than the slot is emptied.

    Args:
        reader: Opened already.
        splitter: Makes records of what is read.
        intake: Where they go.
        on_data: Told of each piece: its size before the envelope.
        on_failure: Told once when the transport breaks.
        limit: Bytes that may wait in the slot.
    """

    def __init__(
        self,
        reader: Reader,
        splitter: Splitter,
        intake: Intake,
        *,
        on_data: Callable[[int], None],
        on_failure: Callable[[StreamError], None],
        limit: int,
    ) -> None:
        self._reader = reader
        self._splitter = splitter
        self._intake = intake
        self._on_data = on_data
        self._on_failure = on_failure
        self._limit = limit
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def check_room(self) -> None:
        """Note that the slot may have been emptied."""
        if self._intake.size < self._limit:
            self._room.set()

    async def close(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.close()

    async def _run(self) -> None:
        try:
            while not self._intake.is_closed:
                pieces = await self._reader.read()
                if pieces is None:
                    for entry in self._splitter.finish():
                        self._intake.put(entry)
                    break
                self._take(pieces)
                await asyncio.sleep(0)
                await self._wait_for_room()
            self._intake.close()
            self._on_data(0)
            await self._reader.close()
        except (StreamError, ProtocolError) as exc:
            self._on_failure(StreamError(exc.message))

    def _take(self, pieces: list[bytes]) -> None:
        for entry in self._splitter.feed(pieces):
            self._intake.put(entry)
        self._intake.header = self._splitter.header
        self._on_data(sum(map(len, pieces)))

    async def _wait_for_room(self) -> None:
        while self._intake.size >= self._limit and self._intake.can_be_emptied:
            self._room.clear()
            await self._room.wait()


def splitter_for(attached: AttachedStream, schemas: list[Any]) -> Splitter:
    """Return what makes records of the bytes of an attached stream."""
    return splitter_of(attached.stream, schemas[0] if schemas else None)
