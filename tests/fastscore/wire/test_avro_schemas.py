"""Reading schemas: what Avro allows, what vendor samples hold, and what not."""

import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.avro import SchemaError, parse_schema
from pilothouse.fastscore.wire.avro_types import canonical

from .avro_strategies import schemas

LIST = {
    "type": "record",
    "name": "List",
    "fields": [
        {"name": "head", "type": "int"},
        {"name": "tail", "type": ["null", "List"], "default": None},
    ],
}
GOOD = [
    "null",
    "int",
    {"type": "int"},
    {"type": {"type": "int"}},
    {"name": "Output", "type": "double"},
    {"name": "Output", "type": ["null", "double"]},
    ["null", "string"],
    [],
    {"type": "array", "items": "int"},
    {"type": "array", "items": {"type": "map", "values": ["null", "long"]}},
    {"type": "record", "name": "R", "fields": []},
    {"type": "record", "fields": [{"name": "x", "type": "int"}]},
    {"type": "record", "name": "a.b.R", "fields": []},
    {"type": "record", "name": "R", "namespace": "a.b", "fields": []},
    {"type": "error", "name": "E", "fields": []},
    LIST,
    {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    {"type": "enum", "symbols": ["A"]},
    {"type": "fixed", "name": "F", "size": 16},
    {"type": "fixed", "size": 0},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "string", "logicalType": "unheard-of"},
    {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
    {"type": "bytes", "logicalType": "decimal"},
    {
        "type": "record",
        "name": "ns.Outer",
        "fields": [
            {"name": "a", "type": {"type": "enum", "name": "Inner", "symbols": ["X"]}},
            {"name": "b", "type": "Inner"},
            {"name": "c", "type": "ns.Inner"},
        ],
    },
    [
        {"type": "enum", "name": "A", "symbols": ["X"]},
        {"type": "enum", "name": "B", "symbols": ["X"]},
    ],
    {
        "type": "record",
        "name": "D",
        "doc": "documented",
        "aliases": ["Old"],
        "fields": [
            {"name": "x", "type": "int", "default": 3, "order": "ignore"},
            {"name": "y", "type": ["int", "null"], "default": None},
            {"name": "z", "type": "bytes", "default": "\u00ff"},
        ],
    },
]
GOOD.remove([])


@pytest.mark.parametrize("schema", GOOD, ids=json.dumps)
def test_a_schema_is_read(schema):
    assert parse_schema(schema).json == schema
    assert parse_schema(json.dumps(schema)).root.tag == parse_schema(schema).root.tag


@pytest.mark.parametrize("schema", GOOD, ids=json.dumps)
def test_its_canonical_form_is_a_schema_for_every_library(schema):
    form = canonical(parse_schema(schema).root)
    fastavro.parse_schema(form)
    assert canonical(parse_schema(form).root) == form


@given(schemas())
def test_any_schema_has_a_canonical_form(schema):
    form = canonical(parse_schema(schema).root)
    fastavro.parse_schema(form)
    assert canonical(parse_schema(form).root) == form


def record(*fields):
    return {"type": "record", "name": "R", "fields": list(fields)}


BAD = [
    ("foobar", 'Type "foobar" is undefined'),
    ({"type": "foobar"}, 'Type "foobar" is undefined'),
    ({"type": "array", "items": "foobar"}, 'Type "foobar" is undefined'),
    ("Int", 'Type "Int" is undefined'),
    ("", 'Type "" is undefined'),
    (None, "not a schema"),
    (3, "not a schema"),
    (True, "not a schema"),
    ([], "at least one type"),
    (["int", "int"], "int twice"),
    (["int", ["null"]], "must not hold a union"),
    (
        [{"type": "array", "items": "int"}, {"type": "array", "items": "long"}],
        "array twice",
    ),
    ({}, "no 'type'"),
    ({"name": "x"}, "no 'type'"),
    ({"type": "array"}, "no 'items'"),
    ({"type": "map"}, "no 'values'"),
    ({"type": "record", "name": "R"}, "'fields' must be an array"),
    ({"type": "record", "name": "R", "fields": {}}, "'fields' must be an array"),
    ({"type": "record", "name": "1R", "fields": []}, "cannot be the name"),
    ({"type": "record", "name": "a..b", "fields": []}, "cannot be the name"),
    ({"type": "record", "name": 3, "fields": []}, "cannot be the name"),
    ({"type": "record", "name": "R", "namespace": 3, "fields": []}, "not a namespace"),
    (record("x"), "not a field"),
    (record({"type": "int"}), "cannot be the name of a field"),
    (record({"name": "mean radius", "type": "int"}), "cannot be the name of a field"),
    (record({"name": "x"}), "has no type"),
    (record({"name": "x", "type": "int"}, {"name": "x", "type": "int"}), "twice"),
    (record({"name": "x", "type": "int", "default": "a"}), "default of field"),
    (record({"name": "x", "type": "int", "default": None}), "default of field"),
    ({"type": "enum", "name": "E"}, "'symbols' must be"),
    ({"type": "enum", "name": "E", "symbols": []}, "'symbols' must be"),
    ({"type": "enum", "name": "E", "symbols": ["A", "A"]}, "twice"),
    ({"type": "enum", "name": "E", "symbols": ["a b"]}, "cannot be the name"),
    ({"type": "enum", "name": "E", "symbols": [3]}, "cannot be the name"),
    ({"type": "fixed", "name": "F"}, "'size' is"),
    ({"type": "fixed", "name": "F", "size": -1}, "'size' is"),
    ({"type": "fixed", "name": "F", "size": True}, "'size' is"),
    ([LIST, {"type": "map", "values": LIST}], "defined twice"),
    ({"$ref": "elsewhere"}, "schema 'elsewhere' not found"),
    ({"$ref": 3}, "names a schema"),
    ({"type": 3}, "not a schema"),
]


@pytest.mark.parametrize(
    ("schema", "text"), BAD, ids=[json.dumps(row[0]) for row in BAD]
)
def test_what_is_no_schema_is_refused_with_the_reason(schema, text):
    with pytest.raises(SchemaError) as caught:
        parse_schema(schema)
    assert text in str(caught.value)
    assert isinstance(caught.value, ProtocolError)


def test_nesting_without_end_is_refused():
    schema = "int"
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(SchemaError, match="nested too deep"):
        parse_schema(schema)


def test_a_reference_is_followed():
    named = {"in1": '"int"', "pair": {"type": "array", "items": {"$ref": "in2"}}}
    named["in2"] = "double"
    named["in1"] = "int"
    assert parse_schema({"$ref": "in1"}, named).root.tag == "int"
    assert parse_schema({"$ref": "pair"}, named).root.items.tag == "double"
    assert parse_schema("in1", named).root.tag == "int"


def test_a_reference_to_itself_is_refused():
    named = {"a": {"type": "array", "items": {"$ref": "b"}}, "b": {"$ref": "a"}}
    with pytest.raises(SchemaError, match="refers to itself"):
        parse_schema({"$ref": "a"}, named)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["type", "items", "fields", "name", "symbols", "size"]),
                x,
            )
        ),
    )
)
def test_any_json_is_a_schema_or_a_schema_error(obj):
    try:
        parse_schema(obj)
    except SchemaError as exc:
        assert str(exc)  # noqa: PT017


@pytest.mark.parametrize(
    ("schema", "dtypes"),
    [
        ("double", "float64"),
        ("int", "int32"),
        (["null", "long"], "Int64"),
        (["null", "int", "string"], "object"),
        ("string", "object"),
        (
            record(
                {"name": "a", "type": "long"},
                {"name": "b", "type": ["null", "boolean"]},
                {"name": "c", "type": {"type": "array", "items": "int"}},
                {"name": "d", "type": "float"},
            ),
            {"a": "int64", "b": "boolean", "c": "object", "d": "float32"},
        ),
    ],
)
def test_types_have_dtypes(schema, dtypes):
    assert parse_schema(schema).dtypes() == dtypes
