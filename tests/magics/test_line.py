"""A line becomes words: quotes group, brackets go to the matching one."""

from __future__ import annotations

import pytest

from pilothouse.errors import LineError
from pilothouse.magics._line import is_silenced, split, unsilenced


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  a  b ", ["a", "b"]),
        ("'a b' c", ["a b", "c"]),
        ('"a b"c d', ["a bc", "d"]),
        ("--opt='a b'", ["--opt=a b"]),
        ("it's fine", ["it's", "fine"]),
        (r"C:\data\new x", [r"C:\data\new", "x"]),
        ('{"x": 1, "y": [2, 3]} 0', ['{"x": 1, "y": [2, 3]}', "0"]),
        ("[1, 2, 3] -o r", ["[1, 2, 3]", "-o", "r"]),
        ('{"a": "}"} z', ['{"a": "}"}', "z"]),
        (r'{"a": "\"}"} z', [r'{"a": "\"}"}', "z"]),
        ("{df.head(10)} 1", ["{df.head(10)}", "1"]),
        ("{folder}/x.json", ["{folder}/x.json"]),
        ("inline:1,2,3 0", ["inline:1,2,3", "0"]),
        ('inline:{"x":1}', ['inline:{"x":1}']),
        ("'inline:{\"x\": 1}' 0", ['inline:{"x": 1}', "0"]),
        ("n=[1, 2] m={a + b} x", ["n=[1, 2]", "m={a + b}", "x"]),
        (
            "@rows(3, n='a b') y=@rows(f(1), 2)",
            ["@rows(3, n='a b')", "y=@rows(f(1), 2)"],
        ),
        ("f(1, 2) a={ b", ["f(1,", "2)", "a={", "b"]),
    ],
)
def test_words_of_a_line(line, words):
    assert [word.text for word in split(line)] == words


@pytest.mark.parametrize("line", ["'a", '"a b', "[1, 2", '{"x": 1', "--opt='a"])
def test_what_is_not_closed_is_an_error_but_not_for_completion(line):
    with pytest.raises(LineError, match="not closed"):
        split(line)

    assert not split(line, strict=False)[-1].is_closed


def test_words_know_where_they_stand():
    line = "ab  'c d' [1, 2]"

    assert [line[w.start : w.end] for w in split(line)] == ["ab", "'c d'", "[1, 2]"]
    assert [w.quote for w in split(line)] == ["", "'", "["]


@pytest.mark.parametrize(
    ("word", "is_option"),
    [("-o", True), ("--all", True), ("-1", False), ("-.5", False), ("-", False)],
)
def test_a_negative_number_is_no_option(word, is_option):
    assert split(word)[0].is_option is is_option


@pytest.mark.parametrize(
    ("line", "silenced"),
    [("a b;", True), ("a b ; ", True), ("a 'b;'", False), ("a b", False), (";", True)],
)
def test_a_final_semicolon_silences(line, silenced):
    assert is_silenced(line) is silenced
    assert ";" not in unsilenced(line) or not silenced
