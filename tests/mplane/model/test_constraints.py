"""Constraints: what parameters can take, alone and in lists."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from pilothouse.mplane.model import (
    Parameter,
    RangeConstraint,
    SetConstraint,
    constraint_all,
    element,
    parse_constraint,
    prim_address,
    prim_natural,
    prim_real,
    prim_string,
)

WRITTEN = [
    (prim_natural, "*", "*"),
    (prim_natural, "0 ... 99", "0 ... 99"),
    (prim_natural, "99 ... 0", "0 ... 99"),
    (prim_natural, "5, 6", "5,6"),
    (prim_natural, "3,1,2,3", "1,2,3"),
    (prim_natural, "7", "7"),
    (prim_address, "10.0.0.2, 10.0.0.1", "10.0.0.2,10.0.0.1"),
    (prim_address, "2001:DB8::1", "2001:db8::1"),
    (prim_string, "b, a", "b, a"),
    (prim_string, "", ""),
    (prim_string, " ... b", " ... b"),
    (prim_natural, "[*]", "[*]"),
    (prim_natural, "[9 ... 1]", "[1 ... 9]"),
    (prim_string, "[a,b]", "[a,b]"),
]


@pytest.mark.parametrize(("prim", "text", "written"), WRITTEN)
def test_a_constraint_is_read_and_written(prim, text, written):
    constraint = parse_constraint(prim, text)

    assert str(constraint) == written
    assert parse_constraint(prim, written) == constraint
    assert hash(parse_constraint(prim, written)) == hash(constraint)


REFUSED = [
    (prim_natural, ""),
    (prim_natural, "a,b"),
    (prim_natural, "1,,2"),
    (prim_natural, "1,*"),
    (prim_natural, "1 ... *"),
    (prim_natural, "1 ... "),
    (prim_address, "10.0.0.1 ... 2001:db8::1"),
    (prim_address, "10.0.0.0/24"),
    (prim_natural, "[[1]]"),
    (prim_natural, "[x]"),
]


@pytest.mark.parametrize(("prim", "text"), REFUSED)
def test_what_is_no_constraint_is_refused(prim, text):
    with pytest.raises(ValueError):
        parse_constraint(prim, text)


MET = [
    (prim_natural, "0 ... 99", 0, True),
    (prim_natural, "0 ... 99", 33, True),
    (prim_natural, "0 ... 99", 99, True),
    (prim_natural, "0 ... 99", -1, False),
    (prim_natural, "0 ... 99", 100, False),
    (prim_natural, "0 ... 99", None, False),
    (prim_natural, "0 ... 99", "x", False),
    (prim_natural, "1,2", 2, True),
    (prim_natural, "1,2", 3, False),
    (prim_natural, "1,2", [1], False),
    (prim_natural, "*", [1], False),
    (prim_address, "10.0.0.1,10.0.0.2", ip_address("10.0.0.2"), True),
    (prim_address, "10.0.0.1 ... 10.0.0.9", ip_address("10.0.0.5"), True),
    (prim_address, "10.0.0.1 ... 10.0.0.9", ip_address("2001:db8::1"), False),
    (prim_natural, "[1 ... 9]", [1, 9], True),
    (prim_natural, "[1 ... 9]", (1, 10), False),
    (prim_natural, "[1 ... 9]", 5, True),
    (prim_natural, "[1 ... 9]", [], False),
]


@pytest.mark.parametrize(("prim", "text", "value", "met"), MET)
def test_a_value_meets_a_constraint_or_not(prim, text, value, met):
    assert parse_constraint(prim, text).met_by(value) is met


SINGLE = [
    ("7", 7),
    ("7 ... 7", 7),
    ("7,8", None),
    ("1 ... 2", None),
    ("*", None),
    ("[7]", None),
]


@pytest.mark.parametrize(("text", "value"), SINGLE)
def test_a_constraint_may_allow_one_value_only(text, value):
    constraint = parse_constraint(prim_natural, text)

    assert constraint.single_value() is (value is not None)
    assert constraint.get_single_value() == value


CONTAINS = [
    ("*", "*", True),
    ("*", "1", True),
    ("1", "*", False),
    ("0 ... 9", "1 ... 5", True),
    ("0 ... 9", "1 ... 50", False),
    ("0 ... 9", "3,4", True),
    ("0 ... 9", "3,40", False),
    ("3,4", "3", True),
    ("3,4", "4 ... 4", True),
    ("3,4", "3 ... 4", False),
    ("3,4", "*", False),
    ("[*]", "[1,2]", True),
    ("[1,2]", "1", True),
    ("*", "[1]", False),
]


@pytest.mark.parametrize(("outer", "inner", "contained"), CONTAINS)
def test_a_constraint_contains_another_or_not(outer, inner, contained):
    outer, inner = (parse_constraint(prim_natural, each) for each in (outer, inner))

    assert outer.contains(inner) is contained


def test_ends_and_members_keep_their_values():
    span = parse_constraint(prim_real, "2.5 ... 1")
    names = parse_constraint(prim_string, "a,b")

    assert isinstance(span, RangeConstraint)
    assert (span.a, span.b) == (1.0, 2.5)
    assert isinstance(names, SetConstraint)
    assert names.values == ("a", "b")


def port(constraint=constraint_all, val=None):
    return Parameter(element("source.port"), constraint, val)


def test_a_parameter_takes_what_its_constraint_allows():
    parameter = port("0 ... 99")

    parameter.set_value("33")
    assert parameter.get_value() == 33
    assert parameter.can_set_value(99)
    assert not parameter.can_set_value(100)
    assert not parameter.can_set_value("x")
    with pytest.raises(ValueError, match=r"source\.port=100 does not meet 0 \.\.\. 99"):
        parameter.set_value(100)
    assert parameter.get_value() == 33


@pytest.mark.parametrize(
    ("name", "constraint", "value", "why"),
    [
        ("source.port", "0 ... 99", "33", ""),
        ("source.port", "0 ... 99", 100, "100 is not within 0 ... 99"),
        ("source.port", "*", "x", "'x' is not a value of type natural"),
        ("source.port", "*", None, "there is no value"),
        ("source.port", "*", "*", "there is no value"),
        ("source.port", "[*]", ["1", "2"], ""),
        ("source.port", "[*]", [], "there is no value"),
        ("source.port", "[*]", ["1", "*"], "there is no value"),
        ("source.port", "[1 ... 9]", ["5", 100], "5, 100 is not within [1 ... 9]"),
        ("source.port", "*", ["1", "2"], "1, 2 is not within *"),
        ("destination.ip4", "*", "10.0.0.1", ""),
        ("destination.ip4", "*", "::1", "::1 is no IPv4 address"),
        ("destination.ip6", "*", "::1", ""),
        ("destination.ip6", "*", "10.0.0.1", "10.0.0.1 is no IPv6 address"),
        ("destination.ip4", "[*]", ["10.0.0.1", "::1"], "::1 is no IPv4 address"),
        ("destination.url", "*", "ip4", ""),
    ],
)
def test_why_a_value_should_not_be_asked_for(name, constraint, value, why):
    assert why in Parameter(element(name), constraint).why_not(value)
    assert bool(Parameter(element(name), constraint).why_not(value)) == bool(why)


@pytest.mark.parametrize("nothing", [None, "*"])
def test_a_value_is_taken_away(nothing):
    parameter = port(val=7)

    parameter.set_value(nothing)

    assert not parameter.has_value()
    assert parameter.wire() == "*"


def test_zero_is_a_value():
    parameter = port(val=0)

    assert parameter.has_value()
    assert parameter.wire() == "0"


def test_a_parameter_with_one_choice_makes_it_once():
    parameter = port(7)
    assert parameter.is_single_value()
    assert parameter.get_single_value() == 7
    assert not parameter.has_value()

    parameter.set_single_value()
    assert parameter.get_value() == 7

    several = port("7,8", 8)
    several.set_single_value()
    assert several.get_value() == 8


def test_a_list_of_values_needs_brackets():
    listed = port("[1 ... 99]")

    listed.set_value(["1", 2])
    assert listed.get_value() == [1, 2]
    assert listed.wire() == ["1", "2"]
    assert listed.value_text() == "['1', '2']"
    listed.set_value(5)
    assert listed.wire() == "5"
    with pytest.raises(ValueError):
        listed.set_value([1, 100])
    with pytest.raises(ValueError):
        port().set_value([1])


def test_a_parameter_shows_itself_as_release_0_9_0_does():
    parameter = Parameter(element("destination.ip4"), val="1.2.3.4")

    assert repr(parameter) == (
        "<Parameter destination.ip4 mplane.model.prim_address * "
        "value IPv4Address('1.2.3.4')>"
    )
    assert repr(port("1,2,3")) == (
        "<Parameter source.port mplane.model.prim_natural 1,2,3 value None>"
    )
