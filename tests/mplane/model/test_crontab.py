"""Crontabs: the next match is computed, over days, years and leap years."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.mplane.model import Crontab, When

ALL_HOURS = ",".join(map(str, range(60)))


@pytest.mark.parametrize(
    "text",
    [
        "0 0 0",
        "* * * * * * *",
        "*/5 * * * * *",
        "60 * * * * *",
        "0 60 * * * *",
        "0 0 60 * * *",
        "0 0 0 0 * *",
        "0 0 0 32 * *",
        "0 0 0 * 8 *",
        "0 0 0 * mon *",
        "0 0 0 * * 13",
        "0 0 0 * * 0",
        "0 5-3 * * * *",
        "0 1-2,4 * * * *",
        "0  0 0 * * *",
        "",
    ],
)
def test_what_is_no_crontab_is_refused(text):
    with pytest.raises(ValueError):
        Crontab(text)


def test_all_fields_are_written_out_and_hours_run_to_59():
    assert str(Crontab("30,0 1-3 * 1 7 12")) == f"0,30 1,2,3 {ALL_HOURS} 1 7 12"


NEXT = [
    # crontab, from, next
    ("* * * * * *", "2014-01-01 00:00:00", "2014-01-01 00:00:00"),
    ("0 0 0 * * *", "2014-12-31 23:59:59", "2015-01-01 00:00:00"),
    ("0 0 0 1 * 1", "2014-01-01 00:00:01", "2015-01-01 00:00:00"),
    ("59 59 23 31 * 12", "2014-12-31 23:59:59", "2014-12-31 23:59:59"),
    ("59 59 23 31 * 12", "2015-01-01 00:00:00", "2015-12-31 23:59:59"),
    ("0 0 0 29 * 2", "2014-01-01 00:00:00", "2016-02-29 00:00:00"),
    ("0 0 0 29 * 2", "2096-03-01 00:00:00", "2104-02-29 00:00:00"),
    ("0 0 0 31 * 2,4,7", "2014-01-01 00:00:00", "2014-07-31 00:00:00"),
    ("0 0 12 * 0 *", "2009-02-20 13:30:10", "2009-02-22 12:00:00"),
    ("0 0 12 * 7 *", "2009-02-20 13:30:10", "2009-02-22 12:00:00"),
    ("0 0 12 * 6 *", "2009-02-21 12:00:00", "2009-02-21 12:00:00"),
    ("5 * * * * *", "2014-01-01 00:59:06", "2014-01-01 01:00:05"),
    ("5 10 * * * *", "2014-01-01 22:10:06", "2014-01-01 23:10:05"),
    ("5 10 3 * * *", "2014-01-01 03:11:00", "2014-01-02 03:10:05"),
    ("0 30 3,5 * * *", "2014-01-01 03:30:01", "2014-01-01 05:30:00"),
    ("0 0 0 * * *", "2013-12-31 23:59:59.5", "2014-01-01 00:00:00"),
    ("0 0 0 29 0 2", "2016-03-01 00:00:00", "2032-02-29 00:00:00"),
]


@pytest.mark.parametrize(("text", "start", "expected"), NEXT)
def test_the_next_match_is_found(text, start, expected):
    found = Crontab(text).next(datetime.fromisoformat(start))

    assert found == datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["0 0 0 30 * 2", "0 0 24-59 * * *", "0 0 0 31 * 4,6"])
def test_what_never_comes_ends_the_search(text):
    assert Crontab(text).next(datetime(2014, 1, 1)) is None
    assert list(When(f"repeat now ... future cron {text}").iterator()) == []


def test_the_end_of_all_days_is_no_error():
    last = datetime.max.replace(microsecond=0)

    assert Crontab("* * * * * *").next(last) == last
    assert Crontab("* * * * * *").next(datetime.max) is None
    scope = When("repeat 9999-12-31 23:59:58 ... future cron * * * * * *")
    assert len(list(scope.iterator(datetime(2014, 1, 1)))) == 2


def test_a_crontab_goes_on_over_a_change_of_year():
    scope = When("repeat now + 1h cron 0 0,30 * * * * { now + 5s }")

    found = map(str, islice(scope.iterator(datetime(2014, 12, 31, 23, 15)), 9))
    assert list(found) == [
        "2014-12-31 23:30:00.000000 + 5s",
        "2015-01-01 00:00:00.000000 + 5s",
    ]


def field(least, greatest):
    numbers = st.lists(st.integers(least, greatest), min_size=1, max_size=4)
    return st.one_of(st.just("*"), numbers.map(lambda each: ",".join(map(str, each))))


crontabs = st.tuples(
    field(0, 59), field(0, 59), field(0, 23), field(1, 31), field(0, 7), field(1, 12)
).map(" ".join)
moments = st.datetimes(datetime(1999, 1, 1), datetime(2040, 1, 1))


def matches(text: str, moment: datetime) -> bool:
    numbers = (
        moment.second,
        moment.minute,
        moment.hour,
        moment.day,
        moment.isoweekday() % 7,
        moment.month,
    )
    fields = [
        None if each == "*" else {int(n) for n in each.split(",")}
        for each in text.split()
    ]
    if fields[4] is not None:
        fields[4] = {day % 7 for day in fields[4]}
    return all(
        found is None or number in found
        for number, found in zip(numbers, fields, strict=True)
    )


@given(crontabs, moments)
def test_the_next_match_matches_and_none_lies_before(text, moment):
    crontab = Crontab(text)
    found = crontab.next(moment)

    if found is None:
        return
    assert found >= moment
    assert matches(text, found)
    for back in range(1, 60):
        before = found - timedelta(seconds=back)
        assert before < moment or not matches(text, before)
    assert crontab.next(found) == found


@given(crontabs, moments)
def test_text_and_crontab_are_inverse(text, moment):
    again = Crontab(str(Crontab(text)))

    assert again == Crontab(text)
    assert str(again) == str(Crontab(text))
    assert again.next(moment) == Crontab(text).next(moment)
