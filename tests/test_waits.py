"""Conditions and events, and an interrupt at each of their steps."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from types import FrameType

import pytest

from pilothouse import waits
from waiting import until


def is_free(lock) -> bool:
    """Whether another thread can have it."""
    had = []
    thread = threading.Thread(
        target=lambda: had.append(lock.acquire(timeout=30) and not lock.release())
    )
    thread.start()
    thread.join(60)
    return had == [True]


class Interrupting:
    """Raises where an interrupt does: behind one of the calls of a function here."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if frame.f_code.co_filename == waits.__file__ and event in ("call", "c_return"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def test_an_interrupt_at_any_step_leaves_the_lock_free():
    step, reached = 0, True
    while reached:
        step += 1
        condition, interrupting = waits.Condition(), Interrupting(step)
        sys.setprofile(interrupting)
        try:
            with contextlib.suppress(KeyboardInterrupt), condition:
                condition.wait(0.001)
                condition.notify_all()
        finally:
            sys.setprofile(None)
        reached = interrupting.left <= 0
        assert is_free(condition), f"step {step}"
    assert step > 10, "no step was seen"


def test_interrupts_at_any_time_leave_the_lock_free():
    """By real signals, at whatever step they find."""
    condition, interrupts = waits.Condition(), 0

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for turn in range(200):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + turn * 1e-6)
                while True:
                    with condition:
                        condition.wait(0)
                        condition.notify_all()
            except KeyboardInterrupt:
                interrupts += 1
            assert not condition._is_owned()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupts == 200
    assert is_free(condition)


def test_who_waits_is_woken():
    condition, woken = waits.Condition(), []

    def wait(number: int) -> None:
        with condition:
            woken.append((number, condition.wait(30)))

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(condition._waiters) == 3)
    with condition:
        condition.notify()
    until(lambda: len(woken) == 1)
    with condition:
        condition.notify_all()
    for thread in threads:
        thread.join(30)
    assert sorted(woken) == [(0, True), (1, True), (2, True)]


def test_who_waits_lets_go_of_all_it_holds():
    condition = waits.Condition()
    with condition, condition:
        thread = threading.Thread(target=is_free, args=(condition,))
        thread.start()
        assert condition.wait_for(lambda: not thread.is_alive(), 0.01) in (True, False)
        until(lambda: condition.wait(0.01) or not thread.is_alive())
    assert is_free(condition)


def test_a_wait_ends_when_its_time_is_over():
    condition = waits.Condition()
    with condition:
        assert condition.wait(0) is False
        assert condition.wait_for(lambda: 0, 0.01) == 0
        assert condition.wait_for(lambda: 7, 0.01) == 7


def test_only_who_holds_it_waits_or_notifies():
    condition = waits.Condition()
    with pytest.raises(RuntimeError):
        condition.wait(0)
    with pytest.raises(RuntimeError):
        condition.notify_all()


def test_an_event_wakes_all_once_it_is_set():
    event, seen = waits.Event(), []
    threads = [
        threading.Thread(target=lambda: seen.append(event.wait(30))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert not event.wait(0.001)
    event.set()
    for thread in threads:
        thread.join(30)
    assert seen == [True, True, True]
    assert event.wait(0)
    event.clear()
    assert not event.is_set()


class Work:
    """Work of a thread, over when it is told so."""

    def __init__(self) -> None:
        self.watchers = []
        self.is_over = False

    def watch(self, call):
        self.watchers.append(call)
        return lambda: self.watchers.remove(call)

    def tell(self) -> None:
        for call in list(self.watchers):
            call(self)


def test_a_loop_waits_until_the_work_of_a_thread_is_over():
    work = Work()

    async def waits_for_it() -> None:
        waiting = asyncio.create_task(
            waits.until_over(work.watch, lambda: work.is_over)
        )
        await asyncio.sleep(0)
        await asyncio.to_thread(work.tell)  # news, but not the end
        assert not waiting.done()
        work.is_over = True
        await asyncio.to_thread(work.tell)
        await asyncio.wait_for(waiting, 60)

    asyncio.run(waits_for_it())
    assert work.watchers == []


def test_what_is_over_already_is_not_waited_for():
    work = Work()
    work.is_over = True

    asyncio.run(asyncio.wait_for(waits.until_over(work.watch, lambda: True), 60))

    assert work.watchers == []


def test_who_gives_up_awaiting_leaves_nothing_behind():
    work = Work()
    given_up = asyncio.wait_for(waits.until_over(work.watch, lambda: False), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(given_up)

    assert work.watchers == []
    work.tell()
