"""How many items go into the next batch."""

from __future__ import annotations

import pytest

from pilothouse.fastmap.pace import Pace


def sizes(count: int, each: float, *, lanes: int, overhead: float = 0.0) -> list[int]:
    """The batches of a map whose items all take the same time."""
    pace, left, under_way, found = Pace(), count, [], []
    while left:
        if len(under_way) == lanes:
            done = under_way.pop(0)
            pace.learn(done, done * each, overhead)
        size = min(left, pace.size(lanes, left))
        left -= size
        under_way.append(size)
        found.append(size)
    return found


def test_the_first_batches_have_one_item():
    assert sizes(200, 0.05, lanes=2)[:2] == [1, 1]


def test_batches_double_up_to_a_second():
    found = sizes(2_000, 0.05, lanes=2)

    assert found[2:8] == [8, 8, 16, 16, 20, 20]
    assert max(found) == 20


def test_busy_items_go_in_few_batches_that_end_together():
    found = sizes(200, 0.05, lanes=2)

    assert len(found) < 30
    assert found[-3:] == [1, 1, 1]


def test_a_million_tiny_items_go_in_few_batches():
    assert len(sizes(1_000_000, 1e-7, lanes=3, overhead=0.02)) < 20


def test_what_is_costly_to_move_goes_in_longer_batches():
    pace = Pace()
    for _ in range(20):
        pace.learn(8, 0.4, overhead=0.2)

    assert pace.size(2, None) == pytest.approx(2.0 / 0.05, abs=1)


def test_no_batch_is_much_larger_than_any_that_was_measured():
    pace = Pace()
    pace.learn(1, 1e-9)

    assert pace.size(2, None) == 64


def test_items_that_got_slower_make_batches_smaller():
    pace = Pace()
    pace.learn(20, 1.0)
    for _ in range(10):
        pace.learn(20, 20.0)

    assert pace.size(2, None) <= 2
