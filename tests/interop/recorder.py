"""A server that writes down each request as it came, and gives canned answers.

It stands where the FastScore proxy would, so that two clients can be made to do the
same call and what they sent be laid side by side. ``GET /mark/NAME`` begins a new page
of the record; what follows belongs to the call ``NAME``.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from web_server import WebServer

BASE = "/api/1/service"
_WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEALTH = {"id": "366e5030", "release": "1.10", "built_on": "Thu May 11 2017"}
_FLEET = [
    {**_HEALTH, "name": name, "api": api, "host": "h", "port": 8002, "health": "ok"}
    for name, api in (
        ("model-manage-1", "model-manage"),
        ("engine-1", "engine"),
        ("engine-2", "engine"),
    )
]
_SLOT = {"slot": 0, "schema": "int", "recordsets": False, "action": "action"}
_MODEL_INFO = {
    "name": "m",
    "mtype": "python3",
    "source": "def action(x): yield x\n",
    "slots": [_SLOT],
    "attachments": [],
    "snapshots": "none",
    "jets": [{"pid": 7, "sandbox": "1"}],
}
_STREAM_INFO = {
    "slot": 1,
    "name": "s",
    "descriptor": {"Transport": "REST"},
    "eof": False,
}
_SNAPSHOT = {
    "id": "yu647abc",
    "created_on": "2018-03-05T17:52:45.664600Z",
    "type": "ETS1",
    "size": 4,
}
_VERIFIED = {
    "slots": [_SLOT],
    "install_libs": [],
    "warn_libs": [],
    "attach_libs": [],
    "snapshots": "none",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it came.

    Attributes:
        call: The page of the record it belongs to.
        method: Verb of the request line.
        target: Path and query of the request line, untouched.
        headers: Names in lower case; of a name that came twice, both values.
        body: The bytes after the head, chunks put together.
    """

    call: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def _json(value: object) -> Answer:
    return Answer(body=json.dumps(value).encode())


_NOTHING = Answer(status=204)
ZIP = b"PK\x05\x06" + bytes(18)
"""The smallest archive: the attachment of the canned model."""
_ANSWERS: list[tuple[str, str, Answer]] = [
    ("POST", r"/1/login", Answer(headers=(("Set-Cookie", "connect.sid=s%3Aab.cd"),))),
    ("GET", r".*/1/health", _json(_HEALTH)),
    ("GET", r".*/1/swagger", _json({"swagger": "2.0", "info": {}, "paths": {}})),
    ("GET", r".*/1/config", _json({"db": {"type": "mysql"}})),
    ("PUT", r".*/1/config", Answer(status=201)),
    ("GET", r".*/2/pneumo", _json([])),
    ("GET", r".*/2/active/sensor/points", _json(["sys.memory"])),
    ("GET", r".*/2/active/sensor", _json([{"id": 8, "tap": "sys.memory"}])),
    ("POST", r".*/2/active/sensor", _json({"id": 9})),
    ("GET", r".*/1/(schema|stream|sensor)/[^/]+", _json({"type": "int"})),
    ("GET", r".*/1/(schema|stream|sensor)", _json(["n"])),
    ("GET", r".*/1/model/[^/]+/attachment", _json(["a.zip"])),
    (
        "GET|HEAD",
        r".*/1/model/[^/]+/attachment/[^/]+",
        Answer(content_type="application/zip", body=ZIP),
    ),
    ("GET", r".*/snapshot/[^/]+/metadata", _json(_SNAPSHOT)),
    (
        "GET",
        r".*/snapshot/[^/]+/contents",
        Answer(content_type="application/octet-stream", body=b"blob"),
    ),
    ("GET", r".*/1/model/[^/]+/snapshot", _json([_SNAPSHOT])),
    (
        "GET",
        r".*/1/model/[^/]+",
        Answer(
            content_type="application/vnd.fastscore.model-python3",
            body=b"def action(x): yield x\n",
        ),
    ),
    ("PUT", r".*/1/(model|schema|stream|sensor)/.*", Answer(status=201)),
    ("GET", r".*/2/engine/state", _json({"state": "running"})),
    ("GET", r".*/2/active/model", _json(_MODEL_INFO)),
    ("GET", r".*/2/active/stream", _json([_STREAM_INFO])),
    ("POST", r".*/2/active/model/roundtrip/.*", Answer(body=b"8")),
    ("GET", r".*/1/job/output/.*", Answer(body=b"8")),
    ("POST", r".*/1/stream/sample", _json(["MQ=="])),
    ("POST", r".*/1/stream/rate", _json([{"rps": 1.0, "mbps": 1.0}])),
    ("GET", r".*/1/policy", Answer(content_type="text/plain", body=b"numpy: install")),
    ("PUT", r".*/1/policy", Answer(status=201)),
    ("POST", r".*/2/active/schema/verify", _json({"id": 3})),
]


def _answer(method: str, target: str) -> Answer:
    path, _, query = target.partition("?")
    if method == "GET" and path == f"{BASE}/connect/1/connect":
        wanted = dict(part.partition("=")[::2] for part in query.split("&") if part)
        return _json([x for x in _FLEET if all(x[k] == v for k, v in wanted.items())])
    if method == "GET" and path == f"{BASE}/model-manage-1/1/model":
        typed = {"name": "m", "type": "python3"}
        return _json([typed if "return" in query else "m"])
    if method == "PUT" and "dry-run=true" in query.lower():
        return _json(_VERIFIED if path.endswith("/job/model") else {"loop": False})
    for methods, pattern, answer in _ANSWERS:
        if re.fullmatch(methods, method) and re.fullmatch(pattern, path):
            return answer
    return _NOTHING


class Recorder(WebServer):
    """The server; ``pages()`` has what came, by call.

    Args:
        certificate: A PEM file with certificate and key, to speak TLS; plain otherwise.
    """

    daemon_threads = False

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(_Handler)
        self.call = ""
        self.open: set[socket.socket] = set()
        self.requests: list[Recorded] = []
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self._scheme = "https"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def pages(self) -> dict[str, list[Recorded]]:
        """What came, in order, by call; calls that sent nothing are left out."""
        pages: dict[str, list[Recorded]] = {}
        for request in self.requests:
            pages.setdefault(request.call, []).append(request)
        return pages


@contextmanager
def recording(certificate: Path | None = None) -> Iterator[Recorder]:
    """A recorder that listens, for as long as the block lasts."""
    with Recorder(certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            for connection in list(server.open):
                with suppress(OSError):  # it has ended by itself meanwhile
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the record is the log."""

    def _handle(self) -> None:
        method, target, _ = self.requestline.split(" ", 2)
        if target.startswith("/mark/"):
            self.server.call = target.removeprefix("/mark/")
            self._say(_NOTHING)
            return
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        self.server.requests.append(
            Recorded(self.server.call, method, target, headers, self._body())
        )
        if headers.get("upgrade", "").lower() == "websocket":
            self._open_websocket(headers["sec-websocket-key"])
        else:
            self._say(_answer(method, target))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 (http.server)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and answer.status != 204:
            self.wfile.write(answer.body)

    def _open_websocket(self, key: str) -> None:
        digest = hashlib.sha1(key.encode() + _WEBSOCKET_KEY).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.end_headers()
        message = {
            "src": "engine-1",
            "timestamp": "2018-03-05T17:52:45.664600Z",
            "type": "engine-state",
            "state": "running",
        }
        text = json.dumps(message).encode()
        self.wfile.write(bytes([0x81, 126, len(text) >> 8, len(text) & 255]) + text)
        self.wfile.flush()
        self.rfile.read(1)  # until the client closes or says so
        self.close_connection = True
