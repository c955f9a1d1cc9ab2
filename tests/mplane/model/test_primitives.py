"""Primitive types: what is read, what is written, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

import numpy as np
import pytest

from pilothouse.mplane import model
from pilothouse.mplane.model import (
    prim_address,
    prim_boolean,
    prim_natural,
    prim_real,
    prim_string,
    prim_time,
    prim_url,
)

READ = [
    (prim_string, "", ""),
    (prim_string, " a b ", " a b "),
    (prim_natural, "42", 42),
    (prim_natural, "-3", -3),
    (prim_natural, "007", 7),
    (prim_natural, "100.0", 100),
    (prim_natural, "10E2", 1000),
    (prim_natural, "1.9", 1),
    (prim_natural, "9007199254740993", 9007199254740993),
    (prim_real, "3", 3.0),
    (prim_real, "1e22", 1e22),
    (prim_real, "inf", float("inf")),
    (prim_boolean, "True", True),
    (prim_boolean, "1", True),
    (prim_boolean, "false", False),
    (prim_boolean, "0", False),
    (prim_time, "past", model.time_past),
    (prim_time, "2014-09-08 12:40:05.5", datetime(2014, 9, 8, 12, 40, 5, 500000)),
    (prim_time, "None", None),
    (prim_address, "10.0.0.1", ip_address("10.0.0.1")),
    (prim_address, "2001:DB8:0::1", ip_address("2001:db8::1")),
    (prim_url, "not checked", "not checked"),
]

REFUSED = [
    (prim_natural, ""),
    (prim_natural, "abc"),
    (prim_natural, "0x10"),
    (prim_natural, "1_000"),
    (prim_natural, "inf"),
    (prim_natural, "nan"),
    (prim_real, "one"),
    (prim_real, "1_0.5"),
    (prim_boolean, "yes"),
    (prim_boolean, ""),
    (prim_time, "2014-13-01"),
    (prim_time, "13-07-30"),
    (prim_address, "10.0.0.0/24"),
    (prim_address, "10.0.0"),
    (prim_address, " 10.0.0.1"),
]

ALL = [
    prim_string,
    prim_natural,
    prim_real,
    prim_boolean,
    prim_time,
    prim_address,
    prim_url,
]


@pytest.mark.parametrize(("prim", "text", "value"), READ)
def test_a_text_is_read(prim, text, value):
    assert prim.parse(text) == value


@pytest.mark.parametrize(("prim", "text"), REFUSED)
def test_a_text_of_no_such_type_is_refused_by_name(prim, text):
    with pytest.raises(
        ValueError, match=f"{text!r} is not a value of type {prim.name}"
    ):
        prim.parse(text)


@pytest.mark.parametrize("prim", ALL)
def test_no_value_is_a_star_both_ways(prim):
    assert prim.parse("*") is None
    assert prim.parse(None) is None
    assert prim.unparse(None) == "*"
    assert prim.canonical("*") == "*"


@pytest.mark.parametrize(("prim", "text", "value"), READ)
def test_what_is_written_is_read_again(prim, text, value):
    written = prim.unparse(value)

    assert prim.parse(written) == value
    assert prim.canonical(text) == written
    assert prim.canonical(written) == written


@pytest.mark.parametrize(("prim", "text"), REFUSED)
def test_a_text_of_no_such_type_has_no_canonical_form(prim, text):
    with pytest.raises(ValueError):
        prim.canonical(text)


WRITTEN = [
    (prim_real, 3.0, "3.0"),
    (prim_real, 1e22, "1e+22"),
    (prim_real, float("nan"), "nan"),
    (prim_boolean, True, "True"),
    (prim_boolean, False, "False"),
    (prim_natural, 0, "0"),
    (prim_time, datetime(2014, 9, 8), "2014-09-08 00:00:00.000000"),
    (prim_time, model.time_future, "future"),
]


@pytest.mark.parametrize(("prim", "value", "text"), WRITTEN)
def test_a_value_is_written_as_release_0_9_0_writes_it(prim, value, text):
    assert prim.unparse(value) == text


CONVERTED = [
    (prim_natural, 7, 7),
    (prim_natural, 1.9, 1),
    (prim_natural, np.int64(7), 7),
    (prim_natural, "7", 7),
    (prim_real, 7, 7.0),
    (prim_real, np.float32(0.5), 0.5),
    (prim_boolean, 1, True),
    (prim_boolean, False, False),
    (prim_string, 7, "7"),
    (prim_url, ip_address("10.0.0.1"), "10.0.0.1"),
    (prim_address, ip_address("10.0.0.1"), ip_address("10.0.0.1")),
    (prim_time, datetime(2014, 9, 8, tzinfo=UTC), datetime(2014, 9, 8)),
    (
        prim_time,
        datetime(2014, 9, 8, 2, tzinfo=timezone(timedelta(hours=2))),
        datetime(2014, 9, 8),
    ),
]


@pytest.mark.parametrize(("prim", "value", "native"), CONVERTED)
def test_a_native_value_becomes_one_of_the_type(prim, value, native):
    converted = prim.convert(value)

    assert converted == native
    assert type(converted) is type(native)


NOT_CONVERTED = [
    (prim_natural, float("nan")),
    (prim_natural, float("inf")),
    (prim_natural, b"7"),
    (prim_real, True),
    (prim_real, [1.0]),
    (prim_boolean, 2),
    (prim_address, 7),
    (prim_time, 0),
    (prim_time, timedelta(1)),
]


@pytest.mark.parametrize(("prim", "value"), NOT_CONVERTED)
def test_a_native_value_of_another_type_is_refused(prim, value):
    with pytest.raises(ValueError, match=f"is not a value of type {prim.name}"):
        prim.convert(value)


def test_many_values_are_read_and_the_wrong_one_named():
    assert prim_natural.parse_all(["1", "*", "3.0"]) == [1, None, 3]
    with pytest.raises(ValueError, match="'x' is not a value of type natural"):
        prim_natural.parse_all(["1", "x"])


def test_a_clock_can_be_stopped_and_runs_on():
    moment = datetime(2016, 2, 18)

    with model.clock.frozen(moment):
        assert model.clock.now() == moment

    assert model.clock.now() > datetime(2024, 1, 1)
    assert model.clock.now().tzinfo is None


@pytest.mark.parametrize("duration", [timedelta(seconds=-1), timedelta(days=-1)])
def test_a_negative_duration_is_not_written(duration):
    with pytest.raises(ValueError, match="not negative"):
        model.unparse_dur(duration)


def test_a_duration_beyond_all_bounds_is_refused():
    with pytest.raises(ValueError, match="too long"):
        model.parse_dur("9999999999d")


def test_fractions_of_a_duration_are_cut():
    assert model.unparse_dur(timedelta(milliseconds=1999)) == "1s"
    assert model.unparse_dur(timedelta(milliseconds=999)) == "0s"
