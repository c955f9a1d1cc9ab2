"""Ticks of a temporal scope."""

import threading
from datetime import datetime, timedelta

import pytest

from pilothouse.mplane.model import When, clock
from pilothouse.mplane.probes.errors import MeasurementError
from pilothouse.mplane.probes.pace import MAX_TICKS, Pace
from pilothouse.mplane.probes.stopping import Interrupted, Stopping

NOON = datetime(2026, 3, 1, 12)


@pytest.mark.parametrize(
    ("when", "count", "period"),
    [
        ("now", 1, 1),
        ("now + 10s / 1s", 10, 1),
        ("now + 10s / 3s", 4, 3),
        ("now + 10s", 10, 1),
        ("now ... future / 5s", None, 5),
        ("now ... future", None, 1),
        ("2026-03-01 12:00:00", 1, 1),
        ("2026-03-01 12:00:00 + 5s / 1s", 5, 1),
        ("2026-03-01 11:59:00 ... 2026-03-01 12:00:10 / 2s", 5, 2),
    ],
)
def test_a_scope_has_so_many_ticks(when, count, period):
    with clock.frozen(NOON):
        pace = Pace(When(when))
    assert (pace.count, pace.period) == (count, period)


def test_a_job_that_starts_a_moment_late_has_all_its_ticks():
    with clock.frozen(NOON + timedelta(microseconds=3000)):
        assert Pace(When("2026-03-01 12:00:00 + 5s / 1s")).count == 5
        assert Pace(When("2026-03-01 12:00:00 ... 2026-03-01 12:00:05 / 1s")).count == 5


@pytest.mark.parametrize("when", [f"now + {MAX_TICKS + 1}s / 1s", "now + 1s / 0s"])
def test_more_than_a_measurement_has_is_refused(when):
    with pytest.raises(MeasurementError):
        Pace(When(when))


def test_ticks_that_went_by_are_left_out():
    class Slow(Stopping):
        pauses: list[float]

        def pause(self, seconds: float) -> None:
            self.pauses.append(seconds)

    slow = Slow(lambda: False)
    slow.pauses = []
    pace = Pace(When("now + 3s / 1s"))
    pace.period = 0.01
    ticks = pace.ticks(slow)
    assert next(ticks) == 0
    threading.Event().wait(0.035)  # a measurement that takes longer than three periods
    assert next(ticks, None) is None, "all three ticks are over"


def test_an_interrupt_ends_a_pause_at_once():
    class Asked:
        def __init__(self):
            self.waits = 0

        def __call__(self):
            return False

        def wait(self, seconds):
            self.waits += 1
            return True

    asked = Asked()
    ticks = Pace(When("now + 1h / 1m")).ticks(Stopping(asked))
    assert next(ticks) == 0
    with pytest.raises(Interrupted):
        next(ticks)
    assert asked.waits == 1


def test_a_scheduler_that_only_can_be_asked_is_asked():
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        Stopping(lambda: next(asked)).pause(30)
