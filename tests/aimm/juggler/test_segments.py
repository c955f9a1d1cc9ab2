import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.aimm.juggler import MAX_PAYLOAD, Joiner, split
from pilothouse.errors import ProtocolError


def joined(segments):
    joiner = Joiner()
    texts = [joiner.add(segment[:1], segment[1:]) for segment in segments]
    assert texts[:-1] == [None] * (len(texts) - 1)
    return texts[-1]


@given(st.text(), st.integers(1, 7))
def test_what_was_split_is_joined_again(text, limit):
    assert joined(split([text.encode()], limit)) == text.encode()


@given(st.lists(st.binary(max_size=9), max_size=5), st.integers(1, 7))
def test_where_pieces_end_does_not_show(pieces, limit):
    assert list(split(pieces, limit)) == list(split([b"".join(pieces)], limit))


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        (b"", [b"0"]),
        (b"a", [b"0a"]),
        (b"abc", [b"0abc"]),
        (b"abcd", [b"1abc", b"0d"]),
        (b"abcdef", [b"1abc", b"0def"]),
    ],
    ids=["empty", "short", "just one", "one more", "just two"],
)
def test_a_text_is_cut_where_the_limit_says(text, segments):
    assert list(split([text], 3)) == segments


def test_no_segment_is_longer_than_the_real_peers_send():
    segments = list(split([b"x" * (MAX_PAYLOAD * 2 + 1)]))

    assert [len(segment) for segment in segments] == [65_537, 65_537, 2]


def test_segments_may_be_of_any_length_also_empty():
    assert joined([b"1", b"1abc", b"1", b"0"]) == b"abc"


def test_a_text_over_the_limit_is_refused_before_it_is_whole():
    joiner = Joiner(limit=4)
    joiner.add(b"1", b"abc")

    with pytest.raises(ProtocolError, match="at most 4"):
        joiner.add(b"1", b"de")


def test_after_a_refusal_the_next_text_begins_anew():
    joiner = Joiner(limit=4)
    with pytest.raises(ProtocolError):
        joiner.add(b"1", b"abcde")

    assert joiner.add(b"0", b"ok") == b"ok"
