"""Short frames that follow each other closely leave together, in order."""

import threading

from pilothouse.aimm.outbox import Entry, Outbox
from waiting import until


def entry(number, size=10):
    return Entry(number, b"x" * size, None)


def test_what_was_put_in_leaves_in_order_without_being_asked():
    sent = []
    outbox = Outbox(lambda: sent.extend(outbox.take()))
    try:
        for number in range(100):
            assert outbox.put(entry(number))

        until(lambda: len(sent) == 100)
        assert [one.number for one in sent] == list(range(100))
    finally:
        outbox.close()


def test_long_frames_and_too_many_are_not_taken():
    gate = threading.Event()
    outbox = Outbox(lambda: gate.wait(30))
    try:
        assert not outbox.put(entry(1, 5000))
        taken = sum(outbox.put(entry(n, 4000)) for n in range(100))

        assert 10 < taken < 50
    finally:
        gate.set()
        outbox.close()


def test_a_closed_one_takes_nothing_and_its_thread_ends():
    outbox = Outbox(lambda: None)
    outbox.put(entry(1))
    thread = outbox._thread
    outbox.close()

    assert not outbox.put(entry(2))
    thread.join(30)
    assert not thread.is_alive()
