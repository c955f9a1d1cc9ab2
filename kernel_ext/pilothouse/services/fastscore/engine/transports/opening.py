"""From a stream descriptor to a reader or a writer.

Supported, REST aside: file, inline, discard, HTTP, TCP, UDP, and exec where the suite
allows it. Kafka, Kafka-offset, S3, ODBC, HDFS and console are read as descriptors but
not opened: no broker, bucket, driver or cluster was at hand to test them against.
"""

from __future__ import annotations

from pathlib import Path

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire import transports as wire
from pilothouse.fastscore.wire.streams import StreamDescriptor

from .base import Reader, Writer
from .discard import DiscardWriter
from .exec import ExecReader, ExecWriter
from .file import FileReader, FileWriter
from .http import HttpReader, HttpWriter
from .inline import InlineReader
from .tcp import TcpReader, TcpWriter
from .udp import UdpReader, UdpWriter

__all__ = [
    "check_direction",
    "check_supported",
    "reader_of",
    "writer_of",
]

_SUPPORTED = (
    wire.Rest,
    wire.File,
    wire.Inline,
    wire.Discard,
    wire.Http,
    wire.Tcp,
    wire.Udp,
    wire.Exec,
)


def check_supported(stream: StreamDescriptor, *, allow_exec: bool) -> None:
    """Let a stream pass that this engine can open; opens nothing.

    Raises:
        ProtocolError: If its transport is not supported, or not allowed.
    """
    transport = stream.transport
    if not isinstance(transport, _SUPPORTED):
        raise ProtocolError(f"transport not supported: {transport.word}")
    if isinstance(transport, wire.Exec) and not allow_exec:
        raise ProtocolError(
            "transport not supported: exec (this suite does not allow it)"
        )
    if stream.encoding.kind == "soap-rpc":
        raise ProtocolError("encoding not supported: soap-rpc")


def check_direction(stream: StreamDescriptor, slot: int) -> None:
    """Let a stream pass that fits the direction of a slot, and can be there.

    Raises:
        ProtocolError: If it does not.
    """
    transport = stream.transport
    if slot % 2 == 0 and not transport.reads:
        raise ProtocolError(f"transport {transport.word} cannot feed input slot {slot}")
    if slot % 2 == 1 and not transport.writes:
        raise ProtocolError(
            f"transport {transport.word} cannot take output slot {slot}"
        )
    if isinstance(transport, wire.File):
        path = Path(transport.path)
        if slot % 2 == 0 and not path.is_file():
            raise ProtocolError(f"there is no file {transport.path!r}")
        if slot % 2 == 1 and not path.parent.is_dir():
            raise ProtocolError(f"there is no folder {str(path.parent)!r}")


def reader_of(stream: StreamDescriptor) -> Reader:
    """Return what reads an input stream; not opened yet.

    Raises:
        ProtocolError: If its transport cannot be read.
    """
    match stream.transport:
        case wire.File(path=path):
            return FileReader(path, skip_to=stream.skip_to or 0, loop=stream.loop)
        case wire.Inline(data=data):
            first = stream.skip_to_record
            return InlineReader(
                data,
                skip_to_record=first if isinstance(first, int) else 0,
                loop=stream.loop,
            )
        case wire.Http(url=url, chunked=chunked):
            return HttpReader(
                url, chunked=chunked, skip_to=stream.skip_to or 0, loop=stream.loop
            )
        case wire.Tcp(host=host, port=port):
            return TcpReader(host, port)
        case wire.Udp(bind_to=bind_to, port=port):
            return UdpReader(bind_to, port)
        case wire.Exec(run=run, args=args):
            return ExecReader(run, args)
    raise ProtocolError(f"transport {stream.transport.word} cannot be read")


def writer_of(stream: StreamDescriptor) -> Writer:
    """Return what writes an output stream; not opened yet.

    Raises:
        ProtocolError: If its transport cannot be written.
    """
    match stream.transport:
        case wire.File(path=path):
            return FileWriter(path)
        case wire.Discard():
            return DiscardWriter()
        case wire.Http(url=url):
            return HttpWriter(url)
        case wire.Tcp(host=host, port=port):
            return TcpWriter(host, port)
        case wire.Udp(bind_to=bind_to, port=port):
            return UdpWriter(bind_to, port)
        case wire.Exec(run=run, args=args):
            return ExecWriter(run, args)
    raise ProtocolError(f"transport {stream.transport.word} cannot be written")
