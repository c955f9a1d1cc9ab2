"""Things to measure, all on this machine, and a way to run a probe on them."""

from __future__ import annotations

import http.server
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pilothouse.mplane import model
from pilothouse.mplane.probes.probe import Probe
from web_server import WebServer


class Asking:
    """What a scheduler gives a service: asked, waited on, reported to.

    Args:
        most_reports: So many, and the measurement is asked to stop.
    """

    def __init__(self, most_reports: int | None) -> None:
        self.event = threading.Event()
        self.reports: list[int] = []
        self._most = most_reports

    def __call__(self) -> bool:
        return self.event.is_set()

    def wait(self, seconds: float) -> bool:
        return self.event.wait(seconds)

    def report(self, result: model.Result) -> None:
        self.reports.append(result.count_result_rows())
        if self._most is not None and len(self.reports) >= self._most:
            self.event.set()


def _specification(
    service: Probe, when: str, values: dict[str, str]
) -> model.Specification:
    """A specification for a probe, as it comes over the wire."""
    made = model.Specification(capability=service.capability())
    made.set_when(when)
    for name, value in values.items():
        made.set_parameter_value(name, value)
    made.validate()
    read = model.parse_json(model.unparse_json(made))
    assert isinstance(read, model.Specification)
    assert read.fulfills(service.capability())
    return read


class Measured:
    """The result of one run, read back from the wire, and what was reported.

    Attributes:
        micros: How long the run took, in microseconds, rounded up.
    """

    def __init__(self, result: model.Result, asking: Asking, seconds: float) -> None:
        read = model.parse_json(model.unparse_json(result))
        assert isinstance(read, model.Result)
        read.validate()
        self.result = read
        self.rows = list(read.schema_dict_iterator())
        self.reports = asking.reports
        self.micros = math.ceil(seconds * 1e6)

    def column(self, name: str) -> list:
        return [row[name] for row in self.rows]


@pytest.fixture
def measure(probes):
    """Runs a probe: label, scope, parameters; stops after some reports if asked."""

    def run(label, when, values=None, *, stop_after=None, stop_in=None):
        asking = Asking(stop_after)
        if stop_in is not None:
            late = threading.Timer(stop_in, asking.event.set)
            late.start()
        service = probes[label]
        specification = _specification(service, when, dict(values or {}))
        begin = time.monotonic()
        try:
            result = service.run(specification, asking)
            return Measured(result, asking, time.monotonic() - begin)
        finally:
            if stop_in is not None:
                late.cancel()

    return run


@pytest.fixture(scope="session")
def probes() -> dict[str, Probe]:
    """All probes of this machine by label."""
    from pilothouse.mplane.probes import services

    return {str(one.capability().get_label()): one for one in services()}


class Page(http.server.BaseHTTPRequestHandler):
    """Answers of several kinds, by path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/silent"):
            self.server.gone.wait(20)
            return
        if self.path in self.server.asked_once:
            self.close_connection = True
            return
        if self.path.startswith("/once"):
            self.server.asked_once.add(self.path)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        body = b"x" * int(self.path.partition("?")[2] or 1000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if self.path.startswith("/half"):
            self.server.gone.wait(20)
        self.wfile.write(body[len(body) // 2 :])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def page() -> Iterator[str]:
    """A web server: ``/?SIZE``, ``/silent``, ``/half``, ``/missing``, ``/once``."""
    server = WebServer(Page)
    server.gone = threading.Event()
    server.asked_once = set()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.gone.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def name_server() -> Iterator[Callable[..., int]]:
    """Starts a DNS server that answers with a code and a number of records."""
    sockets: list[socket.socket] = []

    def start(code: int = 0, count: int = 1, *, spoil: bool = False) -> int:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        sockets.append(server)

        def answer() -> None:
            while True:
                try:
                    query, peer = server.recvfrom(512)
                except OSError:
                    return
                if not query:
                    return
                number, *_ = struct.unpack_from("!H", query)
                head = struct.pack("!HHHHHH", number, 0x8180 | code, 1, count, 0, 0)
                if spoil:
                    stranger = struct.pack("!H", number ^ 1) + head[2:] + query[12:]
                    server.sendto(stranger, peer)
                    server.sendto(b"\0", peer)
                server.sendto(head + query[12:], peer)

        threading.Thread(target=answer, daemon=True).start()
        return server.getsockname()[1]

    yield start
    for one in sockets:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", one.getsockname())
        one.close()
