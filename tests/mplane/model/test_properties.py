"""Reading and writing are inverse; containment, order and scope agree."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice

from hypothesis import given, settings

from mplane_messages import definite_scopes, messages, moments, scopes
from pilothouse.mplane import model
from pilothouse.mplane.model import When

TZERO = datetime(2016, 2, 18, 12)


@given(scopes)
def test_a_scope_and_its_text_are_inverse(scope):
    again = When(str(scope))

    assert again == scope
    assert str(again) == str(scope)
    assert again.duration(TZERO) == scope.duration(TZERO)
    assert again.period() == scope.period()
    assert again.datetimes(TZERO) == scope.datetimes(TZERO)
    assert again.timer_delays(TZERO) == scope.timer_delays(TZERO)


@settings(max_examples=150)
@given(messages)
def test_a_message_and_its_text_are_inverse(d):
    message = model.message_from_dict(d)
    text = model.unparse_json(message)
    again = model.parse_json(text)

    assert model.unparse_json(again) == text
    assert type(again) is type(message)
    assert json.loads(text) == message.to_dict()
    expected = json.dumps(
        message.to_dict(), sort_keys=True, indent=2, separators=(",", ": ")
    )
    assert text == expected


@settings(max_examples=40)
@given(messages)
def test_a_message_is_the_same_after_somebody_has_looked_at_it(d):
    untouched, touched = model.message_from_dict(d), model.message_from_dict(d)
    if isinstance(touched, model.Statement):
        for element in touched.elements():
            assert element.name()

    assert touched.to_dict() == untouched.to_dict()


@settings(max_examples=40)
@given(messages)
def test_every_message_shows_itself(d):
    message = model.message_from_dict(d)

    assert message.kind_str() in repr(message).lower()
    assert isinstance(message, model.Envelope) or model.render(message).endswith("\n\n")
    assert message._repr_html_()


@given(scopes, moments, moments)
def test_in_scope_is_what_sorts_neither_before_nor_behind(scope, t, tzero):
    order = scope.sort_scope(t, tzero)
    start, end = scope.datetimes(tzero)

    assert scope.in_scope(t, tzero) is (order == 0)
    assert (order < 0) is (start is not None and t < start)
    if order == 0:
        assert start is None or start <= t
        assert end is None or t <= end
    if order > 0:
        assert end is not None
        assert (t - end).total_seconds() == order


@given(definite_scopes, scopes, moments)
def test_a_scope_follows_where_its_start_or_end_lies_inside(scope, outer, tzero):
    period_fits = outer.period() is None or (
        scope.period() is not None and scope.period() >= outer.period()
    )
    inside = outer.in_scope(scope.start, tzero) or (
        isinstance(scope.end, datetime) and outer.in_scope(scope.end, tzero)
    )

    assert scope.follows(outer, tzero) is (period_fits and inside)


@given(scopes, moments)
def test_a_scope_with_a_start_follows_itself_and_all_time(scope, tzero):
    assert scope.follows(model.when_infinite, tzero)
    if scope.is_repeated():
        return
    start, end = scope.datetimes(tzero)
    goes_forward = start is None or end is None or start <= end
    starts = scope.start is not model.time_future
    if goes_forward and starts and scope.end is not model.time_past and start != end:
        assert scope.follows(scope, tzero) or scope.start is model.time_past


@given(scopes, moments)
def test_delays_are_never_negative_and_end_follows_start(scope, tzero):
    start, end = scope.timer_delays(tzero)

    if start is None:
        assert end is None
        return
    assert start >= 0
    assert end is None or end >= 0
    begins, ends = scope.datetimes(tzero)
    if end is not None and (begins is None or ends is None or begins <= ends):
        assert end >= start


@given(scopes, moments)
def test_inner_scopes_are_definite_ordered_and_inside(scope, tzero):
    if not scope.is_repeated():
        return
    found = list(islice(scope.iterator(tzero), 5))

    starts = [each.start for each in found]
    assert starts == sorted(set(starts))
    for each in found:
        assert each.is_definite()
        assert scope.sort_scope(each.start, tzero) == 0


@settings(max_examples=40)
@given(messages)
def test_tokens_depend_on_the_content_alone(d):
    d = {key: value for key, value in d.items() if key != "token"}
    one, other = model.message_from_dict(d), model.message_from_dict(d)
    if not isinstance(one, model.Statement):
        return

    list(other.elements())
    assert one.get_token() == other.get_token()
    assert one.schema_hash() == other.schema_hash()
    assert len(one.get_token()) == 32
