"""Input slots: when a batch is due, and what is in it."""

import pytest

from pilothouse.fastscore.wire.controls import Control, ControlRecord
from pilothouse.fastscore.wire.streams import Batching
from pilothouse.services.fastscore.engine.intake import END, Intake
from pilothouse.services.fastscore.engine.records import Block, Records, cut

SET = ControlRecord(control=Control.SET)
PIG = ControlRecord(control=Control.PIG, id=7)
STOP = ControlRecord(control=Control.END)
EXPLICIT = Batching(watermark=None, nagle_time=None)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def intake(batching=None, *, recordsets=False, clock=None):
    return Intake(
        0, batching or Batching(), recordsets=recordsets, clock=clock or Clock()
    )


def block(*lines):
    return Block(b"".join(line + b"\n" for line in lines), len(lines))


def everything(queue, *, eager=False):
    found = []
    while (item := queue.take(eager=eager)) is not None:
        found.append(item)
    return found


def test_records_wait_for_the_nagle_time():
    clock = Clock()
    queue = intake(clock=clock)
    queue.put(block(b"1"))

    assert queue.take(eager=False) is None
    assert queue.deadline() == 0.5
    clock.now = 0.5
    batch = queue.take(eager=False)

    assert (batch.data, batch.count, batch.seqno) == (b"1\n", 1, 1)


def test_an_idle_jet_gets_records_at_once():
    queue = intake()
    queue.put(Records([b"1", b"22"]))

    batch = queue.take(eager=True)

    assert (batch.data, batch.bounds) == (b"122", [1, 2])


def test_an_idle_jet_does_not_cut_a_record_set_short():
    queue = intake(recordsets=True)
    queue.put(Records([b"1"]))

    assert queue.take(eager=True) is None


def test_the_watermark_cuts_batches():
    queue = intake(Batching(watermark=3, nagle_time=None))
    queue.put(block(*(b"%d" % n for n in range(7))))

    batches = everything(queue)

    assert [batch.data for batch in batches] == [b"0\n1\n2\n", b"3\n4\n5\n"]
    assert [batch.seqno for batch in batches] == [1, 4]
    assert queue.records == 1


@pytest.mark.parametrize("seed", range(5))
def test_blocks_with_records_of_any_length_are_cut_at_the_watermark(seed):
    import random

    rng = random.Random(seed)
    lines = [b"x" * rng.choice([0, 1, 5, 2000]) for _ in range(5000)]
    queue = intake(Batching(watermark=777, nagle_time=None))
    queue.put(block(*lines))

    queue.close()
    batches = everything(queue)[:-1]

    assert [batch.count for batch in batches] == [777] * 6 + [338]
    assert [record for batch in batches for record in batch.records()] == lines


def test_a_taker_gets_no_more_records_than_it_asks_for():
    queue = intake(Batching(watermark=3, nagle_time=None))
    queue.put(block(*(b"%d" % n for n in range(7))))

    batches = [queue.take(eager=True, limit=limit) for limit in (2, 9)]

    assert [batch.data for batch in batches] == [b"0\n1\n", b"2\n3\n4\n"]
    assert [batch.seqno for batch in batches] == [1, 3]


def test_as_many_records_as_a_taker_asks_for_are_due_at_once():
    queue = intake()
    queue.put(block(b"1", b"2"))

    assert queue.take(eager=False, limit=3) is None
    assert queue.take(eager=False, limit=2).count == 2


def test_a_part_of_an_explicit_batch_is_due_with_its_end_only():
    queue = intake(EXPLICIT)
    queue.put(block(b"1", b"2", b"3"))

    assert queue.take(eager=True, limit=2) is None
    queue.put(PIG)
    found = [queue.take(eager=False, limit=2) for _ in range(3)]

    assert [getattr(item, "count", item) for item in found] == [2, 1, PIG]


def test_a_record_set_is_not_cut_for_a_taker():
    queue = intake(EXPLICIT, recordsets=True)
    queue.put(block(b"1", b"2", b"3"))
    queue.put(SET)

    assert queue.take(eager=False, limit=1).count == 3


def test_a_last_record_without_a_separator_counts():
    first, rest = cut(Block(b"1\n2\n3", 3), 2)

    assert (first.data, rest.data, rest.count) == (b"1\n2\n", b"3", 1)


def test_a_separator_of_two_bytes_is_cut_whole():
    first, rest = cut(Block(b"a\r\nb\r\nc\r\n", 3, b"\r\n"), 1)

    assert (first.data, rest.data) == (b"a\r\n", b"b\r\nc\r\n")


def test_a_control_record_comes_after_the_records_before_it():
    queue = intake()
    queue.put(block(b"1", b"2"))
    queue.put(PIG)
    queue.put(block(b"3"))
    queue.put(STOP)

    first, pig, second, end = everything(queue)

    assert (first.count, pig, second.seqno, end) == (2, PIG, 3, END)
    assert queue.is_ended


def test_nothing_is_taken_after_the_end():
    queue = intake()
    queue.put(STOP)
    queue.put(block(b"1"))

    assert everything(queue, eager=True) == [END]


def test_set_ends_a_record_set():
    queue = intake(EXPLICIT, recordsets=True)
    for entry in (block(b"1", b"2"), SET, block(b"3"), SET, block(b"4")):
        queue.put(entry)

    assert [batch.count for batch in everything(queue)] == [2, 1]
    queue.close()
    assert [getattr(item, "count", item) for item in everything(queue)] == [1, END]


def test_two_sets_in_a_row_are_an_empty_set():
    queue = intake(EXPLICIT, recordsets=True)
    for entry in (block(b"1"), SET, SET):
        queue.put(entry)

    assert [batch.count for batch in everything(queue)] == [1, 0]


def test_a_set_right_after_the_watermark_is_no_empty_set():
    queue = intake(Batching(watermark=2, nagle_time=None), recordsets=True)
    queue.put(block(b"1", b"2"))

    assert [batch.count for batch in everything(queue)] == [2]
    queue.put(SET)
    assert everything(queue) == []


def test_set_means_nothing_without_record_sets():
    queue = intake()
    queue.put(SET)
    queue.put(block(b"1"))

    assert [batch.count for batch in everything(queue, eager=True)] == [1]


def test_long_explicit_batches_go_out_in_parts_without_record_sets():
    queue = intake(EXPLICIT)
    queue.put(Records([b"x" * 5_000_000]))

    assert queue.take(eager=False).count == 1


def test_blocks_and_records_do_not_mix_in_a_batch():
    queue = intake()
    queue.put(block(b"1"))
    queue.put(Records([b"2"]))
    queue.close()

    assert [getattr(i, "bounds", i) for i in everything(queue)] == [None, [1], END]
