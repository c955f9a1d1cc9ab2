"""Streams through the whole engine: transports, encodings, envelopes, batching."""

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgpack
import pytest

from free_ports import free_port
from pilothouse.fastscore.wire.avro import parse_schema
from services.engine.conftest import CHUNKED, CUBE, ECHO, REST, Rig

POINT = {
    "type": "record",
    "name": "Point",
    "fields": [{"name": "x", "type": "int"}, {"name": "name", "type": "string"}],
}
SHIFT = (
    "# fastscore.schema.$all: point\n"
    "def action(p):\n    yield {'x': p['x'] + 1, 'name': p['name'].upper()}\n"
)

PATIENT = {"LingerTime": 60_000}


def file_stream(path, encoding="json", **more):
    return {
        "Transport": {"Type": "file", "Path": str(path)},
        "Encoding": encoding,
        "Loop": False,
        **PATIENT,
        **more,
    }


def inline(*texts, **more):
    return {
        "Transport": {"Type": "inline", "Data": list(texts)},
        "Encoding": "json",
        **more,
    }


def run_job(engine, source, given, wanted):
    engine.schema("point", POINT)
    loaded = engine.load(source)
    assert loaded.status == 204, loaded.text
    for slot, stream in ((1, wanted), (0, given)):
        attached = engine.attach(slot, stream)
        assert attached.status == 204, attached.text
    engine.wait("FINISHED")


def test_csv_with_a_header_and_quotes(engine, tmp_path):
    (tmp_path / "in.csv").write_bytes(b'name,x\r\n"a, b",1\r\n"c\nd",2\r\n')

    run_job(
        engine,
        SHIFT,
        file_stream(tmp_path / "in.csv", "csv"),
        file_stream(tmp_path / "out.json"),
    )

    rows = list(map(json.loads, (tmp_path / "out.json").read_text().splitlines()))
    assert rows == [{"x": 2, "name": "A, B"}, {"x": 3, "name": "C\nD"}]


def test_csv_goes_out_with_a_header_in_the_order_of_the_schema(engine, tmp_path):
    run_job(
        engine,
        SHIFT,
        inline('{"x":1,"name":"a"}'),
        file_stream(tmp_path / "out.csv", "csv"),
    )

    assert (tmp_path / "out.csv").read_bytes() == b"x,name\r\n2,A\r\n"


def test_msgpack_needs_no_envelope(engine, tmp_path):
    packed = b"".join(msgpack.packb({"x": n, "name": "n"}) for n in range(3))
    (tmp_path / "in").write_bytes(packed)

    run_job(
        engine,
        SHIFT,
        file_stream(tmp_path / "in", "msgpack"),
        file_stream(tmp_path / "out", "msgpack"),
    )

    unpacked = msgpack.Unpacker()
    unpacked.feed((tmp_path / "out").read_bytes())
    assert list(unpacked) == [{"x": n + 1, "name": "N"} for n in range(3)]


def test_avro_binary_needs_no_envelope(engine, tmp_path):
    schema = parse_schema(POINT)
    values = [{"x": n, "name": "n" * n} for n in range(5)]
    (tmp_path / "in").write_bytes(b"".join(map(schema.to_binary, values)))

    run_job(
        engine,
        SHIFT,
        file_stream(tmp_path / "in", "avro-binary"),
        file_stream(tmp_path / "out", "avro-binary"),
    )

    wanted = [schema.to_binary({"x": n + 1, "name": "N" * n}) for n in range(5)]
    assert (tmp_path / "out").read_bytes() == b"".join(wanted)


def test_an_avro_container_file_comes_in_and_goes_out(engine, tmp_path):
    import fastavro

    with (tmp_path / "in").open("wb") as file:
        records = [{"x": n, "name": "n"} for n in range(100)]
        fastavro.writer(file, POINT, records, sync_interval=200)
    ocf = {"Envelope": "ocf-block"}

    run_job(
        engine,
        SHIFT,
        file_stream(tmp_path / "in", "avro-binary", **ocf),
        file_stream(tmp_path / "out", "avro-binary", **ocf),
    )

    with (tmp_path / "out").open("rb") as file:
        found = list(fastavro.reader(file))
    assert found == [{"x": n + 1, "name": "N"} for n in range(100)]


def test_records_of_one_size(engine, tmp_path):
    (tmp_path / "in").write_bytes(b"abcdef")
    fixed = {"Envelope": {"Type": "fixed", "Size": 3}}
    source = "# fastscore.schema.$all: b\ndef action(x):\n    yield x[:2]\n"
    engine.schema("b", "bytes")

    run_job(
        engine,
        source,
        file_stream(tmp_path / "in", None, **fixed),
        file_stream(tmp_path / "out", None, **fixed),
    )

    assert (tmp_path / "out").read_bytes() == b"ab\0de\0"


def test_text_with_a_separator_of_its_own(engine, tmp_path):
    (tmp_path / "in").write_text("one||two||three")
    envelope = {"Envelope": {"Type": "delimited", "Separator": "||"}}

    run_job(
        engine,
        "def action(x):\n    yield x.upper()\n",
        file_stream(tmp_path / "in", "utf-8", **envelope),
        file_stream(tmp_path / "out", "utf8"),
    )

    assert (tmp_path / "out").read_text() == "ONE\nTWO\nTHREE\n"


def test_bytes_stay_as_they_are_in_simple_mode(engine):
    engine.start(ECHO, stream={"Transport": "REST", "Encoding": None})

    engine.input(b" \xff\n ")

    assert engine.next_output() == b" \xff\n "


def test_a_file_starts_at_an_offset(engine, tmp_path):
    (tmp_path / "in").write_text("1\n2\n3\n")

    run_job(
        engine,
        CUBE,
        file_stream(tmp_path / "in", SkipTo=2),
        file_stream(tmp_path / "out"),
    )

    assert (tmp_path / "out").read_text() == "8\n27\n"


def test_a_list_starts_at_a_record(engine, tmp_path):
    run_job(
        engine,
        CUBE,
        inline("1", "2", "3", SkipToRecord=1),
        file_stream(tmp_path / "out"),
    )

    assert (tmp_path / "out").read_text() == "8\n27\n"


def test_a_looping_file_never_ends(engine, tmp_path):
    (tmp_path / "in").write_text("1\n2\n")
    engine.load(ECHO)
    engine.attach(1, CHUNKED)

    engine.attach(0, file_stream(tmp_path / "in", Loop=True))

    assert b"".join(engine.next_output() for _ in range(3)).startswith(b"1\n2\n1\n2")
    assert engine.state == "running"


def test_an_end_record_in_a_file_is_its_end(engine, tmp_path):
    (tmp_path / "in").write_text('1\n{"$fastscore":"end"}\n2\n')

    run_job(engine, ECHO, file_stream(tmp_path / "in"), file_stream(tmp_path / "out"))

    assert (tmp_path / "out").read_text() == "1\n"


def test_inline_text_is_split_by_its_envelope(engine, tmp_path):
    stream = {"Transport": {"Type": "inline", "Data": "1\n2\n3"}, "Encoding": "json"}

    run_job(engine, CUBE, stream, file_stream(tmp_path / "out"))

    assert (tmp_path / "out").read_text() == "1\n8\n27\n"


def test_discard_takes_everything(engine):
    run_job(engine, ECHO, inline("1"), {"Transport": "discard", "Encoding": "json"})

    assert engine.output().status == 403


# transports


def test_tcp_in_and_out(engine, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as source:
        port = source.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as sink:
            engine.load(CUBE)
            tcp = {"Type": "TCP", "Host": "127.0.0.1"}
            out = {**tcp, "Port": sink.getsockname()[1]}
            engine.attach(1, {"Transport": out, "Encoding": "json", **PATIENT})
            engine.attach(0, {"Transport": {**tcp, "Port": port}, "Encoding": "json"})
            given, _ = source.accept()
            with given:
                given.sendall(b"1\n2\n3")
            taken, _ = sink.accept()
            with taken, taken.makefile("rb") as file:
                assert file.read() == b"1\n8\n27\n"
    engine.wait("FINISHED")


def test_tcp_waits_for_a_peer_where_no_host_is_named(engine):
    port = free_port()
    engine.load(CUBE)
    engine.attach(1)
    transport = {"Type": "TCP", "Host": "0.0.0.0", "Port": port}
    engine.attach(0, {"Transport": transport, "Encoding": "json"})

    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(b"2\n")
        assert engine.outputs(1) == [b"8"]
    engine.wait("FINISHED")


def test_udp_in_and_out(engine):
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(60)
        engine.load(CUBE)
        out = {"Type": "UDP", "Host": "127.0.0.1", "Port": sink.getsockname()[1]}
        engine.attach(1, {"Transport": out, "Encoding": "json"})
        udp = {"Type": "UDP", "BindTo": "127.0.0.1", "Port": port}
        engine.attach(0, {"Transport": udp, "Encoding": "json"})
        for text in (b"2", b"3"):
            sink.sendto(text, ("127.0.0.1", port))
        found = sorted(sink.recv(100) for _ in range(2))
        sink.sendto(b'{"$fastscore":"end"}', ("127.0.0.1", port))

    assert found == [b"27", b"8"]
    engine.wait("FINISHED")


class Pages(BaseHTTPRequestHandler):
    """Serves records, whole and chunked, and takes them."""

    protocol_version = "HTTP/1.1"
    taken: list[bytes] = []  # noqa: RUF012

    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for record in (b"1", b"2", b"3"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(record), record))
            self.wfile.write(b"0\r\n\r\n")
            return
        body = b"1\n2\n3\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        type(self).taken.append(b"".join(parts))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args):
        """Say nothing."""


@pytest.fixture
def pages():
    Pages.taken.clear()
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def http_stream(url, **more):
    transport = {"Type": "HTTP", "Url": url, **more}
    return {"Transport": transport, "Encoding": "json", **PATIENT}


def test_http_in_and_out(engine, pages):
    run_job(engine, CUBE, http_stream(f"{pages}/data"), http_stream(f"{pages}/out"))

    assert Pages.taken == [b"1\n8\n27\n"]


def test_http_chunks_are_records(engine, pages, tmp_path):
    given = http_stream(f"{pages}/chunks", Chunked=True)

    run_job(engine, CUBE, given, file_stream(tmp_path / "out"))

    assert (tmp_path / "out").read_text() == "1\n8\n27\n"


def test_http_skips_where_the_server_knows_no_ranges(engine, pages, tmp_path):
    given = {**http_stream(f"{pages}/data"), "SkipTo": 2}

    run_job(engine, CUBE, given, file_stream(tmp_path / "out"))

    assert (tmp_path / "out").read_text() == "8\n27\n"


@pytest.mark.parametrize(
    "transport",
    [
        {"Type": "TCP", "Host": "127.0.0.1", "Port": 1},
        {"Type": "HTTP", "Url": "http://127.0.0.1:1/"},
        {"Type": "HTTP", "Url": "PAGES/missing"},
    ],
    ids=["tcp", "http", "http 404"],
)
def test_a_stream_that_cannot_be_opened_is_an_error(engine, pages, transport):
    transport = json.loads(json.dumps(transport).replace("PAGES", pages))
    engine.load(ECHO)
    engine.attach(1)

    engine.attach(0, {"Transport": transport, "Encoding": "json"}, name="far")

    assert engine.state == "error"
    (log,) = engine.wait_for("log", level=8)
    assert "stream 'far' at slot 0" in log["text"]


UNSUPPORTED = [
    {"Type": "Kafka", "BootstrapServers": ["k:9092"], "Topic": "t"},
    {"Type": "Kafka-offset", "BootstrapServers": ["k:9"], "Topic": "t", "Group": "g"},
    {"Type": "S3", "Bucket": "b", "ObjectKey": "k"},
    {"Type": "HDFS", "NameNode": "n", "Path": "/p"},
    {"Type": "console"},
    {"Type": "exec", "Run": "true"},
]


@pytest.mark.parametrize("transport", UNSUPPORTED, ids=lambda t: t["Type"])
def test_transports_that_are_not_there_are_refused_by_name(engine, transport):
    for dry_run in (True, False):
        stream = {"Transport": transport, "Encoding": "json"}
        answer = engine.attach(1, stream, dry_run=dry_run)

        assert answer.status == 400
        assert f"transport not supported: {transport['Type']}" in answer.text


def test_programs_run_where_the_suite_allows_it(tmp_path):
    from conftest import LocalSuite, started

    with started(tmp_path / "data", allow_exec=True) as host:
        engine = Rig(LocalSuite(host))
        count = f"{sys.executable} -c 'print(1); print(2)'"
        out = tmp_path / "out"
        tee = {"Type": "exec", "Run": "tee", "Args": [str(out)]}
        run_job(
            engine,
            CUBE,
            {"Transport": {"Type": "exec", "Run": count}, "Encoding": "json"},
            {"Transport": tee, "Encoding": "json", **PATIENT},
        )
        engine.close()

    assert out.read_text() == "1\n8\n"


# attaching


def test_a_dry_run_shows_the_internal_form_in_either_direction(engine, tmp_path):
    stream = inline("1", "2", "3")

    for slot in (0, 1):
        answer = engine.attach(slot, stream, dry_run=True)
        assert answer.status == 200
        assert answer.json["transport"] == {"type": "inline", "data": ["1", "2", "3"]}
        assert answer.json["schema"] == "undefined"
        assert answer.json["batching"] == {"watermark": 1000, "nagle_time": 500}
    engine.attach(1, file_stream(tmp_path / "not-made"), dry_run=True)

    assert not (tmp_path / "not-made").exists()
    assert engine.call("GET", "2/active/stream").json == []


@pytest.mark.parametrize(
    ("slot", "stream"),
    [
        (1, inline("1")),
        (0, {"Transport": "discard"}),
        (0, {"Transport": {"Type": "file", "Path": "/no/such/file"}}),
        (1, {"Transport": {"Type": "file", "Path": "/no/such/folder/file"}}),
        (0, {}),
        (0, {"Transport": "REST", "Schema": {"$ref": "nothing"}}),
        (0, {"Transport": {"Type": "file", "Path": "secret://../x"}}),
    ],
    ids=["inline out", "discard in", "file", "folder", "empty", "schema", "secret"],
)
def test_streams_that_cannot_be_there_are_refused(engine, slot, stream):
    assert engine.attach(slot, stream).status == 400
    assert engine.state == "init"


def test_a_secret_is_looked_up_and_not_shown(engine, tmp_path):
    secrets = engine.engine.secrets_dir
    secrets.mkdir(parents=True, exist_ok=True)
    (secrets / "where").write_text(f"{tmp_path}/out\n")

    run_job(engine, ECHO, inline("1"), file_stream("secret://where"))

    assert (tmp_path / "out").read_text() == "1\n"
    shown = engine.call("GET", "2/active/stream").json[1]["descriptor"]
    assert shown["Transport"]["Path"] == "secret://where"


def test_an_attached_stream_is_shown_as_it_was_attached(engine):
    engine.attach(0, CHUNKED, name="mine")

    (info,) = engine.call("GET", "2/active/stream").json

    assert info == {"slot": 0, "name": "mine", "descriptor": CHUNKED, "eof": False}


def test_detach_in_init(engine):
    engine.attach(0)

    assert engine.call("DELETE", "2/active/stream/0").status == 204
    assert engine.call("DELETE", "2/active/stream/0").status == 404
    assert engine.input(b"1").status == 403
    assert engine.output().status == 403


def test_input_that_waits_for_room_is_taken_when_there_is_some(engine):
    engine.start(ECHO, stream=CHUNKED)
    engine.call("POST", "2/engine/pause")
    inlet = engine.flow.plumbing.inlet(0)
    inlet._limit = 10
    engine.input(b"1234567890\n")
    statuses = []
    post = threading.Thread(
        target=lambda: statuses.append(
            engine.suite.call("POST", "engine-1/1/job/input/0", b"2\n").status
        )
    )
    post.start()
    engine.until(lambda: inlet.is_full and inlet.waiting == 1)
    assert statuses == []

    engine.call("POST", "2/engine/unpause")
    post.join()

    assert statuses == [204]
    assert engine.outputs(2) == [b"1234567890", b"2"]


def test_a_slow_reader_holds_the_flow(engine):
    engine.start(ECHO, stream=CHUNKED)
    outlet = engine.flow.pipeline.outlets[1]
    outlet._limit = 1000

    engine.input(b"1\n" * 50_000)
    engine.until(lambda: outlet.is_full)
    assert outlet.size < 10_000

    assert engine.outputs(50_000) == [b"1"] * 50_000


def test_rest_input_is_simple_by_default(engine):
    engine.start(ECHO, stream=REST)

    engine.input(b'{"a":\n 1}')

    assert engine.next_output() == b'{"a":1}'


def test_input_that_was_accepted_outlives_a_replaced_stream(engine):
    engine.start(ECHO, stream=CHUNKED)
    engine.call("POST", "2/engine/pause")
    engine.input(b"1\n2\n")

    assert engine.attach(0, {**CHUNKED, "Description": "new"}).status == 204
    engine.input(b"3\n")
    engine.call("POST", "2/engine/unpause")

    assert engine.outputs(3) == [b"1", b"2", b"3"]


def test_a_record_may_give_far_more_than_a_queue_holds(engine):
    source = (
        "def action(x):\n    for n in range(x):\n        yield str(n) + 'x' * 5000\n"
    )
    engine.start(source, stream=CHUNKED)
    engine.flow.pipeline.outlets[1]._limit = 1_000_000

    engine.input(b"8000\n3\n")

    found = engine.outputs(8003)
    assert [int(row.strip(b'"x')) for row in found] == [*range(8000), 0, 1, 2]


def test_a_model_is_replaced_under_load_and_nothing_is_lost(engine):
    batching = {"Batching": {"Watermark": 50, "NagleTime": 10}}
    tag = "import time\ndef action(x):\n    time.sleep(0.0002)\n    yield [NAME, x]\n"
    engine.start(tag.replace("NAME", "1"), stream={**CHUNKED, **batching})
    engine.input(b"".join(b"%d\n" % n for n in range(3000)))
    assert engine.next_output()

    assert engine.load(tag.replace("NAME", "2")).status == 204
    engine.input(b"3000\n")

    rows = []
    while not rows or rows[-1][1] != 3000:
        rows += [json.loads(row) for row in engine.next_output().splitlines()]
    numbers = [number for _, number in rows]
    assert numbers == list(range(numbers[0], 3001))
    assert sorted(name for name, _ in rows) == [name for name, _ in rows]
    assert rows[-1] == [2, 3000]


def test_an_output_that_nobody_fetches_is_told(engine):
    engine.start(ECHO, stream=CHUNKED)
    tap = {"Tap": "manifold.deadlock", "Aggregate": None, "Report": {"Interval": 0.0}}
    watch = engine.json("POST", "2/active/sensor", tap).json["id"]
    engine.flow.pipeline.outlets[1]._limit = 10

    engine.input(b"1\n" * 50_000)

    (report, *_) = engine.wait_for("sensor-report", id=watch)
    assert "slots [1]" in report["data"]
    engine.call("DELETE", f"2/active/sensor/{watch}")


def test_an_input_that_ended_is_shown_so_while_others_go_on(engine):
    source = "# fastscore.slot.2: in-use\n" + ECHO
    engine.load(source)
    engine.attach(1, CHUNKED)
    engine.attach(2, CHUNKED)
    engine.attach(0, CHUNKED)

    engine.input(b'1\n{"$fastscore":"end"}\n2\n')
    engine.input(b"3\n", slot=2)

    assert sorted(engine.outputs(2)) == [b"1", b"3"]
    shown = engine.call("GET", "2/active/stream").json
    assert [info["eof"] for info in shown] == [True, False, False]
    assert engine.input(b"4\n").status == 403
    engine.input(b'{"$fastscore":"eof"}\n', slot=2)
    engine.wait("FINISHED")
