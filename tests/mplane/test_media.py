"""Messages as bodies, and what our clients ask beyond the protocol."""

import pytest

from measuring import capability
from pilothouse.errors import ProtocolError
from pilothouse.mplane import media, model


def test_a_body_and_its_message_are_each_others_inverse():
    made = capability("ping")

    again = media.message_of(media.body_of(made))

    assert media.body_of(again) == media.body_of(made)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\xff", "not UTF-8"),
        (b"", "not an mPlane message"),
        (b"[" * 50_000, "not an mPlane message"),
        (b'{"capability": 5}', "not an mPlane message"),
    ],
)
def test_what_is_no_message_is_told_shortly(body, told):
    with pytest.raises(ProtocolError, match=told) as caught:
        media.message_of(body)

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("header", "is_ours"),
    [
        ("application/x-mplane+json", True),
        ("Application/X-mPlane+JSON; charset=utf-8", True),
        ("application/json", False),
        ("", False),
        (None, False),
    ],
)
def test_a_type_is_read_without_its_parameters(header, is_ours):
    assert media.is_media_type(header) is is_ours


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("", None),
        ("respond-async", None),
        ("partial-results", 0),
        ("partial-results=12", 12),
        ('again, Partial-Results="7"', 7),
        ("partial-results=-1", 0),
        ("partial-results=x", 0),
        ("partial-results=99999999999999999999", 0),
        ("partial-results=3, partial-results=9", 3),
        ("partial-results=4; x=y", 4),
    ],
)
def test_preferences_ask_for_rows(header, rows):
    assert media.Preferences(header).partial_rows == rows


def test_preferences_are_words():
    wishes = media.Preferences("Respond-Async, again,withdrawals")

    assert wishes.respond_async
    assert wishes.again
    assert wishes.withdrawals
    assert not media.Preferences.of({"Prefer": "against"}).again
    assert not media.Preferences.of({}).withdrawals


def test_a_token_is_enough_where_that_is_allowed():
    made = model.Withdrawal(capability=capability("ping"))
    body = media.body_of(made, token_only=True)

    assert b"parameters" not in body
    assert media.message_of(body).get_token() == made.get_token()
