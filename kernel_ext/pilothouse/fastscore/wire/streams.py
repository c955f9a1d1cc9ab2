"""Stream descriptors: transport, encoding, envelope, schema and batching.

Source: vendor manual, "Stream descriptors", "Encodings", "Envelopes"; real SDK
1.10.3.

    descriptor = {"Transport", ["Encoding"], ["Envelope"], ["Schema"], ["Batching"],
                  ["Loop"], ["SkipTo"], ["SkipToRecord"], ["LingerTime"],
                  ["EndMarker"], ["Version"], ["Description"]}

Keys and words are read without regard to case, unknown keys are ignored. What the
manual does not allow together is refused by name.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pilothouse.errors import ProtocolError

from .envelope_values import (
    Delimited,
    DelimitedCsv,
    Envelope,
    Fixed,
    OcfBlock,
    parse_envelope,
)
from .folded import Folded
from .literals import expand
from .transports import (
    STARS,
    Http,
    Inline,
    Kafka,
    Odbc,
    Rest,
    Transport,
    parse_transport,
)
from .values import JSON, brief, unquoted

__all__ = [
    "EACH",
    "EXPLICIT",
    "NORMAL",
    "SECRET_PREFIX",
    "Batching",
    "Delimited",
    "DelimitedCsv",
    "Encoding",
    "EncodingKind",
    "Envelope",
    "Fixed",
    "Inherit",
    "OcfBlock",
    "SchemaRef",
    "StreamDescriptor",
    "StreamSchema",
    "expand",
    "masked",
    "parse_descriptor",
    "schema_clash",
    "secret_names",
    "with_secrets",
]

SECRET_PREFIX: Final = "secret://"


class EncodingKind(enum.StrEnum):
    """How the bytes of a record are to be read."""

    NULL = "null"
    UTF8 = "utf-8"
    JSON = "json"
    CSV = "csv"
    MSGPACK = "msgpack"
    AVRO = "avro-binary"
    SOAP = "soap-rpc"

    @property
    def is_self_delimiting(self) -> bool:
        """Whether records can follow each other without a separator."""
        return self in (EncodingKind.MSGPACK, EncodingKind.AVRO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """An encoding, with the options of csv.

    Attributes:
        quote: Quote character of csv.
        delimiter: Field delimiter of csv.
    """

    kind: EncodingKind = EncodingKind.NULL
    quote: str = '"'
    delimiter: str = ","

    def internal(self) -> JSON:
        """Return the internal form: ``None``, a word, or an object for csv."""
        if self.kind is EncodingKind.NULL:
            return None
        if self.kind is EncodingKind.CSV:
            return {
                "type": "csv",
                "quote_character": self.quote,
                "delimiter": self.delimiter,
            }
        return self.kind.value


class Inherit(enum.Enum):
    """The schema of a stream that takes the one of the model's slot."""

    INHERIT = "$inherit"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRef:
    """The schema of a stream, by its name in Model Manage."""

    name: str


StreamSchema: TypeAlias = JSON | Inherit | SchemaRef
"""``None`` (untyped), ``Inherit.INHERIT``, a `SchemaRef`, or an Avro schema as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """When a batch of records goes to the model.

    Attributes:
        watermark: After so many records; ``None`` = never.
        nagle_time: After so many milliseconds; ``None`` = never.
    """

    watermark: int | None = 1000
    nagle_time: int | None = 500

    @property
    def is_explicit(self) -> bool:
        """Whether batches end only at control records and at the end."""
        return self.watermark is None and self.nagle_time is None

    def internal(self) -> dict[str, Any]:
        """Return the internal form."""
        return {"watermark": self.watermark, "nagle_time": self.nagle_time}


NORMAL: Final = Batching()
EACH: Final = Batching(watermark=1, nagle_time=None)
EXPLICIT: Final = Batching(watermark=None, nagle_time=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDescriptor:
    """A stream descriptor in which all holds together.

    Attributes:
        envelope: What separates the records; ``None`` if nothing has to.
        schema: See `StreamSchema`.
        loop: Whether an input starts over at its end.
        skip_to: Offset in bytes where an input starts.
        skip_to_record: Number of the record, ``"earliest"`` or ``"latest"``.
        linger_time: How long a closing output waits for pending writes, in
            milliseconds; ``None`` = until done.
        end_marker: Text of a record that ends an input; ``None`` = no such record.
    """

    transport: Transport
    encoding: Encoding = field(default_factory=Encoding)
    envelope: Envelope | None = None
    schema: StreamSchema = Inherit.INHERIT
    batching: Batching = NORMAL
    loop: bool = False
    skip_to: int | None = None
    skip_to_record: int | str | None = None
    linger_time: int | None = 3000
    end_marker: str | None = None
    version: str = "1.2"
    description: str = ""

    def internal(self) -> dict[str, Any]:
        """Return what a dry run of "attach" answers.

        Lower-case keys, defaults filled in, secrets masked.
        """
        shown: dict[str, Any] = {
            "transport": self.transport.internal(),
            "encoding": self.encoding.internal(),
            "loop": self.loop,
            "linger_time": self.linger_time,
            "batching": self.batching.internal(),
        }
        if self.envelope is not None:
            shown["envelope"] = self.envelope.internal()
        if self.schema is Inherit.INHERIT:
            shown["schema"] = "undefined"
        elif isinstance(self.schema, SchemaRef):
            shown["schema"] = {"$ref": self.schema.name}
        elif self.schema is not None:
            shown["schema"] = self.schema
        if self.skip_to is not None:
            shown["skip_to"] = self.skip_to
        if self.skip_to_record is not None:
            shown["skip_to_record"] = self.skip_to_record
        return shown


def parse_descriptor(obj: JSON) -> StreamDescriptor:
    """Read a stream descriptor.

    Direction is not checked: the real CLI dry-runs an input at an output slot.

    Raises:
        ProtocolError: If a field is missing or wrong, or two do not go together.
    """
    fields = Folded(obj, "stream descriptor")
    if fields.get("Transport") is None:
        raise ProtocolError("the stream descriptor has no Transport")
    transport = parse_transport(fields.get("Transport"))
    encoding = _encoding(fields.get("Encoding"))
    schema = _schema(fields, transport)
    envelope = _effective_envelope(fields.get("Envelope"), transport, encoding)
    loop = fields.boolean("Loop", False)
    linger = fields.natural("LingerTime", 3000)
    descriptor = StreamDescriptor(
        transport=transport,
        encoding=encoding,
        envelope=envelope,
        schema=schema,
        batching=_batching(fields),
        loop=loop,
        skip_to=_skip_to(fields),
        skip_to_record=_skip_to_record(fields, transport, loop=loop),
        linger_time=None
        if "LingerTime" in fields and fields.get("LingerTime") is None
        else linger,
        end_marker=fields.optional_text("EndMarker"),
        version=str(fields.get("Version", "1.2")),
        description=str(fields.get("Description", "")),
    )
    _check(descriptor)
    return descriptor


def _encoding(obj: JSON) -> Encoding:
    if obj is None:
        return Encoding()
    if isinstance(obj, str):
        obj = {"Type": obj}
    fields = Folded(obj, "Encoding")
    word = fields.text("Type").lower()
    # The real SDK's literals write utf8.
    word = {"utf8": "utf-8", "avro": "avro-binary", "soap": "soap-rpc"}.get(word, word)
    try:
        kind = EncodingKind(word)
    except ValueError as exc:
        raise ProtocolError(f"unknown encoding {fields.text('Type')!r}") from exc
    quote = fields.text("QuoteCharacter", '"')
    delimiter = fields.text("Delimiter", ",")
    for key, value in (("QuoteCharacter", quote), ("Delimiter", delimiter)):
        if len(value) != 1 or value in "\r\n":
            raise fields.wrong(key, "one character", value)
    if quote == delimiter:
        raise ProtocolError("csv needs a Delimiter that is not its QuoteCharacter")
    return Encoding(kind=kind, quote=quote, delimiter=delimiter)


def _schema(fields: Folded, transport: Transport) -> StreamSchema:
    if "Schema" not in fields:
        return None if isinstance(transport, Odbc) else Inherit.INHERIT
    given = unquoted(fields.get("Schema"))
    if given == Inherit.INHERIT.value:
        return Inherit.INHERIT
    if isinstance(given, dict) and "$ref" in given:
        name = given["$ref"]
        if not isinstance(name, str) or not name:
            raise ProtocolError(f"$ref names a schema, not {brief(name)}")
        return SchemaRef(name=name)
    if given is not None and not isinstance(given, str | dict | list):
        raise ProtocolError(f"not a schema: {brief(given)}")
    return given


def _effective_envelope(
    obj: JSON, transport: Transport, encoding: Encoding
) -> Envelope | None:
    given = None if obj is None else parse_envelope(obj)
    if isinstance(transport, Rest) and not transport.is_chunked:
        # Vendor samples carry an envelope with simple mode: it means nothing there.
        return None
    if transport.keeps_bounds:
        if given is not None:
            raise ProtocolError(
                f"transport {transport.word} keeps records apart: "
                f"it takes no {given.word} envelope"
            )
        return None
    if given is None:
        return _default_envelope(encoding)
    _check_envelope(given, encoding)
    return given


def _default_envelope(encoding: Encoding) -> Envelope | None:
    if encoding.kind.is_self_delimiting:
        return None
    if encoding.kind is EncodingKind.CSV:
        return DelimitedCsv()
    return Delimited()


def _check_envelope(envelope: Envelope, encoding: Encoding) -> None:
    kind = encoding.kind
    if isinstance(envelope, Delimited) and kind.is_self_delimiting:
        raise ProtocolError(f"encoding {kind} cannot have a delimited envelope")
    if isinstance(envelope, OcfBlock) and kind is not EncodingKind.AVRO:
        raise ProtocolError(f"an ocf-block envelope needs avro-binary, not {kind}")
    if isinstance(envelope, DelimitedCsv) and kind is not EncodingKind.CSV:
        raise ProtocolError(f"a delimited-csv envelope needs csv, not {kind}")


def _batching(fields: Folded) -> Batching:
    if "Batching" not in fields:
        return NORMAL
    given = fields.get("Batching")
    if given is None:
        return EACH
    if isinstance(given, str):
        found = {"normal": NORMAL, "explicit": EXPLICIT}.get(given.lower())
        if found is None:
            raise fields.wrong("Batching", "normal or explicit", given)
        return found
    inner = Folded(given, "Batching")
    watermark = (
        inner.natural("Watermark") if inner.get("Watermark") is not None else None
    )
    nagle = inner.natural("NagleTime") if inner.get("NagleTime") is not None else None
    if watermark == 0:
        raise ProtocolError("Batching: Watermark must be at least 1")
    return Batching(
        watermark=watermark if "Watermark" in inner else NORMAL.watermark,
        nagle_time=nagle if "NagleTime" in inner else NORMAL.nagle_time,
    )


def _skip_to(fields: Folded) -> int | None:
    return None if fields.get("SkipTo") is None else fields.natural("SkipTo")


def _skip_to_record(
    fields: Folded, transport: Transport, *, loop: bool
) -> int | str | None:
    given = fields.get("SkipToRecord")
    if given is None:
        follows = type(transport) is Kafka and not loop and "SkipToRecord" not in fields
        return "latest" if follows else None
    if isinstance(given, str):
        return fields.choice("SkipToRecord", ("earliest", "latest"))
    return fields.natural("SkipToRecord")


def _check(descriptor: StreamDescriptor) -> None:
    transport, kind = descriptor.transport, descriptor.encoding.kind
    if isinstance(transport, Odbc):
        if kind is not EncodingKind.NULL:
            raise ProtocolError("an ODBC transport needs Encoding null")
        if descriptor.schema is not None:
            raise ProtocolError("an ODBC transport needs Schema null")
    whole = not (isinstance(transport, Http) and transport.chunked)
    if descriptor.loop and not (transport.seekable and whole):
        raise ProtocolError(f"transport {transport.word} cannot loop")
    if descriptor.skip_to is not None and (
        not transport.seekable or transport.keeps_bounds
    ):
        raise ProtocolError(
            f"SkipTo needs a seekable transport of bytes, not {transport.word}"
        )
    if descriptor.skip_to_record is not None:
        _check_skip_to_record(transport, descriptor.skip_to_record)
    if kind is EncodingKind.AVRO and descriptor.schema is None:
        raise ProtocolError("encoding avro-binary needs a schema")
    _check_plain_schema(kind, descriptor.schema)


def _check_skip_to_record(transport: Transport, record: int | str) -> None:
    if not (transport.seekable and transport.keeps_bounds) or isinstance(
        transport, Http
    ):
        raise ProtocolError(
            f"SkipToRecord needs a seekable transport of records, not {transport.word}"
        )
    if isinstance(record, str) and isinstance(transport, Inline):
        raise ProtocolError(f"an inline transport has no record {record!r}")


def _check_plain_schema(kind: EncodingKind, schema: StreamSchema) -> None:
    if isinstance(schema, Inherit | SchemaRef):
        return
    reason = schema_clash(kind, schema)
    if reason is not None:
        raise ProtocolError(reason)


def schema_clash(kind: EncodingKind, schema: JSON) -> str | None:
    """Return why an encoding cannot carry records of a resolved schema, or ``None``.

    Args:
        kind: The encoding.
        schema: An Avro schema as JSON; ``None`` = untyped.
    """
    if schema is None:
        return "encoding avro-binary needs a schema" if kind == "avro-binary" else None
    bare = schema.get("type") if isinstance(schema, dict) else schema
    if kind is EncodingKind.NULL and bare != "bytes":
        return f'encoding null carries only schema "bytes", not {brief(schema)}'
    if kind is EncodingKind.UTF8 and bare != "string":
        return f'encoding utf-8 carries only schema "string", not {brief(schema)}'
    if kind is EncodingKind.CSV and bare != "record":
        return f"encoding csv needs a record schema, not {brief(schema)}"
    if kind is EncodingKind.SOAP:
        return "encoding soap-rpc takes no schema"
    return None


def masked(descriptor: JSON) -> JSON:
    """Return a copy of a descriptor with its secrets as five asterisks.

    Hidden are ``SecretAccessKey`` of S3, ``ConnectionString`` of ODBC and
    ``Keytab``; references ``secret://`` stay, they show nothing.
    """
    if isinstance(descriptor, Mapping):
        return {
            key: STARS
            if str(key).lower() in _HIDDEN and not _is_reference(value)
            else masked(value)
            for key, value in descriptor.items()
        }
    if isinstance(descriptor, list):
        return [masked(value) for value in descriptor]
    return descriptor


_HIDDEN: Final = frozenset(("secretaccesskey", "connectionstring", "keytab"))


def _is_reference(value: JSON) -> bool:
    return value is None or (isinstance(value, str) and value.startswith(SECRET_PREFIX))


def secret_names(obj: JSON) -> frozenset[str]:
    """Return the names of all secrets that a descriptor refers to."""
    names: set[str] = set()

    def note(name: str) -> str:
        names.add(name)
        return ""

    with_secrets(obj, note)
    return frozenset(names)


def with_secrets(obj: JSON, lookup: Callable[[str], str]) -> JSON:
    """Return a copy of a descriptor with ``secret://<name>`` values looked up.

    Args:
        obj: A descriptor, or a part of one.
        lookup: Gets a name, returns the secret; its errors pass through.
    """
    if isinstance(obj, Mapping):
        return {key: with_secrets(value, lookup) for key, value in obj.items()}
    if isinstance(obj, list):
        return [with_secrets(value, lookup) for value in obj]
    if isinstance(obj, str) and obj.startswith(SECRET_PREFIX):
        return lookup(obj.removeprefix(SECRET_PREFIX))
    return obj
