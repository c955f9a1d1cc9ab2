"""What the lanes of a map take, and give back."""

from __future__ import annotations

import pytest

from pilothouse.fastmap.batches import Source
from pilothouse.fastmap.flow import Flow
from pilothouse.fastmap.pace import Pace
from pilothouse.fastmap.packing.packer import Packer

MANY, FEW = 10_000, 9


@pytest.fixture
def flow_over():
    """Make a flow with two lanes, one of which has a batch; the next is cut."""

    def make(count):
        packer = Packer(str)
        source = Source(range(count), packer.dumps, 2**20)
        flow = Flow(
            packer,
            source,
            Pace(seconds_each=0.1),
            is_kept=True,
            is_ordered=True,
            return_exceptions=False,
            is_limited=False,
        )
        flow.lanes = 2
        flow.feed()
        flow.take()
        flow.feed()
        return flow

    return make


def anything(batch):
    return True


def test_a_busy_lane_takes_the_next_batch_ahead(flow_over):
    flow = flow_over(MANY)

    ahead = flow.take_ahead(anything)

    first, second = flow.open_batches()
    assert ahead is second
    assert second.index == first.index + first.count


def test_a_batch_that_was_not_begun_is_given_back_first_and_is_no_retry(flow_over):
    flow = flow_over(MANY)
    ahead = flow.take_ahead(anything)
    flow.feed()

    flow.give_back(ahead)

    assert ahead not in flow.open_batches()
    assert flow.take() is ahead
    assert flow.tally.retries == 0


def test_near_the_end_nothing_is_taken_ahead(flow_over):
    flow = flow_over(FEW)

    assert flow.take_ahead(anything) is None
    assert flow.take().index > 0


def test_what_does_not_fit_is_left_for_whoever_is_free(flow_over):
    flow = flow_over(MANY)

    assert flow.take_ahead(lambda batch: False) is None
    assert len(flow.open_batches()) == 1
    assert flow.take().index > 0
