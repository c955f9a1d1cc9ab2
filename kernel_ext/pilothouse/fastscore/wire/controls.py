"""Control records: ``end``, ``set`` and ``pig``, in each encoding.

Source: vendor manual, "Control records"; FastScore Deploy 1.10.4.

    json         {"$fastscore": word, "id", "timestamp", "misc"}
    utf-8        U+262E "fastscore." word ["|" id "|" timestamp "|" misc]
    null         0xFA "stscore." word [id(4) timestamp(8), big-endian, misc]
    avro-binary  string "$fastscore." word, int id, long timestamp, string misc
    msgpack      as json
    soap-rpc     element fastscore-<word>

``eof`` is read as ``end``. A control record bypasses schema checks and is not
counted as a record.
"""

from __future__ import annotations

import enum
import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .values import JSON

KEY: Final = "$fastscore"
"""Key that marks a JSON control record."""

HINTS: Final[Mapping[str, bytes]] = {
    "json": b"$fastscore",
    "utf-8": "\u262efastscore.".encode(),
    "null": b"\xfastscore.",
    "avro-binary": b"$fastscore.",
    "msgpack": b"$fastscore",
    "soap-rpc": b"fastscore-",
    "csv": b"$fastscore",
}
"""Encoding -> bytes that every control record of that encoding contains.

One ``HINTS[encoding] in chunk`` rules control records out for a whole chunk, except
that JSON may also write the key with escapes (``\\u0024fastscore``); see `may_contain`.
"""


class Control(enum.StrEnum):
    """What a control record says."""

    END = "end"
    SET = "set"
    PIG = "pig"


_WORDS: Final = {"end": Control.END, "eof": Control.END} | {
    "set": Control.SET,
    "pig": Control.PIG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRecord:
    """One control record.

    Attributes:
        id: Chosen by the sender of a ``pig``; comes back with it.
        timestamp: Chosen by the sender, milliseconds.
        misc: Any text.
    """

    control: Control
    id: JSON = None
    timestamp: JSON = None
    misc: JSON = None


def may_contain(encoding: str, chunk: bytes) -> bool:
    """Tell whether a chunk of records may hold a control record; cheap.

    ``False`` is certain, ``True`` means: look at the records one by one.
    """
    if encoding in ("json", "csv", "msgpack"):
        return b"fastscore" in chunk
    return HINTS[encoding] in chunk


def recognise(encoding: str, record: bytes) -> ControlRecord | None:
    """Return the control record that the bytes of one record are, or ``None``."""
    if not may_contain(encoding, record):
        return None
    return _READERS[encoding](record)


def of_json(value: JSON) -> ControlRecord | None:
    """Return the control record that a parsed JSON value is, or ``None``."""
    if not isinstance(value, dict) or KEY not in value:
        return None
    word = value[KEY]
    control = _WORDS.get(word) if isinstance(word, str) else None
    if control is None:
        return None
    return ControlRecord(
        control=control,
        id=value.get("id"),
        timestamp=value.get("timestamp"),
        misc=value.get("misc"),
    )


def produce(encoding: str, record: ControlRecord) -> bytes:
    """Return a control record as the bytes of one record, without separator."""
    return _WRITERS[encoding](record)


def json_form(record: ControlRecord) -> dict[str, Any]:
    """Return the JSON value of a control record."""
    value: dict[str, Any] = {KEY: record.control.value}
    for key in ("id", "timestamp", "misc"):
        if (given := getattr(record, key)) is not None:
            value[key] = given
    return value


def _read_json(record: bytes) -> ControlRecord | None:
    try:
        value = json.loads(record)
    except (ValueError, RecursionError):
        return None
    return of_json(value)


def _write_json(record: ControlRecord) -> bytes:
    return json.dumps(json_form(record), separators=(",", ":")).encode()


_TEXT: Final = re.compile("\u262efastscore\\.(end|eof|set|pig)(?:\\|(.*))?", re.DOTALL)


def _read_text(record: bytes) -> ControlRecord | None:
    try:
        found = _TEXT.fullmatch(record.decode())
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    rest = (found[2] or "").split("|", 2)
    values: list[JSON] = [int(text) if _is_int(text) else text for text in rest[:2]]
    values += rest[2:]
    values = [None if value == "" else value for value in values]
    values += [None] * (3 - len(values))
    return ControlRecord(
        control=_WORDS[found[1]], id=values[0], timestamp=values[1], misc=values[2]
    )


def _is_int(text: str) -> bool:
    return re.fullmatch("-?[0-9]+", text) is not None


def _write_text(record: ControlRecord) -> bytes:
    parts = [
        "" if value is None else str(value)
        for value in (record.id, record.timestamp, record.misc)
    ]
    while parts and not parts[-1]:
        parts.pop()
    return "|".join([f"\u262efastscore.{record.control}", *parts]).encode()


# The manual writes the mark as the Python literal b"\xfastscore.set": 0xFA, "stscore".
_BYTES: Final = re.compile(rb"\xfastscore\.(end|eof|set|pig)(.*)", re.DOTALL)
_STAMP: Final = struct.Struct(">iq")


def _read_bytes(record: bytes) -> ControlRecord | None:
    found = _BYTES.fullmatch(record)
    if found is None:
        return None
    control, rest = _WORDS[found[1].decode()], found[2]
    if not rest:
        return ControlRecord(control=control)
    if len(rest) < _STAMP.size:
        return None
    number, timestamp = _STAMP.unpack_from(rest)
    misc = rest[_STAMP.size :].decode("utf-8", "replace")
    return ControlRecord(
        control=control, id=number, timestamp=timestamp, misc=misc or None
    )


def _write_bytes(record: ControlRecord) -> bytes:
    mark = b"\xfastscore." + record.control.encode()
    if record.id is None and record.timestamp is None and record.misc is None:
        return mark
    misc = "" if record.misc is None else str(record.misc)
    return mark + _STAMP.pack(*_stamp(record)) + misc.encode()


def _stamp(record: ControlRecord) -> tuple[int, int]:
    """Return id and timestamp as the binary forms hold them: 32 and 64 bits."""
    number = record.id if type(record.id) is int else 0
    when = record.timestamp if type(record.timestamp) is int else 0
    number = (number + 2**31) % 2**32 - 2**31
    return number, (when + 2**63) % 2**64 - 2**63


_AVRO: Final = re.compile(rb"\x1c\$fastscore\.(end|eof|set|pig)(.*)", re.DOTALL)


def read_avro_prefix(data: bytes) -> tuple[ControlRecord, int] | None:
    """Return the control record that Avro data begin with, and its length.

    Args:
        data: Avro-binary data; more may follow the record.

    Raises:
        EOFError: If the data begin like a control record, and end within it.
    """
    found = _AVRO.match(data)
    if found is None:
        return None
    number, at = _varint(data, found.end(1))
    timestamp, at = _varint(data, at)
    length, at = _varint(data, at)
    if length < 0:
        return None
    if len(data) < at + length:
        raise EOFError("the data end within a control record")
    try:
        misc = data[at : at + length].decode()
    except UnicodeDecodeError:
        return None
    record = ControlRecord(
        control=_WORDS[found[1].decode()],
        id=number or None,
        timestamp=timestamp or None,
        misc=misc or None,
    )
    return record, at + length


def _read_avro(record: bytes) -> ControlRecord | None:
    try:
        found = read_avro_prefix(record)
    except EOFError:
        return None
    return found[0] if found is not None and found[1] == len(record) else None


def _write_avro(record: ControlRecord) -> bytes:
    number, timestamp = _stamp(record)
    misc = ("" if record.misc is None else str(record.misc)).encode()
    mark = b"$fastscore." + record.control.encode()
    return b"".join(
        (
            _zigzag(len(mark)),
            mark,
            _zigzag(number),
            _zigzag(timestamp),
            _zigzag(len(misc)),
            misc,
        )
    )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = 0
    for shift, byte in enumerate(data[at : at + 10]):
        result |= (byte & 0x7F) << 7 * shift
        if not byte & 0x80:
            return (result >> 1) ^ -(result & 1), at + shift + 1
    raise EOFError("the data end within an integer")


def _zigzag(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _read_msgpack(record: bytes) -> ControlRecord | None:
    import msgpack

    try:
        return of_json(msgpack.unpackb(record))
    except (ValueError, msgpack.UnpackException):
        return None


def _write_msgpack(record: ControlRecord) -> bytes:
    import msgpack

    packed: bytes = msgpack.packb(json_form(record))
    return packed


_SOAP: Final = re.compile(rb"<(?:[\w.-]+:)?fastscore-(end|eof|set|pig)[\s/>]")


def _read_soap(record: bytes) -> ControlRecord | None:
    found = _SOAP.search(record)
    return None if found is None else ControlRecord(control=_WORDS[found[1].decode()])


def _write_soap(record: ControlRecord) -> bytes:
    return f"<fastscore-{record.control}/>".encode()


_READERS: Final[Mapping[str, Callable[[bytes], ControlRecord | None]]] = {
    "json": _read_json,
    "utf-8": _read_text,
    "null": _read_bytes,
    "avro-binary": _read_avro,
    "msgpack": _read_msgpack,
    "soap-rpc": _read_soap,
    "csv": _read_json,
}
_WRITERS: Final[Mapping[str, Callable[[ControlRecord], bytes]]] = {
    "json": _write_json,
    "utf-8": _write_text,
    "null": _write_bytes,
    "avro-binary": _write_avro,
    "msgpack": _write_msgpack,
    "soap-rpc": _write_soap,
    "csv": _write_json,
}
