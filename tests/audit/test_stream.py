"""JSON as a stream: what Python's own reader reads, in pieces, in bounded memory."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.audit import _stream
from pilothouse.audit._stream import BrokenJSONError, pieces


def flat(value, path=()):
    """Return keys and texts with their paths, in order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key), "key", key
            yield from flat(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from flat(inner, (*path, at))
    elif isinstance(value, str):
        yield path, "text", value


def whole(raw):
    """Return keys and texts of a document, put together from their pieces."""
    found = []
    for piece in pieces(io.BytesIO(raw).read):
        if not piece.is_text:
            continue
        before = "" if piece.is_first else found.pop()[2]
        kind = "key" if piece.is_key else "text"
        found.append((piece.path, kind, before + piece.text))
    return found


def joined(text):
    """Return a text whose halves of a character met again."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def met(path):
    return tuple(joined(part) if isinstance(part, str) else part for part in path)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None, max_examples=150)
@given(
    value=values,
    chunk=st.integers(1, 40),
    plain=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_any_value_is_read_in_chunks_of_any_size(value, chunk, plain, indent):
    raw = json.dumps(value, ensure_ascii=plain, indent=indent).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stream, "_CHUNK", chunk)
        found = whole(raw)

    assert [(met(p), k, joined(t)) for p, k, t in found] == list(flat(value))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "line 1: it ends in the middle"),
        (b"{", "ends in the middle"),
        (b'{"a": 1,\n}', "line 2: a key is missing"),
        (b'{"a" 1}', "a colon is missing"),
        (b'["x', "a text has no end"),
        (b'["\\q1234567"]', "an escape is wrong"),
        (b"[1]]", "more follows after the end"),
        (b"[1 2]", "a comma or a closing bracket is missing"),
        (b"{1: 2}", "a key is missing"),
        (b"nul", "a value is missing"),
        (b"\xff\xfe{}", "it is no UTF-8"),
        (b"[" * 600, "nested deeper than 500 levels"),
        (b"<<<<<<< HEAD\n{}", "line 1: a value is missing"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(raw, says):
    with pytest.raises(BrokenJSONError, match=says.replace("[", r"\[")):
        whole(raw)


def test_a_long_text_comes_in_pieces():
    raw = json.dumps({"a": "x" * 3_000_000}).encode()

    lengths = [len(p.text) for p in pieces(io.BytesIO(raw).read) if not p.is_key]

    assert sum(lengths) == 3_000_000
    assert max(lengths) <= 2 * 256 * 1024
