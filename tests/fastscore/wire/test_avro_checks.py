"""Checking values: which fit, and why the others do not."""

import datetime
import decimal
import uuid

import fastavro.validation
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.fastscore.wire.avro import Schema, parse_schema
from pilothouse.fastscore.wire.avro_read import Mismatch, read
from pilothouse.fastscore.wire.avro_types import canonical

from .avro_strategies import ANYTHING, schemas, tag_of, values
from .test_avro_schemas import LIST

POINT = {
    "type": "record",
    "name": "Point",
    "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "double"}],
}
DEEP = {
    "type": "record",
    "name": "Deep",
    "fields": [
        {"name": "points", "type": {"type": "array", "items": POINT}},
        {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}},
    ],
}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}
MIXED = ["null", "string", POINT, {"type": "array", "items": "int"}]

FITTING = [
    ("null", [None]),
    ("boolean", [True, False, np.True_]),
    ("int", [0, -(2**31), 2**31 - 1, np.int64(5), np.uint8(5)]),
    ("long", [0, -(2**63), 2**63 - 1, np.int32(5)]),
    ("float", [0, 1.5, -3, np.float32(1.5)]),
    ("double", [0, 1.5, 10**300, float("inf"), np.float64(1.5), np.int64(1)]),
    ("bytes", ["", "abc", "\u00ff", b"\xff"]),
    ("string", ["", "grün", "\U0001f600"]),
    ({"type": "array", "items": "int"}, [[], [1, 2], (1, 2), np.array([1, 2])]),
    ({"type": "array", "items": "double"}, [[1, 2.5], np.array([1.5])]),
    ({"type": "array", "items": "long"}, [[2**62]]),
    ({"type": "array", "items": "boolean"}, [[True]]),
    ({"type": "map", "values": "int"}, [{}, {"a": 1}, {"": 2}]),
    ({"type": "map", "values": "double"}, [{"a": 1}]),
    (POINT, [{"x": 1, "y": 2.5}, {"y": 2.5, "x": np.float64(1)}]),
    (DEEP, [{"points": []}, {"points": [{"x": 1, "y": 2}], "tags": {"a": "b"}}]),
    (COLOUR, ["RED", "GREEN"]),
    ({"type": "fixed", "name": "F", "size": 2}, ["ab", b"ab", "\u00ff\u0000"]),
    (["null", "double"], [None, 1, 1.5, {"double": 1.5}, {"null": None}]),
    (MIXED, [None, "a", {"string": "a"}, {"x": 1, "y": 2}, [1], {"array": [1]}]),
    (MIXED, [{"Point": {"x": 1, "y": 2}}]),
    (LIST, [{"head": 1}, {"head": 1, "tail": {"List": {"head": 2, "tail": None}}}]),
    (LIST, [{"head": 1, "tail": {"head": 2, "tail": {"head": 3}}}]),
    ([{"type": "map", "values": "string"}, "string"], [{"string": "x"}, {"map": {}}]),
    ([COLOUR, "string"], ["RED", "blue", {"Colour": "RED"}]),
]


@pytest.mark.parametrize(
    ("schema", "value"),
    [(schema, value) for schema, several in FITTING for value in several],
    ids=str,
)
def test_a_value_fits(schema, value):
    parsed = parse_schema(schema)
    assert parsed.reason(value) is None
    assert parsed.valid(value)
    parsed.decode(value)


REFUSED = [
    ("null", 0, "Null expected, not 0"),
    ("null", "", 'Null expected, not ""'),
    ("boolean", 1, "Boolean expected, not 1"),
    ("boolean", "true", 'Boolean expected, not "true"'),
    ("int", "fastscore", 'Int expected, not "fastscore"'),
    ("int", True, "Int expected, not true"),
    ("int", 1.0, "Int expected, not 1.0"),
    ("int", None, "Int expected, not null"),
    ("int", 2**31, "Int expected, not 2147483648 (out of range)"),
    ("int", -(2**31) - 1, "Int expected, not -2147483649 (out of range)"),
    ("long", 2**63, "Long expected, not 9223372036854775808 (out of range)"),
    ("long", False, "Long expected, not false"),
    ("float", True, "Float expected, not true"),
    ("double", "1.5", 'Double expected, not "1.5"'),
    ("double", 10**400, "Double expected, not"),
    ("double", [1.5], "Double expected, not [1.5]"),
    ("bytes", "\u0100", "Bytes expected"),
    ("bytes", [1], "Bytes expected, not [1]"),
    ("string", b"x", "String expected"),
    ("string", 3, "String expected, not 3"),
    ({"type": "array", "items": "int"}, {"a": 1}, 'Array expected, not {"a": 1}'),
    ({"type": "array", "items": "int"}, "abc", 'Array expected, not "abc"'),
    ({"type": "array", "items": "int"}, [1, "a"], 'Int expected, not "a", at [1]'),
    ({"type": "array", "items": "double"}, [1.5, True], "not true, at [1]"),
    ({"type": "array", "items": "string"}, ["a", 1], "not 1, at [1]"),
    ({"type": "array", "items": "long"}, [2**70], "(out of range), at [0]"),
    ({"type": "array", "items": "boolean"}, [0], "not 0, at [0]"),
    ({"type": "map", "values": "int"}, [], "Map expected, not []"),
    ({"type": "map", "values": "int"}, {"a": "b"}, 'not "b", at a'),
    ({"type": "map", "values": "int"}, {1: 2}, "String expected as a key, not 1"),
    (POINT, [1, 2], "Record Point expected, not [1, 2]"),
    (POINT, None, "Record Point expected, not null"),
    (POINT, {"x": 1}, 'Field "y" is missing'),
    (POINT, {"x": 1, "y": 2, "z": 3}, 'Field "z" is not in the schema'),
    (POINT, {"x": 1, "z": 3}, 'Field "y" is missing'),
    (POINT, {"x": 1, "y": "a"}, 'Double expected, not "a", at y'),
    (DEEP, {"points": [{"x": 1, "y": 2}, {"x": 1}]}, '"y" is missing, at points[1]'),
    (DEEP, {"points": [{"x": 1, "y": []}]}, "not [], at points[0].y"),
    (DEEP, {"points": [], "tags": {"a": 3}}, "not 3, at tags.a"),
    (COLOUR, "BLUE", 'Enum Colour expected, not "BLUE"'),
    (COLOUR, 0, "Enum Colour expected, not 0"),
    (COLOUR, [], "Enum Colour expected, not []"),
    ({"type": "fixed", "name": "F", "size": 2}, "abc", "(3 bytes, not 2)"),
    ({"type": "fixed", "name": "F", "size": 2}, 3, "Fixed F expected, not 3"),
    (["null", "double"], "a", 'Null or Double expected, not "a"'),
    (["null", "double"], {"string": "a"}, "Null or Double expected"),
    (["null", "double"], {"double": "a"}, 'Double expected, not "a"'),
    (["null", POINT], {"x": 1}, 'Field "y" is missing'),
    (["null", POINT], {"Point": {"x": 1}}, 'Field "y" is missing'),
    (MIXED, [1, "a"], 'not "a", at [1]'),
    (MIXED, 3, "expected, not 3"),
    (LIST, {"head": 1, "tail": {"head": "x"}}, 'Int expected, not "x", at tail.head'),
]


@pytest.mark.parametrize(
    ("schema", "value", "text"), REFUSED, ids=[f"{r[2]}" for r in REFUSED]
)
def test_a_value_does_not_fit_and_the_reason_says_where(schema, value, text):
    parsed = parse_schema(schema)
    assert not parsed.fits(value)
    assert not parsed.valid(value)
    assert text in parsed.reason(value)
    with pytest.raises(Mismatch):
        parsed.decode(value)


DECODED = [
    (["null", "double"], {"double": 1.5}, 1.5),
    (LIST, {"head": 1}, {"head": 1, "tail": None}),
    ("bytes", "a\u00ff", b"a\xff"),
    (["bytes", "string"], "a", "a"),
    (["bytes", "null"], "a", b"a"),
    ({"type": "fixed", "size": 2}, "ab", b"ab"),
    (["null", {"type": "array", "items": ["null", "int"]}], [{"int": 3}], [3]),
    ({"type": "array", "items": "int"}, (1, 2), [1, 2]),
    ([{"type": "map", "values": "string"}], {"string": "x"}, {"string": "x"}),
    (
        {"type": "string", "logicalType": "uuid"},
        uuid.UUID(int=1),
        str(uuid.UUID(int=1)),
    ),
]


@pytest.mark.parametrize(("schema", "value", "plain"), DECODED)
def test_a_value_is_decoded_to_what_a_model_sees(schema, value, plain):
    parsed = parse_schema(schema)
    assert parsed.decode(value) == plain
    assert parsed.decode(plain) == plain


def test_a_value_that_needs_no_decoding_comes_back_as_it_is():
    value = {"x": 1.5, "y": 2}
    assert parse_schema(POINT).decode(value) is value


def timed(kind, logical):
    return parse_schema({"type": kind, "logicalType": logical})


@pytest.mark.parametrize(
    ("kind", "logical", "value", "number"),
    [
        ("long", "timestamp-millis", datetime.datetime(1970, 1, 2), 86_400_000),
        ("long", "timestamp-micros", datetime.datetime(1970, 1, 1, 0, 0, 1), 1_000_000),
        ("int", "date", datetime.date(1970, 1, 11), 10),
        ("int", "time-millis", datetime.time(0, 0, 1), 1000),
        ("long", "time-micros", datetime.time(0, 0, 1), 1_000_000),
        ("long", "timestamp-millis", 17, 17),
    ],
)
def test_times_become_the_numbers_of_the_schema(kind, logical, value, number):
    assert timed(kind, logical).decode(value) == number


@pytest.mark.parametrize(
    ("kind", "logical", "value"),
    [
        ("long", "timestamp-millis", "1970-01-01"),
        ("long", "timestamp-millis", datetime.date(1970, 1, 1)),
        ("int", "date", datetime.time(0, 0, 1)),
        ("int", "time-millis", 1.5),
    ],
)
def test_other_values_are_no_times(kind, logical, value):
    assert not timed(kind, logical).valid(value)


def test_decimals_become_their_bytes():
    schema = parse_schema(
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    )
    assert schema.decode(decimal.Decimal("12.34")) == (1234).to_bytes(2, "big")
    assert schema.decode(decimal.Decimal("-1")) == (-100).to_bytes(
        1, "big", signed=True
    )
    assert not schema.valid(decimal.Decimal("1.234"))
    assert not schema.valid(decimal.Decimal("123.45"))
    assert not schema.valid(decimal.Decimal("NaN"))


@st.composite
def fitting(draw):
    schema = draw(schemas())
    return schema, draw(values(schema))


@given(fitting())
def test_any_value_made_for_a_schema_fits(pair):
    schema, value = pair
    parsed = parse_schema(schema)
    assert parsed.reason(value) is None
    assert parsed.valid(value)


@given(fitting())
def test_decoding_twice_is_decoding_once(pair):
    schema, value = pair
    parsed = parse_schema(schema)
    once = parsed.decode(value)
    assert parsed.decode(once) == once


@settings(max_examples=300)
@given(schemas(plain_only=True), ANYTHING)
def test_the_fast_check_never_says_yes_where_the_slow_one_says_no(schema, value):
    parsed = parse_schema(schema)
    if parsed.fits(value):
        assert read(parsed.root, value) == value
    assert parsed.valid(value) == (parsed.reason(value) is None)


@settings(max_examples=300)
@given(schemas(plain_only=True, records=False), ANYTHING)
def test_another_implementation_agrees(schema, value):
    """Records aside, whose further fields it ignores."""
    parsed = parse_schema(schema)
    theirs = fastavro.parse_schema(canonical(parsed.root))
    agreed = fastavro.validation.validate(
        value, theirs, raise_errors=False, strict=True, disable_tuple_notation=True
    )
    assert parsed.valid(value) == agreed


@given(schemas(plain_only=True), st.lists(ANYTHING, max_size=5))
def test_a_list_is_sifted_as_its_items_are(schema, several):
    parsed = parse_schema(schema)
    good, bad = parsed.sift(several)
    assert good == [parsed.decode(v) for v in several if parsed.valid(v)]
    assert bad == [
        (index, parsed.reason(value))
        for index, value in enumerate(several)
        if not parsed.valid(value)
    ]
    if parsed.all_fit(several):
        assert not bad


def test_a_value_nested_without_end_is_refused():
    value = {"head": 1, "tail": None}
    for _ in range(5000):
        value = {"head": 1, "tail": value}
    schema = parse_schema(LIST)
    assert schema.reason(value) == "the value is nested too deep"
    assert schema.sift([value, {"head": 1, "tail": None}]) == (
        [{"head": 1, "tail": None}],
        [(0, "the value is nested too deep")],
    )


def test_a_record_of_very_many_fields_is_checked():
    schema = parse_schema(
        {
            "type": "record",
            "name": "Wide",
            "fields": [{"name": f"f{i}", "type": "double"} for i in range(3000)],
        }
    )
    value = {f"f{i}": 1.5 for i in range(3000)}
    assert schema.fits(value)
    assert (
        schema.reason({**value, "f2999": "x"}) == 'Double expected, not "x", at f2999'
    )


def test_a_type_used_many_times_is_compiled_once():
    """Each of 40 records holds the one before twice: written out that were 2**40."""
    schema = "int"
    for number in range(40):
        schema = {
            "type": "record",
            "name": f"R{number}",
            "fields": [
                {"name": "a", "type": schema},
                {
                    "name": "b",
                    "type": tag_of(schema),
                },
            ],
        }
    assert isinstance(parse_schema(schema), Schema)


def test_only_a_union_with_objects_is_in_doubt_about_a_tag():
    """{"Inner": ...} may be a tagged record or a plain one with that field."""
    schema = parse_schema(
        [
            {
                "type": "record",
                "name": "Inner",
                "fields": [{"name": "Inner", "type": "int"}],
            },
            "null",
        ]
    )
    assert schema.decode({"Inner": 3}) == {"Inner": 3}
    assert schema.decode({"Inner": {"Inner": 3}}) == {"Inner": 3}


def test_orjson_keys_and_values_take_the_fast_path():
    schema = parse_schema(POINT)
    assert schema.fits(orjson.loads(b'{"y": 2.5, "x": 1.5}'))
    assert schema.all_fit(orjson.loads(b'[{"y": 2.5, "x": 1.5}, {"x": 1, "y": 2}]'))


def test_arrays_in_arrays_in_arrays_are_checked():
    schema, value = "int", 1
    for _ in range(60):
        schema, value = {"type": "array", "items": schema}, [value]
    parsed = parse_schema(schema)
    assert parsed.fits(value)
    assert parsed.valid(value)
    assert not parsed.valid([value])


class Unspeakable:
    def __repr__(self):
        raise RuntimeError


def test_a_value_that_cannot_even_be_shown_is_refused():
    assert parse_schema("int").reason(Unspeakable()) == "Int expected, not Unspeakable"
