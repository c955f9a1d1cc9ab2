"""The soak's own measure: it sees growth, and is not moved by single peaks."""

import math

import pytest

from soak.run import LIMITS, judged
from soak.trend import trend

AT = [5.0 * i for i in range(60)]


def wave(i):
    return 3 * math.sin(i)


def test_a_flat_row_with_noise_and_peaks_is_flat():
    values = [100 + wave(i) + (400 if i % 13 == 0 else 0) for i in range(60)]

    found = trend(AT, values)

    assert found.level == pytest.approx(100, abs=5)
    assert found.is_flat(share=0.05, least=1)


def test_growth_under_noise_is_found():
    found = trend(AT, [100 + wave(i) + i / 4 for i in range(60)])

    assert found.growth == pytest.approx(15, abs=2)
    assert not found.is_flat(share=0.05, least=1)


def test_what_falls_is_flat():
    assert trend(AT, [100 - i for i in range(60)]).is_flat(share=0, least=0)


def test_one_sample_is_no_trend():
    with pytest.raises(ValueError, match="two samples, not 1"):
        trend([1.0], [1.0])


def test_a_soak_fails_by_what_grows_and_by_what_says_too_much():
    said = []
    trends = {name: trend(AT, [10.0] * 60) for name in LIMITS}
    assert judged(trends, {"Dashboard": 2.0}, 20, said.append) == []

    trends["kernel threads"] = trend(AT, [10 + i / 2 for i in range(60)])
    wrong = judged(trends, {"Dashboard": 9.0}, 20, said.append)

    assert wrong == [
        "kernel threads has grown by 29.5",
        "Dashboard sends 9.0 messages a second",
    ]
    assert any("<- grows" in line for line in said)
