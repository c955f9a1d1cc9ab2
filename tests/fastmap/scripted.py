"""A server that speaks the wire as a test tells it to: real HTTP, real signatures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import dill

from pilothouse.fastmap.wire import func_dict, headers
from pilothouse.fastmap.wire.bodies import DoneRequest, InitRequest, MapRequest
from pilothouse.fastmap.wire.gz import bounded_gunzip, gzip
from pilothouse.fastmap.wire.headers import Spent
from pilothouse.fastmap.wire.packed import pack
from pilothouse.fastmap.wire.token import new_token, sign, split, verify
from web_server import WebServer

RESULT = Spent(
    service_id="w", application_seconds=0.01, map_seconds=0.01, credits=0.25
).to_headers()


@dataclass
class Answer:
    """What is sent back; the signature is put on unless a test gives another."""

    word: str
    body: bytes = b"\x80"
    code: int = 200
    kind: str = headers.MSGPACK
    more: dict[str, str] = field(default_factory=dict)
    signature: str | None = ""


def told(word: str, code: int = 200, **values: object) -> Answer:
    """A MessagePack answer."""
    return Answer(word, pack(values), code)


def results(values: list, **changes) -> Answer:
    """A signed answer with results."""
    body = gzip(dill.dumps({"results": values}))
    answer = Answer("BATCH_PROCESSED", body, 200, headers.OCTET_STREAM, dict(RESULT))
    return Answer(**{**vars(answer), **changes})


class Scripted:
    """A server of another maker: no extra features, the released clients' words.

    It maps a batch in this process, unless `script` answers.
    """

    def __init__(self, script: Callable[[str, object, int], Answer | None]) -> None:
        self.script = script
        self.secret = new_token()
        self.token = split(self.secret)
        self.calls: list[str] = []
        self.bodies: list[bytes] = []
        self.stored: dict[str, dict[int, bytes]] = {}
        self.lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                owner.serve(self)

            def log_message(self, *args):
                pass

        self.server = WebServer(Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(60)

    def count(self, endpoint: str) -> int:
        return self.calls.count(endpoint)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        endpoint = handler.path.rpartition("/")[2]
        assert handler.headers["Authorization"] == f"Bearer {self.token.bearer}"
        signature = handler.headers[headers.CONTENT_SIGNATURE]
        assert verify(self.token.key, body, signature)
        with self.lock:
            self.calls.append(endpoint)
            self.bodies.append(body)
            number = self.calls.count(endpoint)
        answer = self.answer(endpoint, body, number)
        handler.send_response(answer.code)
        handler.send_header("Content-Type", answer.kind)
        handler.send_header("Content-Length", str(len(answer.body)))
        if answer.word:
            handler.send_header(headers.STATUS, answer.word)
        if answer.signature is not None:
            made = answer.signature or sign(self.token.key, answer.body)
            handler.send_header(headers.CONTENT_SIGNATURE, made)
        for name, value in answer.more.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.body)

    def answer(self, endpoint: str, body: bytes, number: int) -> Answer:
        kinds = {"init": InitRequest, "map": MapRequest, "done": DoneRequest}
        request = kinds[endpoint].from_bytes(body) if endpoint in kinds else None
        scripted = self.script(endpoint, request, number)
        if scripted is not None:
            return scripted
        if endpoint == "auth":
            return told("AUTHORIZED")
        if endpoint == "done":
            return told("DONE")
        if endpoint == "map":
            return self.mapped(request)
        return self.kept(request)

    def kept(self, request: InitRequest) -> Answer:
        parts = self.stored.setdefault(request.func_hash, {})
        if request.func is None:
            return told("FOUND" if parts else "NOT_FOUND")
        parts[request.payload_part] = request.func
        return told("UPLOADED")

    def mapped(self, request: MapRequest) -> Answer:
        parts = self.stored.get(request.func_hash)
        if not parts:
            return told("NOT_FOUND")
        blob = b"".join(part for _, part in sorted(parts.items()))
        function = dill.loads(func_dict.unpack(blob).func)
        items = dill.loads(bounded_gunzip(request.batch, 2**30))
        return results([function(item) for item in items])
