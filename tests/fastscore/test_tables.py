"""What objects look like in a notebook: short, escaped, and no raw Python."""

import json

import pytest

from pilothouse.fastscore import Model, Schema, Sensor, Stream
from pilothouse.fastscore.collections import InfoDict
from pilothouse.fastscore.schema import in_words
from pilothouse.fastscore.tables import Code, facts, json_code

RECORD = {
    "type": "record",
    "name": "Wine",
    "fields": [
        {"name": "alcohol", "type": "double"},
        {"name": "grapes", "type": {"type": "array", "items": "string"}},
        {"name": "price", "type": ["null", "double"]},
    ],
}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (None, "any"),
        ("double", "double"),
        ('"double"', "double"),
        (RECORD, "record Wine"),
        ({"type": "map", "values": "int"}, "map of int"),
        ({"type": "array", "items": RECORD}, "array of record Wine"),
        ({"type": "int", "logicalType": "date"}, "int"),
        ({"type": {"type": "fixed", "name": "Hash", "size": 4}}, "fixed Hash"),
        (["null", "string"], "null or string"),
    ],
)
def test_a_schema_in_words(schema, words):
    assert in_words(schema) == words


def test_a_schema_shows_its_fields():
    html = Schema("wine", RECORD)._repr_html_()

    assert "alcohol: double, grapes: array of string, price: null or double" in html


def test_json_takes_as_few_lines_as_fit():
    assert json_code({"a": 1}) == '{"a": 1}'
    assert json_code([]) == "[]"
    assert json_code({"a": [1, 2], "b": "x" * 20}, width=30) == (
        '{\n  "a": [1, 2],\n  "b": "xxxxxxxxxxxxxxxxxxxx"\n}'
    )
    assert json.loads(json_code(RECORD, width=1)) == RECORD


def test_long_code_opens_on_a_click_and_short_code_is_seen():
    assert "<details>" not in facts("x", [("source", Code("a\nb"))])
    assert "<summary>6 lines</summary>" in facts("x", [("source", Code("\n" * 5))])


def test_a_descriptor_shows_its_keys():
    html = Sensor("s", {"Tap": "sys.memory", "Report": {"Interval": 1}})._repr_html_()

    assert "Tap</th>" in html
    assert "sys.memory</td>" in html
    assert "{&quot;Interval&quot;: 1}" in html


def test_numbers_have_as_many_digits_as_one_reads():
    html = InfoDict(rps=47244.61696235513, mbps=0.644199)._repr_html_()

    assert "47,244.6<" in html
    assert "0.644199<" in html


@pytest.mark.parametrize(
    "thing",
    [
        Schema("<b>", '"<b>"'),
        Sensor("<b>", {"Tap": "<b>"}),
        Stream("<b>", {"Transport": "<b>"}),
        Model("<b>", "python3", "<b>"),
        Model("<b>", "pfa-json", {"<b>": 1}),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_a_user_wrote_is_escaped(thing):
    html = thing._repr_html_()

    assert html.count("<b>") == 1
    assert "&lt;b&gt;" in html
