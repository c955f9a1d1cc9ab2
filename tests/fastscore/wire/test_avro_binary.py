"""Avro's binary form: there and back, and as another implementation has it."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.fastscore.wire.avro import parse_schema
from pilothouse.fastscore.wire.avro_read import Mismatch
from pilothouse.fastscore.wire.avro_types import canonical

from .avro_strategies import schemas, values
from .test_avro_checks import POINT


@st.composite
def fitting(draw):
    schema = draw(schemas())
    return schema, draw(values(schema))


@given(fitting())
def test_writing_and_reading_are_inverse(pair):
    schema, value = pair
    parsed = parse_schema(schema)
    data = parsed.to_binary(value)
    again = parsed.from_binary(data)
    assert parsed.to_binary(again) == data


@given(fitting())
def test_the_bytes_are_those_of_another_implementation(pair):
    schema, value = pair
    parsed = parse_schema(schema)
    out = io.BytesIO()
    plain = parsed.decode(value)
    fastavro.schemaless_writer(
        out, fastavro.parse_schema(canonical(parsed.root)), plain
    )
    assert parsed.to_binary(value) == out.getvalue()


@pytest.mark.parametrize(
    ("schema", "value", "data"),
    [
        ("int", 1, b"\x02"),
        ("int", -1, b"\x01"),
        ("string", "ab", b"\x04ab"),
        ("double", 1.5, b"\0\0\0\0\0\0\xf8\x3f"),
        (POINT, {"x": 0, "y": 0}, bytes(16)),
        (["null", "int"], {"int": 1}, b"\x02\x02"),
        (["null", "int"], None, b"\0"),
    ],
)
def test_values_of_the_specification(schema, value, data):
    assert parse_schema(schema).to_binary(value) == data


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("int", b""),
        ("int", b"\xff"),
        ("int", b"\x02\x02"),
        ("string", b"\x04a"),
        ("string", b"\x04\xff\xfe"),
        ("double", b"1234567"),
        (["null", "int"], b"\x08"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x08"),
    ],
)
def test_bytes_that_are_no_value_are_refused(schema, data):
    with pytest.raises(Mismatch):
        parse_schema(schema).from_binary(data)


def test_a_value_that_does_not_fit_is_not_written():
    with pytest.raises(Mismatch, match='Int expected, not "a"'):
        parse_schema("int").to_binary("a")


def test_values_follow_each_other_in_a_stream():
    schema = parse_schema("string")
    stream = io.BytesIO(schema.to_binary("a") + schema.to_binary("b") + b"\x04c")
    assert schema.read_binary(stream) == "a"
    assert schema.read_binary(stream) == "b"
    with pytest.raises(EOFError):
        schema.read_binary(stream)


def test_logical_types_are_the_numbers_that_they_stand_for():
    schema = parse_schema({"type": "long", "logicalType": "timestamp-millis"})
    assert schema.from_binary(schema.to_binary(1_000_000)) == 1_000_000


@pytest.mark.parametrize(
    "count", [b"\xfe" + b"\xff" * 7 + b"\x7f", b"\xff" * 8 + b"\x7f\0"]
)
@pytest.mark.parametrize(
    "items",
    ["null", {"type": "fixed", "size": 0}, {"type": "record", "fields": []}],
    ids=["null", "fixed", "record"],
)
def test_eight_bytes_cannot_claim_values_without_end(count, items):
    schema = parse_schema({"type": "array", "items": items})
    with pytest.raises(Mismatch, match="values without bytes"):
        schema.from_binary(count + b"\0")


def test_a_recursive_record_takes_bytes():
    fields = [{"name": "r", "type": {"type": "array", "items": "R"}}]
    schema = parse_schema({"type": "record", "name": "R", "fields": fields})
    assert schema.from_binary(b"\x02\0\0") == {"r": [{"r": []}]}
