"""Stream descriptors: what the manual allows together, and what not."""

import json

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire import streams, transports
from pilothouse.fastscore.wire.streams import (
    Batching,
    Delimited,
    DelimitedCsv,
    Encoding,
    EncodingKind,
    Fixed,
    Inherit,
    OcfBlock,
    SchemaRef,
    parse_descriptor,
)

FILE = {"Type": "file", "Path": "/data/in.json"}
KAFKA = {"Type": "Kafka", "BootstrapServers": ["b:9092"], "Topic": "t"}
CHUNKED = {"Type": "REST", "Mode": "chunked"}
ODBC = {"Type": "ODBC", "ConnectionString": "DSN=x;PWD=hush", "SelectQuery": "select 1"}
S3 = {
    "Type": "S3",
    "Bucket": "b",
    "ObjectKey": "k",
    "AccessKeyID": "id",
    "SecretAccessKey": "hush",
}
POINT = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}]}


def of(transport, **fields):
    return parse_descriptor({"Transport": transport, **fields})


TRANSPORTS = [
    ("REST", transports.Rest()),
    ("rest", transports.Rest()),
    ({"type": "Rest", "MODE": "Chunked"}, transports.Rest(mode="chunked")),
    (FILE, transports.File(path="/data/in.json")),
    ({"Type": "HTTP", "Url": "http://h/x"}, transports.Http(url="http://h/x")),
    (
        {"Type": "http", "Url": "HTTPS://h/x", "Chunked": True},
        transports.Http(url="HTTPS://h/x", chunked=True),
    ),
    (
        {"Type": "inline", "Data": ["1", "ü"]},
        transports.Inline(data=(b"1", b"\xc3\xbc")),
    ),
    ({"Type": "inline", "Data": "1\n2"}, transports.Inline(data=b"1\n2")),
    ({"Type": "inline", "Data": []}, transports.Inline(data=())),
    ({"Type": "debug", "Data": "1"}, transports.Inline(data=b"1")),
    (
        {"Type": "inline", "DataBinary": ["AAE="]},
        transports.Inline(data=(b"\x00\x01",), binary=True),
    ),
    (
        {"Type": "inline", "DataBinary": "AAE="},
        transports.Inline(data=b"\x00\x01", binary=True),
    ),
    ("discard", transports.Discard()),
    ("console", transports.Console()),
    ({"Type": "exec", "Run": "sort"}, transports.Exec(run="sort")),
    (
        {"Type": "exec", "Run": "sort", "Args": ["-n"]},
        transports.Exec(run="sort", args=("-n",)),
    ),
    ({"Type": "TCP", "Host": "h", "Port": 1}, transports.Tcp(host="h", port=1)),
    ({"Type": "UDP", "Port": 9}, transports.Udp(port=9)),
    (
        {"Type": "UDP", "BindTo": "127.0.0.1", "Port": 9},
        transports.Udp(bind_to="127.0.0.1", port=9),
    ),
    ({"Type": "UDP", "Host": "h", "Port": 9}, transports.Udp(bind_to="h", port=9)),
    (KAFKA, transports.Kafka(bootstrap_servers=("b:9092",), topic="t")),
    (
        {
            **KAFKA,
            "Partition": 2,
            "Group": "g",
            "MaxWaitTime": 10,
            "CommitOffset": False,
        },
        transports.Kafka(
            bootstrap_servers=("b:9092",),
            topic="t",
            partition=2,
            group="g",
            max_wait_time=10,
            commit_offset=False,
        ),
    ),
    (
        {**KAFKA, "Type": "Kafka-offset", "Group": "g"},
        transports.KafkaOffset(bootstrap_servers=("b:9092",), topic="t", group="g"),
    ),
    (
        S3,
        transports.S3(
            bucket="b", object_key="k", access_key_id="id", secret_access_key="hush"
        ),
    ),
    (
        ODBC,
        transports.Odbc(connection_string="DSN=x;PWD=hush", select_query="select 1"),
    ),
    (
        {
            "Type": "ODBC",
            "ConnectionString": "DSN=x",
            "InsertIntoTable": "t",
            "OutputFields": ["a"],
            "Timeout": 5,
        },
        transports.Odbc(
            connection_string="DSN=x",
            insert_into_table="t",
            output_fields=("a",),
            timeout=5,
        ),
    ),
    (
        {"Type": "HDFS", "NameNode": "n", "Path": "/x"},
        transports.Hdfs(name_node="n", path="/x"),
    ),
]


@pytest.mark.parametrize(
    ("wire", "value"), TRANSPORTS, ids=[json.dumps(row[0])[:60] for row in TRANSPORTS]
)
def test_every_transport_of_the_manual_is_read(wire, value):
    assert transports.parse_transport(wire) == value


@pytest.mark.parametrize(
    "wire",
    [
        None,
        3,
        [],
        {},
        {"Type": None},
        {"Type": 3},
        "",
        "carrier-pigeon",
        {"Type": "REST", "Mode": "fast"},
        {"Type": "REST", "Mode": 1},
        {"Type": "REST", "type": "file"},
        {"Type": "file"},
        {"Type": "file", "Path": "relative/x"},
        {"Type": "file", "Path": ""},
        {"Type": "file", "Path": "/a\0b"},
        {"Type": "file", "Path": 3},
        {"Type": "HTTP"},
        {"Type": "HTTP", "Url": "ftp://h/x"},
        {"Type": "HTTP", "Url": "http://h", "Chunked": "yes"},
        {"Type": "inline"},
        {"Type": "inline", "Data": "1", "DataBinary": "AA=="},
        {"Type": "inline", "Data": [1]},
        {"Type": "inline", "Data": {"a": 1}},
        {"Type": "inline", "DataBinary": "not base64!"},
        {"Type": "inline", "DataBinary": ["AA"]},
        {"Type": "exec"},
        {"Type": "exec", "Run": " "},
        {"Type": "exec", "Run": "x", "Args": "-n"},
        {"Type": "exec", "Run": "x", "Args": [1]},
        {"Type": "TCP", "Host": "h"},
        {"Type": "TCP", "Port": 1},
        {"Type": "TCP", "Host": "h", "Port": "1"},
        {"Type": "TCP", "Host": "h", "Port": 0},
        {"Type": "TCP", "Host": "h", "Port": 65536},
        {"Type": "UDP"},
        {"Type": "UDP", "Port": True},
        {"Type": "Kafka", "Topic": "t"},
        {"Type": "Kafka", "BootstrapServers": [], "Topic": "t"},
        {"Type": "Kafka", "BootstrapServers": "b:9092", "Topic": "t"},
        {"Type": "Kafka", "BootstrapServers": ["b"]},
        {**KAFKA, "Partition": -1},
        {**KAFKA, "Type": "Kafka-offset"},
        {"Type": "S3", "Bucket": "b"},
        {"Type": "ODBC", "SelectQuery": "x"},
        {"Type": "ODBC", "ConnectionString": "x"},
        {**ODBC, "Timeout": -1},
        {"Type": "HDFS", "Path": "/x"},
        {"Type": "HDFS", "NameNode": "n", "Path": "/x", "Authentication": "kerberos"},
    ],
    ids=lambda wire: json.dumps(wire)[:60],
)
def test_a_wrong_transport_is_refused(wire):
    with pytest.raises(ProtocolError):
        transports.parse_transport(wire)


ENCODINGS = [
    (None, EncodingKind.NULL),
    ("utf-8", EncodingKind.UTF8),
    ("utf8", EncodingKind.UTF8),
    ("json", EncodingKind.JSON),
    ("JSON", EncodingKind.JSON),
    ({"Type": "json"}, EncodingKind.JSON),
    ("csv", EncodingKind.CSV),
    ("msgpack", EncodingKind.MSGPACK),
    ("avro-binary", EncodingKind.AVRO),
    ("soap-rpc", EncodingKind.SOAP),
]


@pytest.mark.parametrize(("wire", "kind"), ENCODINGS)
def test_every_encoding_of_the_manual_is_read(wire, kind):
    assert of("REST", Encoding=wire).encoding == Encoding(kind=kind)


def test_csv_has_options():
    given = {"Type": "csv", "QuoteCharacter": "'", "Delimiter": ";"}
    encoding = of(FILE, Encoding=given).encoding
    assert encoding == Encoding(kind=EncodingKind.CSV, quote="'", delimiter=";")
    assert encoding.internal() == {
        "type": "csv",
        "quote_character": "'",
        "delimiter": ";",
    }


@pytest.mark.parametrize(
    "wire",
    [
        "xml",
        "",
        3,
        [],
        {},
        {"Type": "csv", "Delimiter": ""},
        {"Type": "csv", "Delimiter": "ab"},
        {"Type": "csv", "Delimiter": "\n"},
        {"Type": "csv", "Delimiter": '"'},
        {"Type": "csv", "QuoteCharacter": 7},
    ],
)
def test_a_wrong_encoding_is_refused(wire):
    with pytest.raises(ProtocolError):
        of("REST", Encoding=wire)


DEFAULT_ENVELOPES = [
    ("REST", "json", None),
    (CHUNKED, "json", Delimited()),
    (CHUNKED, "utf-8", Delimited()),
    (CHUNKED, None, Delimited()),
    (CHUNKED, "csv", DelimitedCsv()),
    (CHUNKED, "msgpack", None),
    (CHUNKED, "avro-binary", None),
    (FILE, "json", Delimited()),
    ({"Type": "inline", "Data": ["1"]}, "json", None),
    ({"Type": "inline", "Data": "1"}, "json", Delimited()),
    ("discard", "json", None),
    ({"Type": "UDP", "Port": 9}, "json", None),
    ({"Type": "HTTP", "Url": "http://h", "Chunked": True}, "json", None),
    ({"Type": "HTTP", "Url": "http://h"}, "json", Delimited()),
    (KAFKA, "json", None),
]


@pytest.mark.parametrize(("transport", "encoding", "envelope"), DEFAULT_ENVELOPES)
def test_the_default_envelope_follows_transport_and_encoding(
    transport, encoding, envelope
):
    assert of(transport, Encoding=encoding).envelope == envelope
    assert of(transport, Encoding=encoding, Envelope=None).envelope == envelope


ENVELOPES = [
    ("delimited", "json", Delimited()),
    ({"Type": "Delimited", "Separator": "\r\n"}, "json", Delimited(separator=b"\r\n")),
    ({"Type": "fixed", "Size": 8}, None, Fixed(size=8)),
    ({"Type": "fixed", "Size": 8}, "msgpack", Fixed(size=8)),
    ("ocf-block", "avro-binary", OcfBlock()),
    (
        {"Type": "ocf-block", "SyncMarker": "00" * 16, "Compress": "deflate"},
        "avro-binary",
        OcfBlock(sync_marker=bytes(16), compress="deflate"),
    ),
    (
        {"Type": "ocf-block", "SyncMarker": "AAAAAAAAAAAAAAAAAAAAAA=="},
        "avro-binary",
        OcfBlock(sync_marker=bytes(16)),
    ),
    (
        {"Type": "ocf-block", "SyncMarker": "sixteen letters!", "SkipHeader": False},
        "avro-binary",
        OcfBlock(sync_marker=b"sixteen letters!", skip_header=False),
    ),
    (
        {"Type": "delimited-csv", "SkipHeader": False, "SkipBlankLines": False},
        "csv",
        DelimitedCsv(skip_header=False, skip_blank_lines=False),
    ),
]


@pytest.mark.parametrize(("wire", "encoding", "envelope"), ENVELOPES)
def test_every_envelope_of_the_manual_is_read(wire, encoding, envelope):
    assert of(FILE, Encoding=encoding, Envelope=wire).envelope == envelope


@pytest.mark.parametrize(
    ("transport", "encoding", "envelope"),
    [
        (FILE, "json", "parcel"),
        (FILE, "json", 3),
        (FILE, "json", {"Type": "delimited", "Separator": ""}),
        (FILE, "json", {"Type": "delimited", "Separator": 3}),
        (FILE, "json", {"Type": "fixed"}),
        (FILE, "json", {"Type": "fixed", "Size": 0}),
        (FILE, "json", {"Type": "fixed", "Size": "8"}),
        (FILE, "msgpack", "delimited"),
        (FILE, "avro-binary", "delimited"),
        (FILE, "json", "ocf-block"),
        (FILE, "msgpack", "ocf-block"),
        (FILE, "json", "delimited-csv"),
        (FILE, "avro-binary", {"Type": "ocf-block", "SyncMarker": "short"}),
        (FILE, "avro-binary", {"Type": "ocf-block", "Compress": "snappy"}),
        (FILE, "csv", {"Type": "delimited-csv", "SkipHeader": "no"}),
        ({"Type": "inline", "Data": ["1"]}, "json", "delimited"),
        ({"Type": "UDP", "Port": 9}, "json", "delimited"),
        ("discard", "json", "delimited"),
        (KAFKA, "json", {"Type": "fixed", "Size": 8}),
        ({"Type": "HTTP", "Url": "http://h", "Chunked": True}, "json", "delimited"),
    ],
)
def test_an_envelope_that_does_not_go_with_the_rest_is_refused(
    transport, encoding, envelope
):
    with pytest.raises(ProtocolError):
        of(transport, Encoding=encoding, Envelope=envelope)


def test_an_envelope_means_nothing_in_simple_rest_mode():
    """Vendor samples carry one."""
    assert of("REST", Encoding="json", Envelope="delimited").envelope is None
    chunked = of(CHUNKED, Encoding="json", Envelope="delimited")
    assert chunked.envelope == Delimited()


SCHEMAS = [
    ({}, Inherit.INHERIT),
    ({"Schema": "$inherit"}, Inherit.INHERIT),
    ({"Schema": None}, None),
    ({"Schema": "int"}, "int"),
    ({"Schema": "null"}, "null"),
    (
        {"Schema": '{"type": "array", "items": "int"}'},
        {"type": "array", "items": "int"},
    ),
    ({"Schema": {"$ref": "in1"}}, SchemaRef(name="in1")),
    ({"Schema": ["null", "int"]}, ["null", "int"]),
]


@pytest.mark.parametrize(("fields", "schema"), SCHEMAS)
def test_the_schema_is_inherited_named_given_or_none(fields, schema):
    assert of("REST", Encoding="json", **fields).schema == schema


@pytest.mark.parametrize(
    ("encoding", "schema"),
    [
        ("json", 3),
        ("json", True),
        ("json", {"$ref": 3}),
        ("json", {"$ref": ""}),
        (None, "string"),
        (None, {"type": "int"}),
        ("utf-8", "bytes"),
        ("utf-8", POINT),
        ("csv", "string"),
        ("soap-rpc", "string"),
        ("avro-binary", None),
    ],
)
def test_a_schema_that_the_encoding_cannot_carry_is_refused(encoding, schema):
    with pytest.raises(ProtocolError):
        of(CHUNKED, Encoding=encoding, Schema=schema)


@pytest.mark.parametrize(
    ("encoding", "schema"),
    [
        (None, "bytes"),
        (None, {"type": "bytes"}),
        ("utf-8", "string"),
        ("csv", POINT),
        ("msgpack", POINT),
        ("avro-binary", "int"),
        ("soap-rpc", None),
    ],
)
def test_a_schema_that_the_encoding_carries_is_taken(encoding, schema):
    assert of(CHUNKED, Encoding=encoding, Schema=schema).schema == schema


BATCHINGS = [
    ({}, Batching(watermark=1000, nagle_time=500)),
    ({"Batching": "normal"}, Batching(watermark=1000, nagle_time=500)),
    ({"Batching": None}, Batching(watermark=1, nagle_time=None)),
    ({"Batching": "Explicit"}, Batching(watermark=None, nagle_time=None)),
    (
        {"Batching": {"Watermark": 5, "NagleTime": 10}},
        Batching(watermark=5, nagle_time=10),
    ),
    (
        {"Batching": {"NagleTime": 0, "Watermark": None}},
        Batching(watermark=None, nagle_time=0),
    ),
    ({"Batching": {"Watermark": 5}}, Batching(watermark=5, nagle_time=500)),
]


@pytest.mark.parametrize(("fields", "batching"), BATCHINGS)
def test_batching_is_a_word_or_two_numbers(fields, batching):
    assert of("REST", **fields).batching == batching


@pytest.mark.parametrize(
    "wire",
    [
        "often",
        3,
        [],
        {"Watermark": 0},
        {"Watermark": -1},
        {"NagleTime": "x"},
        {"NagleTime": 1.5},
    ],
)
def test_wrong_batching_is_refused(wire):
    with pytest.raises(ProtocolError):
        of("REST", Batching=wire)


SEEKABLE = [FILE, {"Type": "HTTP", "Url": "http://h"}, S3]


@pytest.mark.parametrize("transport", SEEKABLE)
def test_a_seekable_transport_of_bytes_can_loop_and_skip(transport):
    descriptor = of(transport, Encoding="json", Loop=True, SkipTo=10)
    assert (descriptor.loop, descriptor.skip_to) == (True, 10)


@pytest.mark.parametrize(
    ("transport", "fields"),
    [
        ("REST", {"Loop": True}),
        (CHUNKED, {"Loop": True}),
        ("discard", {"Loop": True}),
        ({"Type": "exec", "Run": "x"}, {"Loop": True}),
        ({"Type": "TCP", "Host": "h", "Port": 1}, {"Loop": True}),
        ({"Type": "UDP", "Port": 1}, {"Loop": True}),
        ({"Type": "HTTP", "Url": "http://h", "Chunked": True}, {"Loop": True}),
        (FILE, {"Loop": "yes"}),
        ("REST", {"SkipTo": 1}),
        (FILE, {"SkipTo": -1}),
        (FILE, {"SkipTo": "1"}),
        ({"Type": "inline", "Data": ["1"]}, {"SkipTo": 1}),
        (KAFKA, {"SkipTo": 1}),
        (FILE, {"SkipToRecord": 1}),
        ("REST", {"SkipToRecord": 1}),
        ({"Type": "UDP", "Port": 1}, {"SkipToRecord": 1}),
        (KAFKA, {"SkipToRecord": "middle"}),
        (KAFKA, {"SkipToRecord": -1}),
        ({"Type": "inline", "Data": ["1"]}, {"SkipToRecord": "latest"}),
        (FILE, {"LingerTime": -1}),
        (FILE, {"LingerTime": "x"}),
        (FILE, {"EndMarker": 3}),
        (ODBC, {"Encoding": "json"}),
        (ODBC, {"Schema": "int"}),
    ],
)
def test_options_that_the_transport_cannot_have_are_refused(transport, fields):
    with pytest.raises(ProtocolError):
        parse_descriptor({"Encoding": None, "Transport": transport, **fields})


def test_records_can_be_skipped_where_they_are_kept_apart():
    inline = {"Type": "inline", "Data": ["1", "2"]}
    assert of(inline, Encoding="json", SkipToRecord=1).skip_to_record == 1
    assert of(KAFKA, SkipToRecord="Earliest").skip_to_record == "earliest"


def test_kafka_starts_with_the_latest_record_unless_it_loops():
    assert of(KAFKA).skip_to_record == "latest"
    assert of(KAFKA, SkipToRecord=None).skip_to_record is None
    assert of(KAFKA, Loop=True).skip_to_record is None


def test_an_odbc_stream_is_untyped():
    assert of(ODBC).schema is None


@pytest.mark.parametrize("obj", [None, [], "rest:", 3, {}, {"Transport": None}])
def test_what_is_no_descriptor_is_refused(obj):
    with pytest.raises(ProtocolError):
        parse_descriptor(obj)


def test_defaults_are_those_of_the_manual():
    descriptor = of(FILE)
    assert descriptor.linger_time == 3000
    assert descriptor.loop is False
    assert descriptor.encoding.kind is EncodingKind.NULL
    assert of(FILE, LingerTime=None).linger_time is None


def test_keys_are_found_in_any_case_and_unknown_ones_ignored():
    descriptor = parse_descriptor(
        {"TRANSPORT": {"type": "REST"}, "encoding": "json", "Mood": "good"}
    )
    assert descriptor.transport == transports.Rest()
    assert descriptor.encoding.kind is EncodingKind.JSON


REST_INTERNAL = {
    "transport": {"type": "rest", "mode": "simple"},
    "encoding": None,
    "loop": False,
    "linger_time": 3000,
    "batching": {"watermark": 1000, "nagle_time": 500},
}


def test_the_internal_form_of_rest_is_that_of_the_vendor():
    assert of("REST", Schema=None).internal() == REST_INTERNAL


def test_the_internal_form_of_an_inline_literal_is_that_of_the_vendor():
    descriptor = parse_descriptor(streams.expand("inline:1,2,3"))
    assert descriptor.internal() == {
        **REST_INTERNAL,
        "transport": {"type": "inline", "data": ["1", "2", "3"]},
        "schema": "undefined",
        "encoding": "json",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Schema": {"$ref": "in1"}}, {"schema": {"$ref": "in1"}}),
        ({"Schema": "int"}, {"schema": "int"}),
        ({"SkipTo": 5}, {"skip_to": 5}),
        (
            {"Envelope": {"Type": "fixed", "Size": 3}},
            {"envelope": {"type": "fixed", "size": 3}},
        ),
        ({}, {"envelope": {"type": "delimited", "separator": "\n"}}),
    ],
)
def test_the_internal_form_shows_what_was_given(fields, expected):
    shown = of(FILE, Encoding="json", **fields).internal()
    assert expected.items() <= shown.items()


@pytest.mark.parametrize("wire", [row[0] for row in TRANSPORTS])
def test_every_internal_form_is_json_and_shows_no_secret(wire):
    text = json.dumps(of(wire).internal())
    assert "hush" not in text
    assert (
        json.loads(text)["transport"]["type"]
        == str(json.loads(text)["transport"]["type"]).lower()
    )


def test_secrets_do_not_show():
    assert "hush" not in repr(of(S3))
    assert "hush" not in repr(of(ODBC))
    assert "hush" not in repr(of({**KAFKA, "Keytab": "hush"}))
    shown = streams.masked({"Transport": S3, "Encoding": "json"})
    assert shown["Transport"]["SecretAccessKey"] == "*****"
    assert shown["Transport"]["Bucket"] == "b"
    assert S3["SecretAccessKey"] == "hush"


def test_references_to_secrets_are_found_and_resolved():
    wire = {"Transport": {**S3, "SecretAccessKey": "secret://aws"}, "X": ["secret://b"]}
    assert streams.secret_names(wire) == {"aws", "b"}
    assert streams.masked(wire) == wire
    resolved = streams.with_secrets(wire, {"aws": "hush", "b": "c"}.__getitem__)
    assert resolved["Transport"]["SecretAccessKey"] == "hush"
    assert resolved["X"] == ["c"]
