"""Literal stream descriptors: ``rest:``, ``inline:1,2,3``, ``file:/data.json``.

Source: real SDK 1.10.3, `Stream.expand` as recorded.

    literal = "rest:" / "rest-chunked:" / "discard:"
            / "file:" absolute-path
            / "http:" rest / "https:" rest
            / "kafka:" host [":" port] "/" topic ["." suffix]
            / "tcp:" [host] ":" port / "udp:" [host] ":" port
            / "exec:" command
            / "inline:" record *("," record) / "inline-chunked:" data

Where a path ends in .json, .avro, .utf8 or .bin, that says the encoding; otherwise it
is json. ``%xx`` in inline data is a byte; the real SDK fails on it under Python 3.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from .values import JSON

EXAMPLES: Final[Mapping[str, str]] = {
    "rest": "rest:",
    "rest-chunked": "rest-chunked:",
    "discard": "discard:",
    "file": "file:/path/to/mydata.json",
    "http": "http://myhost.com/mydata.json",
    "https": "https://myhost.com/mydata.json",
    "kafka": "kafka:mybroker:9092/topic.json",
    "tcp": "tcp:myhost.com:1234",
    "udp": "udp:10.0.0.1:124",
    "exec": "exec:myscript.sh",
    "inline": "inline:1,2,3",
    "inline-chunked": "inline-chunked:%06abc",
}
"""Tag -> a literal that works."""

_SUFFIXES: Final[tuple[tuple[str, str | None], ...]] = (
    (".json", "json"),
    (".avro", "avro-binary"),
    (".utf8", "utf8"),
    (".bin", None),
)


def is_literal(text: str) -> bool:
    """Tell whether a text is a literal rather than a name: it has a colon."""
    return ":" in text


def expand(literal: str) -> dict[str, Any]:
    """Return the descriptor that a literal stands for.

    Raises:
        ValueError: If it has no colon, an unknown tag or a wrong form; the message
            has an example of the right one.
    """
    tag, colon, rest = literal.partition(":")
    if not colon:
        raise ValueError(f"{literal} is not a literal descriptor")
    read = _READERS.get(tag)
    if read is None:
        raise ValueError(
            f"transport tag unknown: {tag}; known are {', '.join(EXAMPLES)}"
        )
    try:
        transport, guess = read(tag, rest)
    except ValueError as exc:
        raise ValueError(
            f"literal descriptor parse error (a valid {tag} literal example: "
            f"{EXAMPLES[tag]})"
        ) from exc
    return {"Transport": transport, "Encoding": _encoding(guess)}


def _encoding(guess: str) -> str | None:
    for suffix, encoding in _SUFFIXES:
        if guess.endswith(suffix):
            return encoding
    return "json"


_Expanded: TypeAlias = tuple[JSON, str]  # transport, text whose suffix counts


def _bare(transport: JSON) -> Callable[[str, str], _Expanded]:
    def read(_tag: str, rest: str) -> _Expanded:
        if rest:
            raise ValueError(rest)
        return transport() if callable(transport) else transport, ""

    return read


def _chunked() -> JSON:
    return {"Type": "REST", "Mode": "chunked"}


def _file(_tag: str, rest: str) -> _Expanded:
    if not rest.startswith("/"):
        raise ValueError(rest)
    return {"Type": "file", "Path": rest}, rest


def _http(tag: str, rest: str) -> _Expanded:
    if not rest.startswith("//") or len(rest) < 3:
        raise ValueError(rest)
    return {"Type": "HTTP", "Url": f"{tag}:{rest}"}, rest


def _kafka(_tag: str, rest: str) -> _Expanded:
    broker, slash, topic = rest.partition("/")
    host, _, port = broker.partition(":")
    bare = topic.rpartition(".")[0] if "." in topic else topic
    if not (slash and host and bare) or "/" in topic:
        raise ValueError(rest)
    server = f"{host}:{_port(port or '9092')}"
    return {"Type": "Kafka", "BootstrapServers": [server], "Topic": bare}, rest


def _tcp(_tag: str, rest: str) -> _Expanded:
    host, port = _host_port(rest)
    return {"Type": "TCP", "Host": host or "0.0.0.0", "Port": port}, ""


def _udp(_tag: str, rest: str) -> _Expanded:
    host, port = _host_port(rest)
    transport: dict[str, Any] = {"Type": "UDP", "Port": port}
    if host:
        transport["Host"] = host
    return transport, ""


def _host_port(rest: str) -> tuple[str, int]:
    host, colon, port = rest.partition(":")
    if not colon:
        raise ValueError(rest)
    return host, _port(port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError(text)
    return int(text)


def _exec(_tag: str, rest: str) -> _Expanded:
    if not rest.strip():
        raise ValueError(rest)
    return {"Type": "exec", "Run": rest}, ""


def _inline(_tag: str, rest: str) -> _Expanded:
    if "%" in rest:
        # A separator can only be a plain comma: %2C belongs to a record.
        data = [_base64(item) for item in rest.split(",")]
        return {"Type": "inline", "DataBinary": data}, ""
    return {"Type": "inline", "Data": rest.split(",")}, ""


def _inline_chunked(_tag: str, rest: str) -> _Expanded:
    if "%" in rest:
        return {"Type": "inline", "DataBinary": _base64(rest)}, ""
    return {"Type": "inline", "Data": rest}, ""


def _base64(text: str) -> str:
    return base64.b64encode(unquote_to_bytes(text)).decode()


_READERS: Final[Mapping[str, Callable[[str, str], _Expanded]]] = {
    "rest": _bare("REST"),
    "rest-chunked": _bare(_chunked),
    "discard": _bare("discard"),
    "file": _file,
    "http": _http,
    "https": _http,
    "kafka": _kafka,
    "tcp": _tcp,
    "udp": _udp,
    "exec": _exec,
    "inline": _inline,
    "inline-chunked": _inline_chunked,
}
