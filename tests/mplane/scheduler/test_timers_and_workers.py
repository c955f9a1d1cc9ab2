"""Timers and workers: in order, bounded, gone when idle."""

import threading
from datetime import timedelta

import pytest

from pilothouse.mplane.model import clock
from pilothouse.mplane.scheduler.timers import Timers
from pilothouse.mplane.scheduler.workers import Workers
from waiting import until


def test_timers_fire_in_their_order():
    timers, told, done = Timers(), [], threading.Event()
    zero = clock.now()
    with clock.frozen(zero):
        timers.at(zero + timedelta(seconds=3), done.set)
        timers.at(zero + timedelta(seconds=2), lambda: told.append("second"))
        timers.at(zero + timedelta(seconds=1), lambda: told.append("first"))

        with clock.frozen(zero + timedelta(seconds=3)):
            assert done.wait(60)
    assert told == ["first", "second"]


def test_a_timer_that_is_cancelled_does_not_fire():
    timers, told, done = Timers(), [], threading.Event()
    gate = threading.Event()
    timers.after(0, lambda: gate.wait(60))  # the others' thread has to wait
    timer = timers.after(0.02, lambda: told.append(1))
    timers.after(0.05, done.set)
    timer.cancel()
    gate.set()

    assert done.wait(60)
    assert told == []
    assert timer.is_done
    assert len(timers) == 0


def test_a_timer_that_fails_harms_no_other(caplog):
    timers, done = Timers(), threading.Event()

    def fail():
        raise RuntimeError("no")

    timers.after(0.0, fail)
    timers.after(0.02, done.set)

    assert done.wait(60)
    assert "a timer failed" in caplog.text


def test_a_point_in_time_follows_a_clock_that_is_set():
    timers, done = Timers(), threading.Event()
    due = clock.now() + timedelta(hours=3)
    timers.at(due, done.set)
    assert not done.wait(0.05)

    with clock.frozen(due):
        assert done.wait(60)


def test_a_pause_does_not_follow_a_clock_that_is_set():
    timers, done = Timers(), threading.Event()
    with clock.frozen(clock.now() + timedelta(hours=3)):
        timers.after(60, done.set)
        assert not done.wait(0.1)


def test_workers_are_bounded_and_the_rest_waits():
    workers, gate = Workers(2), threading.Event()
    began, lock, most = [], threading.Lock(), [0, 0]

    def work():
        with lock:
            most[0] += 1
            most[1] = max(most)
        began.append(1)
        gate.wait(60)
        with lock:
            most[0] -= 1

    for _ in range(5):
        workers.submit(work)
    until(lambda: len(began) == 2)
    assert "3 waiting" in repr(workers)
    gate.set()

    until(lambda: len(began) == 5)
    assert most[1] == 2


def test_an_idle_thread_takes_the_next_call():
    workers, names = Workers(8), []
    for number in range(5):
        done = threading.Event()
        workers.submit(lambda d=done: (names.append(threading.get_ident()), d.set()))
        assert done.wait(60)
        until(lambda n=number: len(names) == n + 1 and workers._idle)

    assert len(set(names)) == 1


def test_a_pool_of_no_threads_is_a_slip():
    with pytest.raises(ValueError, match="at least 1"):
        Workers(0)
