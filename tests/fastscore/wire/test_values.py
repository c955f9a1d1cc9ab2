"""Strict readers: nothing is coerced."""

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.values import Fields, array, brief, unquoted


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", "x"),
        ("integer", 3),
        ("number", 3.5),
        ("boolean", False),
        ("items", [1]),
        ("mapping", {"a": 1}),
    ],
)
def test_a_field_of_the_right_kind_is_returned(reader, value):
    assert getattr(Fields({"a": value}, "Shape"), reader)("a") == value


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", 3),
        ("text", None),
        ("integer", True),
        ("integer", 1.0),
        ("integer", "1"),
        ("number", "1"),
        ("number", True),
        ("boolean", 0),
        ("boolean", "true"),
        ("items", "abc"),
        ("items", {}),
        ("texts", ["a", 1]),
        ("mapping", []),
    ],
)
def test_a_field_of_another_kind_is_refused_by_name(reader, value):
    with pytest.raises(ProtocolError, match=r"Shape: 'a' must be"):
        getattr(Fields({"a": value}, "Shape"), reader)("a")


def test_a_missing_field_is_refused_unless_it_has_a_default():
    fields = Fields({}, "Shape")
    with pytest.raises(ProtocolError, match="Shape has no 'a'"):
        fields.text("a")
    assert fields.text("a", "b") == "b"
    assert fields.optional_text("a") is None


@pytest.mark.parametrize("obj", [None, 3, "x", [], True])
def test_what_is_no_object_is_refused(obj):
    with pytest.raises(ProtocolError, match="Shape must be an object"):
        Fields(obj, "Shape")


def test_what_is_no_array_is_refused():
    assert array([1], "list") == [1]
    with pytest.raises(ProtocolError, match="list must be an array"):
        array({}, "list")


def test_long_values_are_cut_in_messages():
    assert len(brief("x" * 1000)) == 60


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('"int"', "int"),
        ('{"type": "string"}', {"type": "string"}),
        ("[1]", [1]),
        ("int", "int"),
        ("null", "null"),
        ("7", "7"),
        ("{", "{"),
        ({"a": 1}, {"a": 1}),
        (None, None),
    ],
)
def test_json_inside_a_json_string_is_unpacked(given, expected):
    assert unquoted(given) == expected
