"""Requests made up by chance, around what the services say they serve.

A `Chance` takes the operations of the services' own OpenAPI documents and makes
requests out of them: some right, most wrong in one place or several, some not HTTP at
all. The same seed makes the same requests.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "application/vnd.fastscore.model-python3"
_SOURCES = [
    "def action(x):\n    yield x\n",
    "# fastscore.schema.0: int\n# fastscore.slot.3: in-use\n"
    "def action(x):\n    yield 3, x\n",
    "# fastscore.recordsets.$all: yes\ndef action(x):\n    yield x\n",
    "# fastscore.schema.$all: \n# fastscore.slot.-1: in-use\n# fastscore.snapshots: x",
    "# fastscore.slot.999999999999: in-use\ndef action(x):\n    return x\n",
    "# fastscore.action: unused\nfrom fastscore.io import Slot\n",
    "def action(x:\n",
    "\x00",
    "def action(x):\n    raise ValueError('\\ud800 é')\n",
    "import no_such_module\ndef action(x):\n    yield x\n",
]
_NAMES = [
    *("m", "s", "engine-1", "a%20b", "0", "1", "2", "3", "-1", "1e3", "99999999999999"),
    *("", ".", "..", "%2e%2e", "%2F", "..%2F..%2Fetc", "%00", "%ff", "%", "%zz", "é"),
    *("*", "'", "%22", "connect", "points", "x" * 300, "y" * 5000, "%F0%9F%92%A9"),
]
_WORDS = ["", "0", "1", "-1", "true", "False", "type", "x", "1e9", "%ff", "%00", "é"]
_WORDS += ["2018-03-05--", "--", "--x", "9" * 40, "name,type", "ok", "5", "nan", "[]"]
_ODD: list[Any] = [None, True, False, 0, -1, 2**31, 2**63, 10**40, 1e308, -0.5]
_ODD += [
    "",
    "x",
    "é",
    "\x00",
    "\ud800",
    "REST",
    "chunked",
    "1G",
    "$inherit",
    "z" * 9999,
]
_ODD += [[], {}, [[]], [None], {"": None}, {"Type": None}, {"Type": []}, {"$ref": 1}]
_TYPES = [
    *("application/json", MODEL, "application/vnd.fastscore.model-pfa+json", ""),
    *("application/x-yaml", "text/plain", "application/octet-stream", "x", "a/b; c="),
    *("application/zip", "application/gzip", f"{MODEL}; charset=latin-9", "é"),
    *("multipart/mixed", "multipart/mixed; boundary=b", 'multipart/mixed; boundary=""'),
    *("application/vnd.fastscore.import-policy-python3", "application/json;charset=x"),
    "application/x-www-form-urlencoded",
]
_DISPOSITIONS = [
    *('x-model; name="m"', 'x-stream; name="s"', "x-model", 'x-model; name="', "", ";"),
    *(
        'x-stream; name="é"',
        "attachment; filename=a.zip",
        f'x-model; name="{"n" * 3000}"',
    ),
]
_GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /api/1/service/connect/1/health HTTP/9.9\r\nHost: x\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 20000),
    b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"a" * 20000),
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\n\r\n\r\n",
]


@dataclass(frozen=True, slots=True)
class MadeUp:
    """One request.

    Attributes:
        method: Its verb, upper case.
        path: Its path, for telling requests apart.
        raw: All of it, as it goes on the wire.
        is_http: Whether it is a request at all.
    """

    method: str
    path: str
    raw: bytes
    is_http: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that an instance serves.

    Attributes:
        method: Its verb, upper case.
        path: Its path with ``{parameters}``, from the root of the services.
        query: Names of its query parameters.
    """

    method: str
    path: str
    query: tuple[str, ...]


def operations(instance: str, document: dict[str, Any]) -> Iterable[Operation]:
    """What an OpenAPI 2.0 document of an instance says it serves."""
    for path, verbs in document["paths"].items():
        for verb, told in verbs.items():
            query = (p["name"] for p in told["parameters"] if p["in"] == "query")
            below = path if path.startswith("/1/login") else f"/{instance}{path}"
            root = "" if path.startswith("/1/login") else "/api/1/service"
            yield Operation(verb.upper(), root + below, tuple(query))


class Chance:
    """Makes requests up.

    Args:
        seed: The same seed, the same requests.
        known: What the services serve.
        token: The credentials that most requests carry.
        folder: The only place that file streams may name.
    """

    def __init__(
        self, seed: int, known: list[Operation], token: str, folder: Path
    ) -> None:
        self._random = random.Random(seed)
        self._known = known
        self._token = token
        self._folder = folder
        self._descriptors = [
            {"Transport": "REST", "Encoding": "json"},
            {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json"},
            {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "csv"},
            {"Transport": "REST", "Encoding": "avro-binary", "Schema": "int"},
            {"Transport": "REST", "Encoding": "msgpack", "Batching": "explicit"},
            {"Transport": {"Type": "inline", "Data": ["1", "2"]}, "Encoding": "json"},
            {"Transport": {"Type": "inline", "DataBinary": "AAE="}, "Encoding": None},
            {"Transport": "discard", "LingerTime": 0, "Loop": False},
            {"Transport": {"Type": "file", "Path": str(folder / "f")}, "SkipTo": 3},
            {"Transport": {"Type": "TCP", "Host": "127.0.0.1", "Port": 1}},
            {"Transport": {"Type": "UDP", "BindTo": "127.0.0.1", "Port": 0}},
            {"Transport": {"Type": "HTTP", "Url": "http://127.0.0.1:1/"}},
            {"Transport": {"Type": "exec", "Run": "true", "Args": []}},
            {"Transport": {"Type": "Kafka", "BootstrapServers": ["x"], "Topic": "t"}},
            {
                "Transport": "REST",
                "Envelope": {"Type": "fixed", "Size": 4},
                "Batching": {"Watermark": 3, "NagleTime": 5},
                "Schema": {"type": "record", "name": "R", "fields": []},
            },
            {"Tap": "sys.memory", "Activate": "permanent", "Report": {"Interval": 1}},
            {
                "Tap": "manifold.0.records.count",
                "Activate": {"Type": "regular", "Interval": 0.5, "MaxReads": 2},
                "Filter": {"Type": "within-range", "MinValue": 1, "MaxValue": "1G"},
                "Aggregate": {"Type": "accumulate", "SampleSize": 3},
                "Report": {"Interval": 0.5},
            },
            {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]},
            {"type": "array", "items": ["null", {"type": "fixed", "size": 3}]},
            {"type": "enum", "name": "E", "symbols": ["A"]},
            {"data": {"x": 1}},
            {"fastscore": {"fleet": []}, "db": {"type": "mysql"}},
            "int",
            3,
        ]

    def request(self) -> MadeUp:
        """The next one."""
        if self._random.random() < 0.01:
            return MadeUp("GET", "", self._random.choice(_GARBAGE), is_http=False)
        operation = self._random.choice(self._known)
        method, path = operation.method, self._filled(operation.path)
        if self._random.random() < 0.05:
            method = self._random.choice(
                ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"]
            )
        if self._random.random() < 0.08:
            path = self._damaged(path)
        target = path + self._query(operation)
        body = b"" if method in ("GET", "HEAD") else self._body(path)
        headers = self._headers(path, len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        line = f"{method} {target} HTTP/1.1\r\n{head}\r\n"
        return MadeUp(method, path, line.encode() + body)

    def _filled(self, path: str) -> str:
        """Put a name where the path has a parameter; right ones more often."""
        steps = []
        for step in path.split("/"):
            if not step.startswith("{"):
                steps.append(step)
            elif self._random.random() < 0.7:
                steps.append(self._random.choice(_NAMES[:8]))
            else:
                steps.append(self._random.choice(_NAMES))
        return "/".join(steps)

    def _damaged(self, path: str) -> str:
        at = self._random.randrange(len(path))
        way = self._random.randrange(4)
        if way == 0:
            return path[:at] or "/"
        if way == 1:
            return path[:at] + self._random.choice(_NAMES) + path[at:]
        if way == 2:
            return path.replace("/", self._random.choice(["//", "/./", "%2F", "\\"]), 1)
        return path + self._random.choice(["/", "//", "/x", "?", ";x", "#"])

    def _query(self, operation: Operation) -> str:
        asked = [name for name in operation.query if self._random.random() < 0.6]
        if self._random.random() < 0.05:
            asked.append(self._random.choice(["x", "", "return", "%ff"]))
        words = (f"{name}={self._random.choice(_WORDS)}" for name in asked)
        return "?" + "&".join(words) if asked else ""

    def _headers(self, path: str, size: int) -> list[tuple[str, str]]:
        found = [("Host", "127.0.0.1"), ("Content-Length", str(size))]
        if self._random.random() < 0.95:
            found.append(("Authorization", self._token))
        else:
            wrong = ["", "Bearer", "Basic", "Basic %%%", "Basic YQ==", "x", "é" * 50]
            found.append(("Authorization", self._random.choice(wrong)))
        if self._random.random() < 0.03:
            found.append(
                ("Cookie", self._random.choice(["x", "connect.sid=%", ";=;", "é"]))
            )
        right = MODEL if "model" in path else "application/json"
        kind = right if self._random.random() < 0.6 else self._random.choice(_TYPES)
        if kind:
            found.append(("Content-Type", kind))
        if self._random.random() < 0.5:
            found.append(("Content-Disposition", self._random.choice(_DISPOSITIONS)))
        if self._random.random() < 0.05:
            ranges = [
                "bytes=0-",
                "bytes=5-1",
                "bytes=-1",
                "bytes=9999999-",
                "x=1",
                "bytes=é",
            ]
            found.append(("Range", self._random.choice(ranges)))
        if self._random.random() < 0.03:
            found += [("Upgrade", "websocket"), ("Connection", "Upgrade")]
            found.append(
                ("Sec-WebSocket-Version", self._random.choice(["13", "1", ""]))
            )
            found.append(("Sec-WebSocket-Key", self._random.choice(["", "x", "AA=="])))
        return found

    def _body(self, path: str) -> bytes:
        way = self._random.random()
        if way < 0.05:
            return b""
        if way < 0.12:
            return self._random.randbytes(self._random.choice([1, 7, 300, 70_000]))
        if way < 0.15:
            odd = [
                b"[" * 100_000,
                b'{"a":' * 9000,
                b"NaN",
                b"1e999",
                b"-",
                b'"\\ud800"',
            ]
            return self._random.choice(odd)
        if way < 0.2:
            return self._multipart()
        if "model" in path and way < 0.7:
            return self._random.choice(_SOURCES).encode("utf-8", "surrogatepass")
        if "input" in path or "roundtrip" in path:
            return b"\n".join(
                json.dumps(
                    self._random.choice([1, "a", {"x": 1}, {"$fastscore": "set"}])
                ).encode()
                for _ in range(self._random.randrange(4))
            )
        value = self._random.choice(self._descriptors)
        for _ in range(self._random.choice([0, 0, 1, 1, 2])):
            value = self._mutated(value)
        text = json.dumps(value)
        if self._random.random() < 0.05:
            text = text[: self._random.randrange(len(text) + 1)]
        return text.encode()

    def _multipart(self) -> bytes:
        head = self._random.choice(_DISPOSITIONS)
        kind = self._random.choice(_TYPES)
        end = self._random.choice([b"\r\n--b--\r\n", b"\r\n--b\r\n", b"", b"--b--"])
        part = f"\r\n--b\r\nContent-Disposition: {head}\r\nContent-Type: {kind}\r\n\r\n"
        source = self._random.choice(_SOURCES)
        return (part + source).encode("utf-8", "surrogatepass") + end

    def _mutated(self, value: Any) -> Any:
        """The same value with one thing in it changed."""
        if isinstance(value, dict) and value and self._random.random() < 0.85:
            key = self._random.choice(list(value))
            way = self._random.random()
            if way < 0.15:
                return {k: v for k, v in value.items() if k != key}
            if way < 0.25:
                return {
                    **value,
                    self._random.choice(["x", key.lower(), ""]): value[key],
                }
            return {**value, key: self._mutated(value[key])}
        if isinstance(value, list) and value and self._random.random() < 0.7:
            at = self._random.randrange(len(value))
            return [*value[:at], self._mutated(value[at]), *value[at + 1 :]]
        return self._random.choice(_ODD)
