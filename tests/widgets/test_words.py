import math

import pytest

from pilothouse_widgets import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (7, "7"), (0.25, "0.25"), (0.125, "0.125"), (12.34, "12.3"),
        (123.4, "123"), (999.9, "1000"), (1000, "1k"), (12_345, "12.3k"),
        (1_500_000, "1.5M"), (2e9, "2G"), (3.2e12, "3.2T"), (-4500, "-4.5k"),
        (0.0001, "1.00e-04"), (math.inf, "∞"), (math.nan, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1023 B"), (2048, "2 KiB"), (149_000_000, "142 MiB")],
)
def test_sizes(value, text):
    assert words.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.45, "450 ms"), (1.5, "1.5 s"), (12, "12 s"), (185, "3 min 5 s"),
        (7260, "2 h 1 min"), (math.inf, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_durations(value, text):
    assert words.duration(value) == text


def test_counts_and_plurals():
    assert words.count(200_000) == "200,000"
    assert [words.plural(n, "jet") for n in (0, 1, 2)] == ["0 jets", "1 jet", "2 jets"]
    assert [words.units(n, "rows") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert words.units(1, "") == "1"
