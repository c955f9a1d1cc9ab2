"""Control records, in each encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.fastscore.wire.controls import (
    HINTS,
    Control,
    ControlRecord,
    may_contain,
    of_json,
    produce,
    read_avro_prefix,
    recognise,
)

PIG = ControlRecord(control=Control.PIG, id=7, timestamp=1_700_000_000_000, misc="x|y")
SET = ControlRecord(control=Control.SET)
END = ControlRecord(control=Control.END)

TABLE = [
    ("json", b'{"$fastscore":"set"}', SET),
    ("json", b' {"$fastscore": "set"} ', SET),
    ("json", b'{"\\u0024fastscore": "end"}', END),
    ("json", b'{"$fastscore":"eof"}', END),
    (
        "json",
        b'{"$fastscore":"pig","id":7,"timestamp":1700000000000,"misc":"x|y"}',
        PIG,
    ),
    ("utf-8", "\u262efastscore.set".encode(), SET),
    ("utf-8", "\u262efastscore.eof".encode(), END),
    ("utf-8", "\u262efastscore.pig|7|1700000000000|x|y".encode(), PIG),
    ("null", b"\xfastscore.set", SET),
    ("null", b"\xfastscore.eof", END),
    (
        "null",
        b"\xfastscore.pig\0\0\0\7" + (1_700_000_000_000).to_bytes(8) + b"x|y",
        PIG,
    ),
    ("avro-binary", b"\x1c$fastscore.set\0\0\0", SET),
    ("avro-binary", b"\x1c$fastscore.end\0\0\0", END),
    ("msgpack", b"\x81\xaa$fastscore\xa3set", SET),
    ("soap-rpc", b"<a><fastscore-set/></a>", SET),
    ("soap-rpc", b"<x:fastscore-end />", END),
    ("csv", b'{"$fastscore":"end"}', END),
]


@pytest.mark.parametrize(("encoding", "record", "value"), TABLE)
def test_a_control_record_is_recognised(encoding, record, value):
    assert may_contain(encoding, b"before" + record + b"after")
    assert recognise(encoding, record) == value


@pytest.mark.parametrize("encoding", HINTS)
@pytest.mark.parametrize("record", [SET, END, PIG])
def test_what_is_produced_is_recognised(encoding, record):
    written = produce(encoding, record)
    assert may_contain(encoding, written)
    read = recognise(encoding, written)
    assert read is not None
    assert read.control is record.control
    if encoding != "soap-rpc":
        assert read == record


def test_the_null_and_avro_forms_are_those_of_the_manual():
    assert produce("null", SET) == b"\xfa" + b"stscore.set"
    assert len(produce("null", SET)) == 12
    assert produce("avro-binary", SET) == b"\x1c" + b"$fastscore.set" + bytes(3)


@pytest.mark.parametrize(
    ("encoding", "record"),
    [
        ("json", b'{"$fastscore":"dance"}'),
        ("json", b'{"$fastscore":3}'),
        ("json", b'["$fastscore"]'),
        ("json", b'"$fastscore"'),
        ("json", b'{"a":"$fastscore"}'),
        ("json", b'{"$fastscore":"set"'),
        ("json", b"{}"),
        ("json", b"\xff$fastscore"),
        ("json", b"[" * 100_000 + b'"$fastscore"'),
        ("utf-8", b"fastscore.set"),
        ("utf-8", "x\u262efastscore.set".encode()),
        ("utf-8", "\u262efastscore.settle".encode()),
        ("utf-8", "\u262efastscore.".encode() + b"\xff"),
        ("null", b"fastscore.set"),
        ("null", b"\xfastscore.set\0\0"),
        ("null", b"\xfastscore.sit"),
        ("null", b"x\xfastscore.set"),
        ("avro-binary", b"\x1c$fastscore.set"),
        ("avro-binary", b"\x1c$fastscore.set\0\0\0\0"),
        ("avro-binary", b"\x1c$fastscore.sot\0\0\0"),
        ("avro-binary", b"\x1c$fastscore.set\0\0\x08abc"),
        ("avro-binary", b"\x1c$fastscore.set\0\0\x01"),
        ("avro-binary", b"\x1c$fastscore.set" + b"\xff" * 20),
        ("msgpack", b"\x81\xaa$fastscore"),
        ("msgpack", b"\x81\xaa$fastscore\xa3sit"),
        ("soap-rpc", b"<fastscore-sets/>"),
        ("soap-rpc", b"fastscore-set"),
    ],
)
def test_what_only_looks_like_one_is_a_record(encoding, record):
    assert recognise(encoding, record) is None


@pytest.mark.parametrize("encoding", HINTS)
def test_most_chunks_are_ruled_out_at_once(encoding):
    assert not may_contain(encoding, b'{"x": 1.5, "y": 2.5}\n' * 100)


@given(
    control=st.sampled_from(Control),
    id=st.integers(-(2**31), 2**31 - 1).filter(bool),
    timestamp=st.integers(-(2**63), 2**63 - 1).filter(bool),
    misc=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    encoding=st.sampled_from(["json", "utf-8", "null", "avro-binary", "msgpack"]),
)
def test_id_timestamp_and_misc_travel_along(control, id, timestamp, misc, encoding):
    record = ControlRecord(control=control, id=id, timestamp=timestamp, misc=misc)
    assert recognise(encoding, produce(encoding, record)) == record


def test_an_avro_control_record_is_found_in_front_of_more_data():
    data = produce("avro-binary", PIG) + b"\x02\x04"
    record, length = read_avro_prefix(data)
    assert record == PIG
    assert data[length:] == b"\x02\x04"
    assert read_avro_prefix(b"\x02\x04") is None


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"$fastscore": None}])
def test_json_values_that_are_no_control_records(value):
    assert of_json(value) is None
