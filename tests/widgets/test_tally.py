import pytest

from pilothouse_widgets.tally import Tally, tap_of

TAP = tap_of(0, "records.count")


def test_a_report_is_a_rate_and_adds_to_the_total():
    tally = Tally(0.5)
    tally.add(TAP, 100, 0.5, now=10.0)
    tally.add(TAP, 50, 0.5, now=10.5)

    assert TAP == "manifold.0.records.count"
    assert tally.rate(TAP, 10.5) == 100.0
    assert tally.total(TAP) == 150


def test_a_rate_ends_with_the_reports():
    tally = Tally(0.5)
    tally.add(TAP, 100, 0.5, now=10.0)

    assert tally.rate(TAP, 11.2) == 200.0
    assert tally.rate(TAP, 11.3) == 0.0
    assert tally.total(TAP) == 100


def test_the_first_report_after_a_silence_is_over_an_interval():
    """Its time reaches back to the last report; the records came just now."""
    tally = Tally(0.5)
    tally.add(TAP, 75, 60.0, now=100.0)

    assert tally.rate(TAP, 100.0) == 100.0


def test_a_report_without_a_time_is_over_an_interval():
    tally = Tally(0.5)
    tally.add(TAP, 10, None, now=1.0)

    assert tally.rate(TAP, 1.0) == 20.0


@pytest.mark.parametrize("data", [True, "7", None, [1, 2]])
def test_what_is_no_number_counts_for_nothing(data):
    tally = Tally(0.5)
    tally.add(TAP, data, 0.5, now=1.0)

    assert (tally.total(TAP), tally.rate(TAP, 1.0)) == (0, 0.0)
