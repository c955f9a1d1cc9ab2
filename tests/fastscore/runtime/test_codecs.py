"""Encodings: there and back, and each bad record on its own."""

import datetime
import decimal
import json
import math
import uuid

import msgpack
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.fastscore.runtime.codec import CodecError, codec_of
from pilothouse.fastscore.wire.avro import parse_schema
from pilothouse.fastscore.wire.streams import EncodingKind

POINT = parse_schema(
    {
        "type": "record",
        "name": "P",
        "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "string"}],
    }
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


def test_every_encoding_has_a_codec():
    for kind in EncodingKind:
        codec = codec_of(kind, POINT if kind is EncodingKind.AVRO else None)
        assert codec.kind is kind


def test_avro_needs_a_schema():
    with pytest.raises(CodecError, match="needs a schema"):
        codec_of("avro-binary")


def test_csv_needs_a_record_schema():
    with pytest.raises(CodecError, match="record schema"):
        codec_of("csv", parse_schema("int"))


ROUNDS = [
    ("null", None, [b"", b"a\nb", b"\xff"]),
    ("utf-8", None, ["", "grün", "a\nb"]),
    ("json", None, [None, 1, "a\nb", {"a": [1.5, None, "},{"]}, []]),
    ("msgpack", None, [None, 1, "a", {"a": [1.5]}, b"\xff", {1: 2}]),
    ("avro-binary", POINT, [{"x": 1.5, "y": "a"}, {"x": -2.0, "y": ""}]),
    ("csv", POINT, [{"x": 1.5, "y": 'a,"b"\n'}, {"x": -2.0, "y": ""}]),
    ("soap-rpc", None, [{"op": {"a": "1", "b": ["x", "y"]}}, {"op": None}]),
]


@pytest.mark.parametrize(
    ("kind", "schema", "values"), ROUNDS, ids=[r[0] for r in ROUNDS]
)
def test_writing_and_reading_are_inverse(kind, schema, values):
    codec = codec_of(kind, schema)
    records, bad = codec.encode_batch(values)
    assert not bad
    assert [codec.encode(value) for value in values] == records
    assert [codec.decode(record) for record in records] == values
    assert codec.decode_batch(records) == (values, [])


@pytest.mark.parametrize(
    ("kind", "schema", "values"),
    [row for row in ROUNDS if row[0] in ("json", "msgpack", "avro-binary")],
    ids=["json", "msgpack", "avro-binary"],
)
def test_blocks_are_inverse_too(kind, schema, values):
    codec = codec_of(kind, schema)
    block, count, bad = codec.encode_block(values)
    assert (count, bad) == (len(values), [])
    assert codec.decode_batch(block) == (values, [])
    assert codec.encode_block([]) == (b"", 0, [])
    assert codec.decode_batch(b"") == ([], [])


@given(st.lists(JSON))
def test_json_blocks_are_exact_whatever_the_records_hold(values):
    codec = codec_of("json")
    block, count, bad = codec.encode_block(values, b"\r\n")
    lines = block.split(b"\r\n")
    assert lines.pop() == b""
    assert (len(lines), bad) == (count, [])
    assert [json.loads(line) for line in lines] == values
    assert codec.decode_batch(block, b"\r\n") == (values, [])
    assert codec.encode_batch(values) == (lines, [])


@given(
    st.lists(
        st.sampled_from(
            [b"1", b"1,2", b"[1", b"2]", b'"a', b'b"', b"1],[2", b"", b"{}"]
        )
    )
)
def test_a_bad_json_line_rejects_only_itself(lines):
    """Lines such as ``1,2`` or ``[1`` must not change what the others are."""
    good, bad = codec_of("json").decode_batch(b"".join(line + b"\n" for line in lines))
    assert good == [json.loads(line) for line in lines if line in (b"1", b"{}")]
    assert [reject.index for reject in bad] == [
        index for index, line in enumerate(lines) if line not in (b"1", b"{}")
    ]
    assert [reject.raw for reject in bad] == [lines[reject.index] for reject in bad]
    assert all("not JSON" in reject.reason for reject in bad)


def test_the_last_record_of_a_block_may_lack_its_separator():
    assert codec_of("json").decode_batch(b"1\n2") == ([1, 2], [])
    assert codec_of("utf-8").decode_batch(b"a\n\nb\n") == (["a", "", "b"], [])


NUMPY = [
    (np.float64(1.5), 1.5),
    (np.float32(0.5), 0.5),
    (np.int64(7), 7),
    (np.uint8(7), 7),
    (np.bool_(True), True),
    (np.array([1, 2]), [1, 2]),
    (np.array([[1.5, 2], [3, 4]]).T, [[1.5, 3.0], [2.0, 4.0]]),
    (np.array(["a", "b"]), ["a", "b"]),
    ({"a": np.float64(1), "b": [np.int32(2)]}, {"a": 1.0, "b": [2]}),
    (pd.NA, None),
    (pd.NaT, None),
    (pd.Timestamp("2020-01-01"), "2020-01-01T00:00:00"),
    (datetime.date(2020, 1, 1), "2020-01-01"),
    (uuid.UUID(int=1), str(uuid.UUID(int=1))),
    (decimal.Decimal("1.5"), 1.5),
    (decimal.Decimal(3), 3),
    (b"a\xff", "a\u00ff"),
    ((1, 2), [1, 2]),
    ({1: 2}, {"1": 2}),
]


@pytest.mark.parametrize(("value", "plain"), NUMPY, ids=[repr(row[0]) for row in NUMPY])
def test_values_of_numpy_and_pandas_become_json(value, plain):
    codec = codec_of("json")
    assert json.loads(codec.encode(value)) == plain
    block, count, bad = codec.encode_block([value, value])
    assert [json.loads(line) for line in block.splitlines()] == [plain, plain]
    assert (count, bad) == (2, [])


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {"a": -math.inf},
        [1, [math.nan]],
        np.float32("nan"),
        np.array([1, np.nan]),
        len,
        {1, 2},
        2**70,
        {"a": 1j},
        {(1, 2): 3},
        "\ud800",
    ],
    ids=repr,
)
def test_what_json_cannot_hold_rejects_only_itself(value):
    codec = codec_of("json")
    with pytest.raises(CodecError):
        codec.encode(value)
    block, count, (reject,) = codec.encode_block([None, value, 3])
    assert (block, count) == (b"null\n3\n", 2)
    assert reject.index == 1
    assert reject.reason
    assert codec.encode_batch([None, value, 3])[0] == [b"null", b"3"]


def test_a_value_nested_without_end_is_rejected():
    value: list = []
    value.append(value)
    with pytest.raises(CodecError):
        codec_of("json").encode(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("null", "text"),
        ("null", None),
        ("utf-8", b"bytes"),
        ("utf-8", 3),
        ("utf-8", "\ud800"),
        ("msgpack", object()),
        ("msgpack", 2**70),
        ("avro-binary", {"x": "a", "y": "b"}),
        ("avro-binary", None),
        ("csv", 3),
        ("csv", {"x": 1, "z": 2}),
        ("csv", [1]),
        ("csv", {"x": {}, "y": ""}),
        ("soap-rpc", [1]),
        ("soap-rpc", {"no name": 1}),
        ("soap-rpc", {"a": object()}),
        ("soap-rpc", {"a": "\0"}),
    ],
)
def test_what_an_encoding_cannot_hold_is_rejected(kind, value):
    codec = codec_of(kind, POINT if kind in ("avro-binary", "csv") else None)
    with pytest.raises(CodecError):
        codec.encode(value)
    records, (reject,) = codec.encode_batch([value])
    assert (records, reject.index) == ([], 0)


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("utf-8", b"\xff"),
        ("json", b""),
        ("json", b"{"),
        ("json", b"NaN"),
        ("json", b"1 2"),
        ("json", b"\xff"),
        ("json", b"[" * 5000),
        ("msgpack", b""),
        ("msgpack", b"\xc1"),
        ("msgpack", b"\x93\x01"),
        ("msgpack", b"\x01\x02"),
        ("avro-binary", b"123"),
        ("csv", b"1"),
        ("csv", b"1,2,3"),
        ("csv", b'1,"open'),
        ("csv", b"\xff,a"),
        ("csv", b""),
        ("soap-rpc", b""),
        ("soap-rpc", b"<a/>"),
        ("soap-rpc", b"<Envelope/>"),
        ("soap-rpc", b"<Envelope><Body>"),
        ("soap-rpc", b'<!DOCTYPE a [<!ENTITY b "c">]><Envelope><Body/></Envelope>'),
    ],
)
def test_bytes_that_are_no_record_are_rejected_with_the_bytes(kind, record):
    codec = codec_of(kind, POINT if kind in ("avro-binary", "csv") else None)
    with pytest.raises(CodecError):
        codec.decode(record)
    good, (reject,) = codec.decode_batch([record])
    assert (good, reject.index, reject.raw) == ([], 0, record)


def test_csv_reads_what_the_schema_says():
    schema = parse_schema(
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "i", "type": "int"},
                {"name": "d", "type": ["null", "double"]},
                {"name": "b", "type": "boolean"},
                {"name": "s", "type": ["null", "string"]},
                {"name": "u", "type": ["string", "int"]},
            ],
        }
    )
    codec = codec_of("csv", schema)
    good, bad = codec.decode_batch(
        [b"1,,TRUE,x,7", b"one,2.5,no,,seven", b"1_0,nan,1,,"]
    )
    assert bad == []
    assert good[0] == {"i": 1, "d": None, "b": True, "s": "x", "u": 7}
    assert good[1] == {"i": "one", "d": 2.5, "b": "no", "s": None, "u": "seven"}
    assert good[2]["i"] == "1_0"
    assert [reason for _, reason in schema.sift(good)[1]] == [
        'Int expected, not "one", at i',
        'Int expected, not "1_0", at i',
    ]


def test_csv_takes_the_names_of_a_header():
    codec = codec_of("csv", POINT)
    assert codec.read_header(b'"y",x') == ("y", "x")
    assert codec.decode(b"a,1") == {"x": 1.0, "y": "a"}
    assert codec.header() == b"y,x"
    untyped = codec_of("csv", columns=["a", "b"])
    assert untyped.decode(b"1,2") == {"a": "1", "b": "2"}
    with pytest.raises(CodecError, match="twice"):
        untyped.set_columns(["a", "a"])


def test_csv_without_names_takes_those_of_the_first_record():
    codec = codec_of("csv")
    with pytest.raises(CodecError, match="unknown"):
        codec.decode(b"1,2")
    assert codec.header() == b""
    assert codec.encode({"a": 1, "b": True}) == b"1,true"
    assert codec.header() == b"a,b"
    assert codec.encode([np.int64(3), None]) == b"3,"


def test_csv_rows_may_hold_line_breaks_in_a_batch():
    codec = codec_of("csv", POINT)
    rows = [b'1,"a\nb"', b"2,c", b'3,"open', b"4,d"]
    good, (reject,) = codec.decode_batch(rows)
    assert [value["y"] for value in good] == ["a\nb", "c", "d"]
    assert (reject.index, reject.raw) == (2, b'3,"open')


def test_csv_has_other_quotes_and_delimiters():
    from pilothouse.fastscore.wire.streams import Encoding

    encoding = Encoding(kind=EncodingKind.CSV, quote="'", delimiter=";")
    codec = codec_of(encoding, POINT)
    assert codec.encode({"x": 1.5, "y": "a;b"}) == b"1.5;'a;b'"
    assert codec.decode(b"1.5;'a;b'") == {"x": 1.5, "y": "a;b"}


def test_msgpack_values_follow_each_other_until_one_is_broken():
    codec = codec_of("msgpack")
    data = msgpack.packb(1) + msgpack.packb("a")
    assert codec.decode_batch(data) == ([1, "a"], [])
    good, (reject,) = codec.decode_batch(data + b"\xc1" + data)
    assert (good, reject.index, reject.raw) == ([1, "a"], 2, b"\xc1" + data)
    good, (reject,) = codec.decode_batch(data + b"\x93\x01")
    assert (good, reject.raw) == ([1, "a"], b"\x93\x01")
    assert codec.decode(codec.encode(np.float64(1.5))) == 1.5
    assert codec.decode(codec.encode({"a": np.array([1, 2])})) == {"a": [1, 2]}


def test_avro_values_follow_each_other_until_one_is_broken():
    codec = codec_of("avro-binary", POINT)
    value = {"x": 1.5, "y": "a"}
    data = codec.encode(value)
    assert codec.decode_batch(data + data) == ([value, value], [])
    good, (reject,) = codec.decode_batch(data + data[:-1])
    assert (good, reject.index, reject.raw) == ([value], 1, data[:-1])


def test_avro_values_without_bytes_cannot_be_told_apart():
    codec = codec_of("avro-binary", parse_schema("null"))
    assert codec.decode_batch([b"", b""]) == ([None, None], [])


def test_soap_names_lose_their_namespaces():
    record = (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        b'<s:Header/><s:Body><m:op xmlns:m="urn:x"><m:a>1</m:a></m:op></s:Body>'
        b"</s:Envelope>"
    )
    assert codec_of("soap-rpc").decode(record) == {"op": {"a": "1"}}
    assert codec_of("soap-rpc").decode(b"<Envelope><Body/></Envelope>") == {}


def test_soap_writes_numbers_and_truths():
    codec = codec_of("soap-rpc")
    written = codec.encode({"op": {"a": 1, "b": True, "c": np.float64(1.5), "d": None}})
    assert codec.decode(written) == {
        "op": {"a": "1", "b": "true", "c": "1.5", "d": None}
    }


class Unspeakable:
    def __repr__(self):
        raise RuntimeError


def test_a_value_that_cannot_even_be_shown_is_rejected():
    _, (reject,) = codec_of("json").encode_batch([Unspeakable()])
    assert reject.raw == b"<Unspeakable: RuntimeError>"
