"""Guessing a schema from samples."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.fastscore.wire.avro import infer, parse_schema

from .avro_strategies import FLOATS, NAMES, TEXTS


def fields(*pairs):
    return [{"name": name, "type": kind} for name, kind in pairs]


TABLE = [
    ([1, 2], "int"),
    ([1, 2**40], "long"),
    ([1.5], "double"),
    ([1, 1.5], "double"),
    ([True], "boolean"),
    (["a"], "string"),
    (["2019-01-01"] * 50, "string"),
    (["a"] * 50, "string"),
    ([None], "null"),
    ([None, 1], ["null", "int"]),
    ([1, "a"], ["int", "string"]),
    ([b"x"], "bytes"),
    ([[1, 2.5], []], {"type": "array", "items": "double"}),
    ([[]], {"type": "array", "items": "null"}),
    ([(1,)], {"type": "array", "items": "int"}),
    ([np.float64(1), np.int64(2)], "double"),
    ([np.bool_(True)], "boolean"),
    ([np.array([1, 2])], {"type": "array", "items": "int"}),
    ([pd.NA, 1], ["null", "int"]),
    (
        [datetime.datetime(2020, 1, 1)],
        {"type": "long", "logicalType": "timestamp-millis"},
    ),
    (
        [{"x": 1, "y": "a"}],
        {
            "type": "record",
            "name": "rows",
            "fields": fields(("x", "int"), ("y", "string")),
        },
    ),
    (
        [{"x": {"y": 1}}],
        {
            "type": "record",
            "name": "rows",
            "fields": fields(
                (
                    "x",
                    {
                        "type": "record",
                        "name": "rows_x",
                        "fields": fields(("y", "int")),
                    },
                )
            ),
        },
    ),
    (
        [{"x": 1}, {}],
        {
            "type": "record",
            "name": "rows",
            "fields": [{"name": "x", "type": ["null", "int"], "default": None}],
        },
    ),
    ([{}], {"type": "record", "name": "rows", "fields": []}),
]


@pytest.mark.parametrize(("samples", "schema"), TABLE, ids=str)
def test_a_schema_is_guessed(samples, schema):
    assert infer("rows", samples) == schema
    parsed = parse_schema(schema)
    for sample in samples:
        if sample is not pd.NA:
            assert parsed.reason(sample) is None


def test_few_words_become_an_enum_where_that_is_wanted():
    samples = ["red", "green"] * 10
    assert infer("colour", samples, enum_limit=10) == {
        "type": "enum",
        "name": "colour",
        "symbols": ["green", "red"],
    }
    assert infer("colour", samples) == "string"
    assert infer("colour", ["red", "green"], enum_limit=10) == "string"
    assert infer("colour", ["a b"] * 20, enum_limit=10) == "string"


def test_a_name_that_is_no_avro_name_becomes_one():
    assert infer("2 rows", [{}])["name"] == "_2_rows"
    assert infer("", [{}])["name"] == "record"


def test_names_do_not_clash():
    schema = infer("r", [{"x": {"a": 1}, "x_item": {}, "r_x": 1}, {"x": [{"b": 1}]}])
    parse_schema(schema)


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([], "at least one sample"),
        ([{"mean radius": 1}], "'mean radius' cannot be the name of a field"),
        ([{1: 2}], "keys that are no strings"),
        ([2**70], "more than 64 bits"),
        ([object()], "no Avro type for object"),
    ],
)
def test_what_cannot_be_described_is_refused(samples, text):
    with pytest.raises(ValueError, match=text):
        infer("rows", samples)


SAMPLES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(SAMPLES, min_size=1, max_size=5))
def test_the_samples_fit_the_guess_and_the_guess_is_always_the_same(samples):
    schema = infer("rows", samples)
    assert infer("rows", samples) == schema
    parsed = parse_schema(schema)
    for sample in samples:
        assert parsed.reason(sample) is None
