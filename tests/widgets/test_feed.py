import contextlib
import sys
import threading
import time

import pytest

import pilothouse_widgets.feed as module
from pilothouse import waits
from pilothouse_widgets.feed import Feed, tail
from waiting import until


@pytest.fixture
def feed():
    feed = Feed()
    yield feed
    feed.close()


def test_no_thread_lives_before_the_first_value(feed):
    feed.subscribe(lambda _: None)

    assert not feed.running


def keeping(shown, go):
    """Return what keeps each value that it shows, the first one when it may."""

    def show(value):
        shown.append(value)
        assert go.wait(60)

    return show


def test_the_newest_value_wins(feed):
    """A fast source is thinned: few values are shown, the last one always."""
    shown, go = [], threading.Event()
    subscription = feed.subscribe(keeping(shown, go), hz=10)
    subscription.put(0)
    until(lambda: shown)

    for value in range(1, 10_000):
        subscription.put(value)
    go.set()
    until(lambda: shown[-1] == 9_999)

    assert shown == [0, 9_999]


def test_no_more_than_the_given_rate_is_shown(feed):
    stop = threading.Event()
    times = []
    subscription = feed.subscribe(lambda _: times.append(time.monotonic()), hz=20)

    def source():
        while not stop.is_set():
            subscription.put(1)
            stop.wait(0.001)

    thread = threading.Thread(target=source)
    thread.start()
    until(lambda: len(times) >= 12)
    stop.set()
    thread.join()

    assert (len(times) - 2) / (times[-1] - times[0]) <= 20.5


def test_one_thread_serves_all_subscriptions(feed):
    threads = set()
    subscriptions = [
        feed.subscribe(lambda _: threads.add(threading.get_ident())) for _ in range(5)
    ]

    for subscription in subscriptions:
        subscription.put(0)
    assert feed.flush(60)

    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_log_is_merged_in_order_and_bounded(feed):
    shown, go = [], threading.Event()
    subscription = feed.subscribe(keeping(shown, go), hz=5, merge=tail(3))
    subscription.put([0])
    until(lambda: shown)

    for line in range(1, 8):
        subscription.put([line])
    go.set()
    until(lambda: len(shown) == 2)

    assert shown == [[0], [5, 6, 7]]


def test_a_failing_view_is_told_and_the_others_go_on(feed):
    troubles, shown = [], []

    def fail(value):
        if value:
            raise ValueError(f"cannot show {value}")

    bad = feed.subscribe(fail, on_trouble=lambda text: troubles.append(text))
    good = feed.subscribe(lambda v: shown.append(v))
    bad.put(7)
    good.put(8)
    assert feed.flush(60)
    assert (troubles, shown) == (["ValueError: cannot show 7"], [8])

    bad.put(0)
    assert feed.flush(60)

    assert troubles[-1] == ""


def test_a_trouble_is_told_once_while_it_lasts(feed):
    troubles = []

    def fail(_value):
        raise ValueError("always")

    bad = feed.subscribe(fail, on_trouble=lambda text: troubles.append(text))
    for _ in range(3):
        bad.put(1)
        assert feed.flush(60)

    assert troubles == ["ValueError: always"]


def test_even_the_teller_of_troubles_may_fail(feed):
    def fail(_value):
        raise ValueError("first")

    bad = feed.subscribe(fail, on_trouble=fail)
    bad.put(1)

    assert feed.flush(60)
    assert "first" in bad.trouble


def test_closing_a_subscription_shows_what_waits_and_takes_no_more(feed):
    shown = []
    subscription = feed.subscribe(lambda v: shown.append(v), hz=1)
    subscription.put(1)
    until(lambda: shown == [1])

    subscription.put(2)
    subscription.close()
    subscription.put(3)

    assert feed.flush(60)
    assert shown == [1, 2]


def test_a_close_shows_what_waits_behind_one_that_takes_long(feed, monkeypatch):
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.01)
    held, go = [], threading.Event()
    long = feed.subscribe(keeping(held, go))
    long.put(1)
    until(lambda: held)
    shown = []
    subscription = feed.subscribe(shown.append)

    subscription.put("the end")
    subscription.close()

    assert shown == ["the end"]
    go.set()
    assert feed.flush(60)
    assert shown == ["the end"]


def test_a_close_shows_what_waits_behind_its_own_that_takes_long(feed, monkeypatch):
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.01)
    shown, go = [], threading.Event()

    def show(value):
        shown.append(value)
        assert value == "the end" or go.wait(60)

    subscription = feed.subscribe(show)
    subscription.put("long")
    until(lambda: shown)

    subscription.put("the end")
    subscription.close()

    assert shown == ["long", "the end"]
    go.set()
    assert feed.flush(60)
    assert shown == ["long", "the end"]


@pytest.mark.parametrize("of_all", [True, False], ids=["all", "one"])
def test_what_came_amid_a_show_is_flushed_at_once(feed, monkeypatch, of_all):
    shown, go = [], threading.Event()

    def show(value):
        shown.append(value)
        assert value != 1 or go.wait(60)

    subscription = feed.subscribe(show, hz=0.001)
    subscription.put(0)
    assert feed.flush(60)
    subscription.put(1)
    until(lambda: len(shown) == 2)
    subscription.put(2)
    wait_for = feed._changed.wait_for

    def waiting(*args):
        go.set()  # not before it was asked to hurry
        return wait_for(*args)

    monkeypatch.setattr(feed._changed, "wait_for", waiting)

    assert (feed if of_all else subscription).flush(60)
    assert shown == [0, 1, 2]


def test_what_a_close_could_not_show_comes_with_the_next_value(feed):
    held, shown, go = [], [], threading.Event()
    long = feed.subscribe(keeping(held, go))
    long.put(0)
    until(lambda: held)
    subscription = feed.subscribe(shown.extend, merge=tail(9))
    subscription.put([1])
    thread = feed._thread

    feed.close(0.01)
    go.set()
    thread.join(60)
    subscription.put([2])

    assert feed.flush(60)
    assert shown == [1, 2]


def test_a_view_under_pressure_gets_its_value_again_merged(feed):
    tried, shown = [], []

    def show(values):
        tried.append(values)
        if len(tried) == 1:
            subscription.put([2])
            return 0.05
        shown.append(values)
        return None

    subscription = feed.subscribe(show, hz=100, merge=tail(10))
    subscription.put([1])
    until(lambda: shown)

    assert shown == [[1, 2]]


def test_closing_joins_the_thread_and_a_later_value_starts_it_anew(feed):
    shown = []
    subscription = feed.subscribe(lambda v: shown.append(v))
    subscription.put(1)
    feed.close(60)
    assert not feed.running
    assert shown == [1]

    subscription.put(2)

    assert feed.flush(60)
    assert shown == [1, 2]


def is_free(lock):
    """Whether another thread can have it."""
    had = []
    thread = threading.Thread(
        target=lambda: had.append(lock.acquire(timeout=30) and not lock.release())
    )
    thread.start()
    thread.join(60)
    return had == [True]


@pytest.mark.parametrize("verb", ["put", "flush", "close"])
def test_an_interrupt_at_any_step_leaves_the_feed_free(feed, verb):
    """Raised where an interrupt may be: behind a call of a lock's Python code."""
    held, go = [], threading.Event()
    long = feed.subscribe(keeping(held, go))
    long.put(1)
    until(lambda: held)
    other = feed.subscribe(lambda _: None, hz=0.001)
    does = {
        "put": lambda: other.put(1),
        "flush": lambda: other.flush(0.001),
        "close": lambda: feed.close(0.001),
    }
    files = (threading.__file__, waits.__file__)
    step, reached = 0, True
    while reached:
        step += 1
        left = step

        def interrupt(frame, event, _arg):
            nonlocal left
            if frame.f_code.co_filename in files and event in ("call", "c_return"):
                left -= 1
                if left == 0:
                    raise KeyboardInterrupt

        sys.setprofile(interrupt)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                does[verb]()
        finally:
            sys.setprofile(None)
        reached = left <= 0
        assert is_free(feed._changed), f"step {step}"
    go.set()


def test_values_may_come_from_many_threads(feed):
    total = 0

    def add(values):
        nonlocal total
        total += sum(values)

    subscription = feed.subscribe(add, hz=200, merge=tail(100_000))
    threads = [
        threading.Thread(target=lambda: [subscription.put([1]) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert feed.flush(60)
    assert total == 2000


def test_a_rate_of_zero_is_refused(feed):
    with pytest.raises(ValueError, match="hz"):
        feed.subscribe(lambda _: None, hz=0)


def test_one_of_many_is_shown_at_once_when_it_is_asked_for(feed):
    """Another one that always comes again does not hold it up."""
    shown = []
    always = feed.subscribe(lambda _value: 60.0, hz=100)
    seldom = feed.subscribe(shown.append, hz=0.001)
    always.put(0)
    seldom.put(1)
    until(lambda: shown == [1])
    seldom.put(2)

    assert seldom.flush(60)
    assert shown == [1, 2]
    assert seldom.flush(60)
    assert always.flush(60)
    assert shown == [1, 2]
    always.close()
