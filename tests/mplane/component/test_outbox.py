"""What is to be sent: in order for each place, again until it arrives."""

import threading
import time

import pytest

from pilothouse.mplane.component import outbox
from pilothouse.mplane.component.outbox import Outbox, Parcel
from waiting import until


@pytest.fixture
def box(monkeypatch):
    monkeypatch.setattr(outbox, "_FIRST_SECONDS", 0.01)
    made = Outbox()
    yield made
    made.close()


def parcel(key, send, url="http://a/", **options):
    return Parcel(key, url, send, pause=0.01, **options)


def test_parcels_go_out_in_their_order(box):
    sent = []
    for number in range(20):
        box.put(parcel(f"{number}", lambda n=number: sent.append(n) is None))

    until(lambda: len(sent) == 20)
    assert sent == list(range(20))


def test_a_parcel_is_tried_until_it_arrives_and_none_overtakes_it(box):
    tries, sent = [], []

    def fail_twice():
        tries.append(1)
        if len(tries) < 3:
            return False
        sent.append("first")
        return True

    box.put(parcel("1", fail_twice))
    box.put(parcel("2", lambda: sent.append("second") is None))

    until(lambda: len(sent) == 2)
    assert sent == ["first", "second"]
    assert len(tries) == 3


def test_a_place_that_is_not_there_does_not_hold_another_up(box):
    done = threading.Event()
    box.put(parcel("1", lambda: False, url="http://gone/"))
    box.put(parcel("2", lambda: done.set() is None, url="http://there/"))

    assert done.wait(60)
    until(lambda: len(box) == 1)


def test_of_several_with_one_key_one_goes_out(box):
    sent = []
    later = time.monotonic() + 60
    for number in range(3):
        box.put(
            parcel("same", lambda n=number: sent.append(n) is None, not_before=later)
        )
    assert len(box) == 1

    box.hurry("same")

    until(lambda: sent)
    assert sent == [0]


def test_a_parcel_that_breaks_is_dropped(box, caplog):
    done = threading.Event()

    def fail():
        raise RuntimeError("no")

    box.put(parcel("1", fail))
    box.put(parcel("2", lambda: done.set() is None))

    assert done.wait(60)
    assert "cannot send" in caplog.text


def test_closing_sends_what_there_is(box):
    sent = []
    later = time.monotonic() + 60
    box.put(parcel("1", lambda: sent.append(1) is None, not_before=later))

    assert box.close(60)
    assert sent == [1]
    box.put(parcel("2", lambda: sent.append(2) is None))
    assert len(box) == 0


def test_closing_does_not_wait_for_ever(box):
    box.put(parcel("1", lambda: False))
    began = time.monotonic()

    assert not box.close(0.1)
    assert time.monotonic() - began < 20
