"""Literals expand to what the real SDK 1.10.3 makes of them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.fastscore.wire.literals import EXAMPLES, expand, is_literal
from pilothouse.fastscore.wire.streams import parse_descriptor
from pilothouse.fastscore.wire.transports import Inline


def b64(data):
    return base64.b64encode(data).decode()


TABLE = [
    ("rest:", "REST", "json"),
    ("rest-chunked:", {"Type": "REST", "Mode": "chunked"}, "json"),
    ("discard:", "discard", "json"),
    ("file:/abs/path", {"Type": "file", "Path": "/abs/path"}, "json"),
    ("file:/a.json", {"Type": "file", "Path": "/a.json"}, "json"),
    ("file:/a.avro", {"Type": "file", "Path": "/a.avro"}, "avro-binary"),
    ("file:/a.utf8", {"Type": "file", "Path": "/a.utf8"}, "utf8"),
    ("file:/a.bin", {"Type": "file", "Path": "/a.bin"}, None),
    ("file:/a.csv", {"Type": "file", "Path": "/a.csv"}, "json"),
    ("http://h/x.avro", {"Type": "HTTP", "Url": "http://h/x.avro"}, "avro-binary"),
    ("https://h:1/x", {"Type": "HTTP", "Url": "https://h:1/x"}, "json"),
    (
        "kafka:b/t",
        {"Type": "Kafka", "BootstrapServers": ["b:9092"], "Topic": "t"},
        "json",
    ),
    (
        "kafka:b:1/t.x.utf8",
        {"Type": "Kafka", "BootstrapServers": ["b:1"], "Topic": "t.x"},
        "utf8",
    ),
    ("tcp:h:12", {"Type": "TCP", "Host": "h", "Port": 12}, "json"),
    ("tcp::12", {"Type": "TCP", "Host": "0.0.0.0", "Port": 12}, "json"),
    ("udp:h:12", {"Type": "UDP", "Port": 12, "Host": "h"}, "json"),
    ("udp::12", {"Type": "UDP", "Port": 12}, "json"),
    ("exec:my script", {"Type": "exec", "Run": "my script"}, "json"),
    ("inline:1,2,3", {"Type": "inline", "Data": ["1", "2", "3"]}, "json"),
    ("inline:", {"Type": "inline", "Data": [""]}, "json"),
    (
        "inline:%01,a%2Cb",
        {"Type": "inline", "DataBinary": [b64(b"\1"), b64(b"a,b")]},
        "json",
    ),
    ("inline-chunked:abc", {"Type": "inline", "Data": "abc"}, "json"),
    (
        "inline-chunked:%06abc",
        {"Type": "inline", "DataBinary": b64(b"\6abc")},
        "json",
    ),
]


@pytest.mark.parametrize(("literal", "transport", "encoding"), TABLE)
def test_a_literal_expands(literal, transport, encoding):
    assert expand(literal) == {"Transport": transport, "Encoding": encoding}


@pytest.mark.parametrize("literal", [row[0] for row in TABLE if ".avro" not in row[0]])
def test_an_expanded_literal_is_a_descriptor(literal):
    parse_descriptor(expand(literal))


@pytest.mark.parametrize("literal", EXAMPLES.values())
def test_the_examples_work(literal):
    assert expand(literal)["Transport"]


@pytest.mark.parametrize(
    "literal",
    [
        "rest:x",
        "rest-chunked:x",
        "discard:x",
        "file:relative",
        "file:",
        "http:h/x",
        "http://",
        "kafka:b",
        "kafka:/t",
        "kafka:b/",
        "kafka:b/a/b",
        "kafka:b:port/t",
        "kafka:b:70000/t",
        "tcp:h",
        "tcp:h:",
        "tcp:h:x",
        "tcp:h:0",
        "tcp:h:1:2",
        "udp:1",
        "exec:",
        "exec:  ",
    ],
)
def test_a_wrong_form_is_refused_with_an_example(literal):
    tag = literal.partition(":")[0]
    with pytest.raises(ValueError, match="parse error") as caught:
        expand(literal)
    assert EXAMPLES[tag] in str(caught.value)


@pytest.mark.parametrize("literal", ["gopher:x", "REST:", ":x", " rest:", "s3:b/k"])
def test_an_unknown_tag_is_refused(literal):
    with pytest.raises(ValueError, match="transport tag unknown"):
        expand(literal)


@pytest.mark.parametrize("text", ["", "my-stream", "rest"])
def test_what_has_no_colon_is_no_literal(text):
    assert not is_literal(text)
    with pytest.raises(ValueError, match="is not a literal descriptor"):
        expand(text)


@given(st.lists(st.binary(min_size=1), min_size=1))
def test_any_bytes_can_be_written_inline(records):
    literal = "inline:" + ",".join(
        "".join(f"%{byte:02x}" for byte in record) for record in records
    )
    transport = parse_descriptor(expand(literal)).transport
    assert transport == Inline(data=tuple(records), binary=True)
