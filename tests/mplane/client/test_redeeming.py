"""At which pace receipts are redeemed, and by whom."""

import threading

import pytest

from pilothouse.mplane.client.redeeming import Pace, Redeemer
from waiting import until


def pauses(pace, count, until_start=0.0, until_end=None, **options):
    options = {"is_live": False, "is_new": False} | options
    return [pace.after_answer(until_start, until_end, **options) for _ in range(count)]


def test_the_pause_grows_to_five_seconds():
    found = pauses(Pace(), 12)

    assert found[0] == 0.1
    assert found == sorted(found)
    assert found[-1] == 5.0


def test_where_rows_can_be_seen_it_grows_to_one_second():
    assert max(pauses(Pace(), 12, is_live=True)) == 1.0


def test_new_rows_make_it_short_again():
    pace = Pace()
    pauses(pace, 12)

    assert pauses(pace, 1, is_live=True, is_new=True) == [0.25]


def test_nobody_asks_before_the_beginning():
    assert pauses(Pace(), 1, until_start=20.0) == [pytest.approx(20.05)]
    assert pauses(Pace(), 1, until_start=86400.0) == [60.0]


def test_somebody_asks_right_after_the_end():
    pace = Pace()
    pauses(pace, 6)

    assert pauses(pace, 1, until_end=1.0) == [pytest.approx(1.05)]


def test_trouble_makes_it_long():
    pace = Pace()

    found = [pace.after_trouble() for _ in range(10)]

    assert found[0] == 0.1
    assert found[-1] == 30.0


def test_receipts_are_redeemed_until_there_is_no_next_time():
    calls, done = [], threading.Event()

    def redeem(token):
        calls.append(token)
        if calls.count(token) < 3:
            return 0.01
        done.set()
        return None

    redeemer = Redeemer(redeem)
    redeemer.add("a", 0.0)

    assert done.wait(60)
    until(lambda: len(redeemer) == 0)
    assert calls == ["a", "a", "a"]


def test_what_is_removed_is_redeemed_no_more():
    calls = []
    redeemer = Redeemer(lambda token: calls.append(token))
    redeemer.add("a", 60.0)
    redeemer.remove("a")
    redeemer.hurry("a")
    redeemer.add("b", 0.0)

    until(lambda: "b" in calls)
    assert calls == ["b"]


def test_a_receipt_can_be_hurried():
    done = threading.Event()
    redeemer = Redeemer(lambda token: done.set())
    redeemer.add("a", 60.0)

    redeemer.hurry("a")

    assert done.wait(60)


def test_a_receipt_can_be_hurried_while_it_is_redeemed():
    calls, done = [], threading.Event()

    def redeem(token):
        calls.append(token)
        if len(calls) > 1:
            done.set()
            return None
        redeemer.hurry(token)  # as another thread does
        return 3600.0

    redeemer = Redeemer(redeem)
    redeemer.add("a", 0.0)

    assert done.wait(60)
    until(lambda: len(redeemer) == 0)


def test_closing_waits_for_what_is_being_redeemed(monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.client.redeeming._CLOSE_SECONDS", 60.0)
    began, gate, done = threading.Event(), threading.Event(), threading.Event()

    def redeem(token):
        began.set()
        assert gate.wait(60)
        done.set()
        return 0.0

    redeemer = Redeemer(redeem)
    redeemer.add("a", 0.0)
    assert began.wait(60)
    closing = threading.Thread(target=redeemer.close)
    closing.start()
    closing.join(0.1)  # it has to wait for the gate

    assert closing.is_alive()
    gate.set()
    closing.join(60)
    assert not closing.is_alive()
    assert done.is_set()
    assert len(redeemer) == 0


def test_who_redeems_can_close_and_waits_for_nothing(monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.client.redeeming._CLOSE_SECONDS", 3600.0)
    done = threading.Event()

    def redeem(token):
        redeemer.close()
        done.set()

    redeemer = Redeemer(redeem)
    redeemer.add("a", 0.0)

    assert done.wait(60)


def test_a_redemption_that_fails_harms_no_other(caplog):
    done = threading.Event()

    def redeem(token):
        if token == "bad":
            raise RuntimeError("no")
        done.set()

    redeemer = Redeemer(redeem)
    redeemer.add("bad", 0.0)
    redeemer.add("good", 0.02)

    assert done.wait(60)
    assert "cannot redeem bad" in caplog.text
    redeemer.close()
    redeemer.close()
    redeemer.add("late")
    assert len(redeemer) == 0
