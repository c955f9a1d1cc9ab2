"""The transport of a stream: where records come from or go to.

Source: vendor manual, "Stream descriptors", "Transports".

    Transport = word / {"Type": word, ...}

Keys and words are read without regard to case. All transports that the manual names
are read; which of them a service can open is its own affair. String values may be
references ``secret://<name>``; the service resolves them before it reads.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeAlias

from pilothouse.errors import ProtocolError

from .folded import Folded
from .values import JSON, brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """What all transports have.

    Attributes:
        word: Its name in a descriptor.
        reads: Whether it can feed an input slot.
        writes: Whether it can take an output slot.
        seekable: Whether it can start over, or in the middle.
    """

    word: ClassVar[str] = ""
    reads: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    seekable: ClassVar[bool] = False

    @property
    def keeps_bounds(self) -> bool:
        """Whether it keeps records apart, so that no envelope is needed."""
        return False

    def internal(self) -> dict[str, Any]:
        """Return the form that a dry run of "attach" shows: lower-case keys."""
        shown: dict[str, Any] = {"type": self.word.lower()}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            shown[item.name] = list(value) if isinstance(value, tuple) else value
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest(Transport):
    """Records come and go through the engine's REST interface.

    Attributes:
        mode: ``"simple"``: a request body is a record; ``"chunked"``: bodies are
            pieces of one byte stream.
    """

    word: ClassVar[str] = "REST"
    mode: str = "simple"

    @property
    def is_chunked(self) -> bool:
        """Whether bodies are pieces of one byte stream."""
        return self.mode == "chunked"

    @property
    def keeps_bounds(self) -> bool:
        """True in simple mode."""
        return not self.is_chunked


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Transport):
    """A file on the engine's machine; `path` is absolute."""

    word: ClassVar[str] = "file"
    seekable: ClassVar[bool] = True
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Transport):
    """GET as input, PUT as output; with `chunked`, each HTTP chunk is a record."""

    word: ClassVar[str] = "HTTP"
    seekable: ClassVar[bool] = True
    url: str
    chunked: bool = False

    @property
    def keeps_bounds(self) -> bool:
        """True for chunked transfer."""
        return self.chunked


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline(Transport):
    """Data inside the descriptor; input only.

    Attributes:
        data: The records, or one text that the envelope splits.
        binary: Whether the descriptor has the data as ``DataBinary``.
    """

    word: ClassVar[str] = "inline"
    writes: ClassVar[bool] = False
    seekable: ClassVar[bool] = True
    data: tuple[bytes, ...] | bytes = field(repr=False)
    binary: bool = False

    @property
    def keeps_bounds(self) -> bool:
        """True for a list."""
        return isinstance(self.data, tuple)

    def internal(self) -> dict[str, Any]:
        """Return the internal form; the data as text, binary data as base64."""
        shown = self._shown(self.data)
        return {"type": "inline", "data_binary" if self.binary else "data": shown}

    def _shown(self, data: tuple[bytes, ...] | bytes) -> list[str] | str:
        if isinstance(data, tuple):
            return [self._text(item) for item in data]
        return self._text(data)

    def _text(self, data: bytes) -> str:
        return base64.b64encode(data).decode() if self.binary else data.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard(Transport):
    """Drops every record; output only."""

    word: ClassVar[str] = "discard"
    reads: ClassVar[bool] = False

    @property
    def keeps_bounds(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec(Transport):
    """A program whose standard output is read, or whose standard input is written."""

    word: ClassVar[str] = "exec"
    run: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp(Transport):
    """A TCP connection."""

    word: ClassVar[str] = "TCP"
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Udp(Transport):
    """Datagrams, one record each.

    Attributes:
        bind_to: Address to receive on (input), or to send to (output).
    """

    word: ClassVar[str] = "UDP"
    bind_to: str = "0.0.0.0"
    port: int

    @property
    def keeps_bounds(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka(Transport):
    """A Kafka topic.

    Attributes:
        max_wait_time: An input that is silent for so many milliseconds has ended.
    """

    word: ClassVar[str] = "Kafka"
    seekable: ClassVar[bool] = True
    bootstrap_servers: tuple[str, ...]
    topic: str
    partition: int = 0
    group: str | None = None
    commit_offset: bool = True
    max_wait_time: int = 8_388_607
    principal: str | None = None
    keytab: str | None = field(default=None, repr=False)

    @property
    def keeps_bounds(self) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOffset(Kafka):
    """Commits Kafka offsets; output only, needs a group."""

    word: ClassVar[str] = "Kafka-offset"
    reads: ClassVar[bool] = False
    seekable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class S3(Transport):
    """An object in an S3 bucket; its secret key never shows."""

    word: ClassVar[str] = "S3"
    seekable: ClassVar[bool] = True
    bucket: str
    object_key: str
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    integrity_checks: bool = False

    def internal(self) -> dict[str, Any]:
        """Return the internal form, the secret key as five asterisks."""
        shown = {"type": "s3"} | {
            item.name: getattr(self, item.name) for item in dataclasses.fields(self)
        }
        if self.secret_access_key is not None:
            shown["secret_access_key"] = STARS
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Odbc(Transport):
    """A database: a query as input, a table as output."""

    word: ClassVar[str] = "ODBC"
    connection_string: str = field(repr=False)
    select_query: str | None = None
    insert_into_table: str | None = None
    output_fields: tuple[str, ...] = ()
    timeout: int | None = None

    @property
    def keeps_bounds(self) -> bool:
        """True."""
        return True

    def internal(self) -> dict[str, Any]:
        """Return the internal form, the connection string as five asterisks."""
        shown = Transport.internal(self)
        shown["connection_string"] = STARS
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Hdfs(Transport):
    """A file in HDFS."""

    word: ClassVar[str] = "HDFS"
    seekable: ClassVar[bool] = True
    name_node: str
    path: str
    authentication: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console(Transport):
    """Writes to the model's console; output only, from older releases."""

    word: ClassVar[str] = "console"
    reads: ClassVar[bool] = False

    @property
    def keeps_bounds(self) -> bool:
        """True."""
        return True


STARS: Final = "*****"
"""What is shown in place of a secret; so does the real SDK."""


def parse_transport(obj: JSON) -> Transport:
    """Read the ``Transport`` of a descriptor.

    Raises:
        ProtocolError: If the type is unknown, or a field is missing or wrong.
    """
    if isinstance(obj, str):
        obj = {"Type": obj}
    fields = Folded(obj, "Transport")
    word = fields.text("Type")
    read = _READERS.get(word.lower())
    if read is None:
        raise ProtocolError(f"unknown transport {word!r}")
    return read(Folded(obj, f"{word} transport"))


def _rest(fields: Folded) -> Rest:
    return Rest(mode=fields.choice("Mode", ("simple", "chunked"), "simple"))


def _file(fields: Folded) -> File:
    path = fields.text("Path")
    if not path.startswith("/"):
        raise ProtocolError(f"the path of a file must be absolute, not {path!r}")
    if "\0" in path:
        raise ProtocolError(f"not a path: {path!r}")
    return File(path=path)


def _http(fields: Folded) -> Http:
    url = fields.text("Url")
    if not url.lower().startswith(("http://", "https://")):
        raise ProtocolError(f"an HTTP transport needs an http(s) URL, not {url!r}")
    return Http(url=url, chunked=fields.boolean("Chunked", False))


def _inline(fields: Folded) -> Inline:
    data, binary = fields.get("Data"), fields.get("DataBinary")
    if (data is None) == (binary is None):
        raise ProtocolError("an inline transport needs either Data or DataBinary")
    if binary is not None:
        return Inline(data=_each(binary, "DataBinary", _from_base64), binary=True)
    return Inline(data=_each(data, "Data", str.encode))


def _each(
    given: JSON, key: str, convert: Callable[[str], bytes]
) -> tuple[bytes, ...] | bytes:
    if isinstance(given, str):
        return _converted(given, key, convert)
    if isinstance(given, list) and all(isinstance(item, str) for item in given):
        return tuple(_converted(item, key, convert) for item in given)
    raise ProtocolError(f"{key} must be a string or a list of them, not {brief(given)}")


def _converted(text: str, key: str, convert: Callable[[str], bytes]) -> bytes:
    try:
        return convert(text)
    except (ValueError, binascii.Error) as exc:
        raise ProtocolError(f"{key} holds {brief(text)}: {exc}") from exc


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _discard(_fields: Folded) -> Discard:
    return Discard()


def _exec(fields: Folded) -> Exec:
    run = fields.text("Run")
    if not run.strip():
        raise ProtocolError("an exec transport needs a program to run")
    return Exec(run=run, args=fields.texts("Args", ()))


def _tcp(fields: Folded) -> Tcp:
    return Tcp(host=fields.text("Host"), port=_port(fields))


def _udp(fields: Folded) -> Udp:
    # The manual says BindTo; the real SDK's literals write Host.
    key = "BindTo" if fields.get("BindTo") is not None else "Host"
    return Udp(bind_to=fields.text(key, "0.0.0.0"), port=_port(fields))


def _port(fields: Folded) -> int:
    port = fields.integer("Port")
    if not 0 < port < 65536:
        raise ProtocolError(f"a port lies between 1 and 65535, not {port}")
    return port


def _kafka(fields: Folded) -> Kafka:
    return Kafka(**_kafka_fields(fields))


def _kafka_offset(fields: Folded) -> KafkaOffset:
    offset = KafkaOffset(**_kafka_fields(fields))
    if not offset.group:
        raise ProtocolError("a Kafka-offset transport needs a Group")
    return offset


def _kafka_fields(fields: Folded) -> dict[str, Any]:
    servers = fields.texts("BootstrapServers")
    if not servers:
        raise ProtocolError("a Kafka transport needs BootstrapServers")
    return {
        "bootstrap_servers": servers,
        "topic": fields.text("Topic"),
        "partition": fields.natural("Partition", 0),
        "group": fields.optional_text("Group"),
        "commit_offset": fields.boolean("CommitOffset", True),
        "max_wait_time": fields.natural("MaxWaitTime", 8_388_607),
        "principal": fields.optional_text("Principal"),
        "keytab": fields.optional_text("Keytab"),
    }


def _s3(fields: Folded) -> S3:
    return S3(
        bucket=fields.text("Bucket"),
        object_key=fields.text("ObjectKey"),
        region=fields.text("Region", "us-east-1"),
        access_key_id=fields.optional_text("AccessKeyID"),
        secret_access_key=fields.optional_text("SecretAccessKey"),
        integrity_checks=fields.boolean("IntegrityChecks", False),
    )


def _odbc(fields: Folded) -> Odbc:
    timeout = fields.get("Timeout")
    odbc = Odbc(
        connection_string=fields.text("ConnectionString"),
        select_query=fields.optional_text("SelectQuery"),
        insert_into_table=fields.optional_text("InsertIntoTable"),
        output_fields=fields.texts("OutputFields", ()),
        timeout=None if timeout is None else fields.natural("Timeout"),
    )
    if not odbc.select_query and not odbc.insert_into_table:
        raise ProtocolError(
            "an ODBC transport needs SelectQuery (input) or InsertIntoTable (output)"
        )
    return odbc


def _hdfs(fields: Folded) -> Hdfs:
    authentication = fields.get("Authentication")
    if authentication is not None and not isinstance(authentication, dict):
        raise ProtocolError("Authentication of an HDFS transport is null or an object")
    return Hdfs(
        name_node=fields.text("NameNode"),
        path=fields.text("Path"),
        authentication=authentication,
    )


def _console(_fields: Folded) -> Console:
    return Console()


_Reader: TypeAlias = Callable[[Folded], Transport]
_READERS: Final[Mapping[str, _Reader]] = {
    "rest": _rest,
    "file": _file,
    "http": _http,
    "inline": _inline,
    "debug": _inline,
    "discard": _discard,
    "exec": _exec,
    "tcp": _tcp,
    "udp": _udp,
    "kafka": _kafka,
    "kafka-offset": _kafka_offset,
    "s3": _s3,
    "odbc": _odbc,
    "hdfs": _hdfs,
    "console": _console,
}
