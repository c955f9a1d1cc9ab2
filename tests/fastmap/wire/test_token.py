"""Tokens and signatures.

The vectors are of the contract (§2.1); fastmap 0.0.6's own routine computed them.
"""

import pytest

from pilothouse.fastmap.wire import token

TOKEN = "0123456789abcdef" * 2 + "fedcba9876543210" * 2
KEY = token.split(TOKEN).key
PROBE = "81a966756e635f68617368b064623666376639646233343066643462"
MAP = (
    "84a966756e635f68617368b064623666376639646233343066643462a56261746368c4021f8b"
    "a56c6162656ca0a672756e5f6964b034303439353765363362643764636166"
)
DONE = (
    "82a966756e635f68617368b064623666376639646233343066643462a672756e5f6964b0"
    "34303439353765363362643764636166"
)
RESULT = (
    "1f8b08000000000004ff6b60992ac10001b5537ad88b528b4b734a8aa7c44ed1f066f466f2664e2d"
    "d6030074c8ee7b23000000"
)
VECTORS = [
    pytest.param(
        "80",
        "f499704164da3878006d4d4d799dd9a3168fe7cb3a0ee9ecf58260608a06a3e1",
        id="auth",
    ),
    pytest.param(
        PROBE,
        "28746d09c506c8698a513da8dc47ceda645146f2dfc9c94031ad3f38d56cd479",
        id="init",
    ),
    pytest.param(
        MAP,
        "36e29a30b20735f4637452414436025d92aafa5cda9851f8403a6a1a7815fe69",
        id="map",
    ),
    pytest.param(
        DONE,
        "6b69b948c8658ad4bed228b6bf6ddef04477d094df1027c246eef2bd4380ade0",
        id="done",
    ),
    pytest.param(
        RESULT,
        "e30988a3baf725eb2a106aba8cc8e4d064e723c4a4cb7a8c5708316c1defbf95",
        id="result",
    ),
]


@pytest.mark.parametrize(("body", "signature"), VECTORS)
def test_a_body_is_signed_as_the_real_client_signs_it(body, signature):
    assert token.sign(KEY, bytes.fromhex(body)) == signature
    assert token.verify(KEY, bytes.fromhex(body), signature)


@pytest.mark.parametrize(
    "signature", [None, "", "00" * 32, "F4" * 32, "f4" * 31, "é" * 64, "f4" * 33]
)
def test_another_signature_is_refused(signature):
    assert not token.verify(KEY, b"\x80", signature)


def test_the_right_signature_in_capitals_is_refused():
    assert not token.verify(KEY, b"\x80", token.sign(KEY, b"\x80").upper())


def test_a_token_has_two_halves_and_the_key_is_text():
    halves = token.split(TOKEN)

    assert halves.bearer == "0123456789abcdef" * 2
    assert halves.key == b"fedcba9876543210" * 2


def test_a_new_token_is_one():
    first, second = token.new_token(), token.new_token()

    assert first != second
    assert token.split(first).bearer == first[:32]


@pytest.mark.parametrize(
    "text",
    ["", TOKEN[:-1], TOKEN + "0", TOKEN + "\n", TOKEN.upper(), "é" * 64, None, b"0"],
)
def test_what_is_no_token_is_refused_without_showing_it(text):
    with pytest.raises(ValueError, match="64 characters") as caught:
        token.split(text)

    assert not text or str(text) not in str(caught.value)


def test_a_token_shows_nowhere():
    halves = token.split(TOKEN)

    for shown in (repr(halves), str(halves), f"{halves}"):
        assert TOKEN[:4] not in shown
        assert TOKEN[32:40] not in shown


def test_a_bound_signature_changes_with_each_thing_that_it_binds():
    parts = {"request_signature": "a", "status": "b", "credits": "c", "body": b"d"}
    whole = token.bound_signature(KEY, **parts)

    for name in parts:
        other = {**parts, name: b"e" if name == "body" else "e"}
        assert token.bound_signature(KEY, **other) != whole


def test_a_body_in_pieces_has_the_same_signature():
    whole = token.sign(KEY, b"one two three")

    assert token.sign(KEY, b"one ", b"two", b" three") == whole
