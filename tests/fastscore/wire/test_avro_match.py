"""Compatibility: reader accepts writer."""

import pytest
from hypothesis import given

from pilothouse.fastscore.wire.avro import accepts, parse_schema

from .avro_strategies import schemas
from .test_avro_schemas import LIST


def record(name, **fields):
    return {
        "type": "record",
        **({"name": name} if name else {}),
        "fields": [{"name": key, "type": kind} for key, kind in fields.items()],
    }


def with_default(name, field, kind, default):
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field, "type": kind, "default": default}],
    }


def enum(name, *symbols):
    return {
        "type": "enum",
        **({"name": name} if name else {}),
        "symbols": list(symbols),
    }


def fixed(name, size):
    return {"type": "fixed", **({"name": name} if name else {}), "size": size}


def array(items):
    return {"type": "array", "items": items}


def clash(reader, writer):
    return accepts(parse_schema(reader), parse_schema(writer))


GOOD = [
    ("int", "int"),
    ("long", "int"),
    ("float", "int"),
    ("float", "long"),
    ("double", "int"),
    ("double", "long"),
    ("double", "float"),
    ({"type": "double", "name": "Output"}, "double"),
    (array("double"), array("int")),
    ({"type": "map", "values": "long"}, {"type": "map", "values": "int"}),
    (fixed("F", 3), fixed("F", 3)),
    (fixed("F", 3), fixed("", 3)),
    (enum("E", "A", "B"), enum("E", "B")),
    (enum("", "A"), enum("E", "A")),
    (record("R", x="double"), record("R", x="int")),
    (record("R", x="double"), record("", x="int")),
    (record("", x="double"), record("R", x="int")),
    (record("R", x="int"), record("R", x="int", y="string")),
    (with_default("R", "x", "int", 3), record("R")),
    (["null", "int"], "int"),
    (["null", "double"], "int"),
    (["null", "int"], ["int", "null"]),
    (["null", "int", "string"], ["null", "int"]),
    ("int", ["int"]),
    ("double", ["int", "float"]),
    (LIST, LIST),
]
BAD = [
    ("int", "long", "Int expected, not Long"),
    ("int", "double", "Int expected, not Double"),
    ("float", "double", "Float expected, not Double"),
    ("string", "bytes", "String expected, not Bytes"),
    ("string", "int", "String expected, not Int"),
    ("boolean", "int", "Boolean expected, not Int"),
    ("int", ["null", "int"], "Int expected, not Null"),
    (["null", "int"], "string", "Null or Int expected, not String"),
    (["null", "int"], ["null", "string"], "Null or Int expected, not String"),
    (array("int"), array("string"), "Int expected, not String, at []"),
    (array("int"), {"type": "map", "values": "int"}, "Array expected, not Map"),
    (fixed("F", 3), fixed("F", 4), "Fixed F expected, not Fixed F"),
    (fixed("F", 3), fixed("G", 3), "Fixed F expected, not Fixed G"),
    (enum("E", "A"), enum("E", "A", "B"), "Enum E expected, not Enum E"),
    (enum("E", "A"), enum("F", "A"), "Enum E expected, not Enum F"),
    (record("R", x="int"), record("S", x="int"), "Record R expected, not Record S"),
    (record("R", x="int"), record("R"), 'field "x" is missing'),
    (record("R", x="int"), record("R", x="string"), "Int expected, not String, at x"),
    (
        record("R", x=record("Q", y="int")),
        record("R", x=record("Q", z="int")),
        'field "x.y" is missing',
    ),
    (with_default("R", "x", "int", 3), record("R", x="string"), "at x"),
    (
        LIST,
        {**LIST, "fields": [{"name": "head", "type": "string"}, LIST["fields"][1]]},
        "Int expected, not String, at head",
    ),
]


@pytest.mark.parametrize(("reader", "writer"), GOOD, ids=str)
def test_the_reader_accepts_the_writer(reader, writer):
    assert clash(reader, writer) is None


@pytest.mark.parametrize(("reader", "writer", "text"), BAD, ids=[row[2] for row in BAD])
def test_the_reader_refuses_the_writer_with_the_reason(reader, writer, text):
    assert text in clash(reader, writer)


@given(schemas())
def test_every_schema_accepts_itself(schema):
    assert clash(schema, schema) is None


def test_recursion_that_differs_deep_down_is_found():
    other = {
        "type": "record",
        "name": "List",
        "fields": [
            {"name": "head", "type": "int"},
            {
                "name": "tail",
                "type": [
                    "null",
                    {"type": "record", "name": "Other", "fields": []},
                ],
            },
        ],
    }
    assert clash(LIST, other) is not None
