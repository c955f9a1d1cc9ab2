"""HTTP timing and throughput, counters of the machine, the loopback test."""

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
import time

import pytest

from pilothouse.mplane import model
from pilothouse.mplane import probes as all_probes
from pilothouse.mplane.probes.errors import MeasurementError
from pilothouse.mplane.probes.fetching import fetch
from pilothouse.mplane.probes.stopping import Stopping
from web_server import WebServer


def url_of(page: str, path: str = "/") -> dict[str, str]:
    return {"destination.url": page + path}


def test_http_phases_are_timed(measure, page):
    (row,) = measure("http-timing", "now", url_of(page, "/?5000")).rows

    assert row["http.status"] == 200
    assert row["octets.layer7"] == 5000
    assert row["delay.resolution.us"] == 0
    assert row["delay.tls.us"] is None
    assert 0 < row["delay.connect.us"] < row["duration.us"]
    assert 0 < row["delay.firstbyte.us"] < row["duration.us"]


def test_a_name_in_the_address_is_resolved(measure, page):
    named = page.replace("127.0.0.1", "localhost")
    (row,) = measure("http-timing", "now", url_of(named)).rows

    assert row["delay.resolution.us"] > 0


def test_a_refusal_is_measured_too(measure, page):
    (row,) = measure("http-timing", "now", url_of(page, "/missing")).rows

    assert row["http.status"] == 404


def test_throughput_is_bytes_over_time(measure, page):
    (row,) = measure("http-throughput", "now", url_of(page, "/?2000000")).rows

    assert row["octets.layer7"] == 2_000_000
    computed = row["octets.layer7"] * 8 / (row["duration.us"] / 1e6)
    assert row["bandwidth.partial.bps"] == pytest.approx(computed, rel=0.01)


def test_no_more_is_read_than_allowed(page):
    (throughput, _) = all_probes.services(
        {"http": {"max_bytes": "100000"}}, only=["http"]
    )
    asked = model.Specification(capability=throughput.capability(), when="now")
    asked.set_parameter_value("destination.url", f"{page}/?50000000")
    (row,) = throughput.run(asked, lambda: False).schema_dict_iterator()

    assert 100_000 <= row["octets.layer7"] < 1_000_000


@pytest.mark.parametrize("path", ["/silent", "/half?1000"])
def test_an_interrupt_ends_a_slow_answer_at_once(measure, page, path):
    begin = time.monotonic()
    measured = measure("http-timing", "now", url_of(page, path), stop_in=0.2)

    assert measured.rows == []
    assert time.monotonic() - begin < 20


def test_a_server_that_is_not_there_is_told_with_a_remedy(measure, closed_port):
    where = url_of(f"http://127.0.0.1:{closed_port}")
    with pytest.raises(MeasurementError, match="connection refused") as caught:
        measure("http-timing", "now", where)
    assert "Hint" in str(caught.value)


@pytest.fixture
def one_answer():
    """Starts a server that answers once with some bytes, and closes."""
    servers = []

    def start(answer):
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(20)
        servers.append(server)

        def serve():
            connection = server.accept()[0]
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for each in servers:
        each.close()


def test_what_is_no_web_server_is_told(measure, one_answer):
    with pytest.raises(MeasurementError, match="no whole answer"):
        measure("http-timing", "now", url_of(one_answer(b"")))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nonly this",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"nonsense\r\n\r\n",
    ],
    ids=["short", "half a chunk", "half a header", "no HTTP"],
)
def test_an_answer_that_is_cut_is_no_measurement(measure, one_answer, answer):
    with pytest.raises(MeasurementError, match="no whole answer"):
        measure("http-timing", "now", url_of(one_answer(answer)))


def test_a_server_that_never_stops_is_left_when_the_time_is_over(one_answer):
    def forever():
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield b"x" * 1000

    begin = time.monotonic()
    with pytest.raises(MeasurementError, match="the time is over"):
        fetch(
            one_answer(forever()),
            Stopping(lambda: False),
            timeout=0.3,
            max_bytes=10**12,
        )
    assert time.monotonic() - begin < 20


@pytest.fixture(scope="module")
def safe_page(tmp_path_factory):
    """A web server that speaks TLS: its address and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = WebServer(Quiet)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/", str(cert)
    server.shutdown()
    server.server_close()


def test_tls_is_a_phase_of_its_own(safe_page):
    url, cert = safe_page
    (timing, _) = all_probes.services({"http": {"ca_file": cert}}, only=["http"])[::-1]
    asked = model.Specification(capability=timing.capability(), when="now")
    asked.set_parameter_value("destination.url", url)
    (row,) = timing.run(asked, lambda: False).schema_dict_iterator()

    assert row["http.status"] == 204
    assert 0 < row["delay.tls.us"] < row["duration.us"]


def test_a_certificate_that_nobody_vouches_for_is_told(measure, safe_page):
    with pytest.raises(MeasurementError, match="no TLS with") as caught:
        measure("http-timing", "now", {"destination.url": safe_page[0]})
    assert "self-signed" in str(caught.value) or "self signed" in str(caught.value)


def test_no_tls_where_there_is_none(measure, page):
    with pytest.raises(MeasurementError, match="no TLS with"):
        measure("http-timing", "now", url_of(page.replace("http:", "https:")))


def test_a_gap_is_a_row_when_others_were_measured(measure, page):
    scope = "now ... future / 1s"
    rows = measure("http-timing", scope, url_of(page, "/once"), stop_after=2).rows

    assert [row["http.status"] for row in rows] == [200, None]
    assert all(row["time"] for row in rows)


def test_an_interface_counts_what_goes_through_it(measure):
    scope, values = "now ... future / 1s", {"observer.interface": "lo"}
    first, second = measure("interface-counters", scope, values, stop_after=2).rows

    assert second["octets.sent"] >= first["octets.sent"] > 0
    assert first["bandwidth.sent.bps"] is None, "the first has nothing before it"
    assert second["bandwidth.sent.bps"] >= 0


def test_an_interface_that_is_not_there_is_not_allowed(measure):
    with pytest.raises(ValueError, match=r"observer\.interface"):
        measure("interface-counters", "now", {"observer.interface": "nope0"})


def test_connections_are_counted_by_state(measure):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(("127.0.0.1", 0))
        (row,) = measure("connection-counters", "now").rows

    assert row["sessions.established"] >= 2
    assert row["sessions.listening"] >= 1
    assert row["sockets.udp"] >= 1


@pytest.mark.parametrize("text", ["hello", "two words, and a comma", "ümläut"])
def test_what_goes_into_the_loopback_comes_out(measure, text):
    (row,) = measure("test-loopback", "now", {"test.input": text}).rows

    assert row["test.output"] == text


def test_every_capability_has_a_token_and_a_label_of_its_own(probes):
    tokens = {one.capability().get_token() for one in probes.values()}
    assert len(tokens) == len(probes)
    assert len(all_probes.services()) == len(probes)


@pytest.mark.parametrize(
    ("options", "only", "text"),
    [
        ({"nope": {}}, None, "no probe 'nope'"),
        ({}, ["nope"], "no probe 'nope'"),
        ({"http": {"max_bytes": "-1"}}, None, "max_bytes '-1'"),
        ({"http": {"ca_file": "missing.pem"}}, None, "ca_file 'missing.pem'"),
        ({"traceroute": {"max_hops": "999"}}, None, "max_hops '999'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options, only, text):
    with pytest.raises(MeasurementError, match=text):
        all_probes.services(options, only=only)
