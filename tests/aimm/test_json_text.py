"""JSON with long texts of base64: passed by on the way out and on the way in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.aimm.json_text import Base64, from_bytes, size_of, to_pieces, to_text

LONG = b"QUJD" * 2000
short_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["b64", "a", '"b64":"']), inner, max_size=3)
    ),
    max_leaves=8,
)


def lifted(value):
    """What comes in, with each lifted text as the text that it is."""
    if isinstance(value, Base64):
        return str(value)
    if isinstance(value, list):
        return [lifted(item) for item in value]
    if isinstance(value, dict):
        return {key: lifted(item) for key, item in value.items()}
    return value


@given(short_values, st.lists(st.sampled_from([b"", b"QUJD", LONG]), max_size=3))
def test_what_goes_out_comes_in(value, texts):
    whole = {"value": value, "arrays": [{"b64": Base64(text)} for text in texts]}

    pieces = to_pieces(whole)
    text = b"".join(pieces)

    plain = {"value": value, "arrays": [{"b64": text.decode()} for text in texts]}
    assert json.loads(text) == plain
    assert lifted(from_bytes(text)) == plain
    assert size_of(pieces) == len(text)


@given(st.text(alphabet='"\\{}:b64,é\n', max_size=30))
def test_a_text_that_looks_like_one_stays_itself(text):
    whole = {"b64": text + "x" * 5000, "t": '"b64":"' + text + "y" * 5000, "n": 10**30}

    assert lifted(from_bytes(to_text(whole).encode())) == whole
    assert from_bytes(to_text(whole).encode(), lift=False) == whole


def test_a_long_text_is_a_part_of_what_came_in_and_no_copy():
    text = bytearray(to_text({"b64": Base64(LONG)}).encode())

    found = from_bytes(text)["b64"]

    assert found.data.obj is text
    assert bytes(found.data) == LONG
    assert repr(found) == f"Base64({len(LONG)} characters)"


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"b64":"' + LONG, b'{"b64":"' + LONG + b'"', b"\xff\xfe{}"]
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        from_bytes(text)


def test_what_is_neither_json_nor_base64_is_refused():
    with pytest.raises(TypeError):
        to_pieces({"b64": Base64(b""), "x": object()})
