"""An answer is given once, and everybody who waits for it gets it."""

import threading

import pytest

from pilothouse.aimm.answer import Answer


def test_it_is_given_once():
    answer = Answer()

    assert answer.set_result(1)
    assert not answer.set_result(2)
    assert not answer.set_exception(ValueError())
    assert (answer.done(), answer.result(), answer.exception()) == (True, 1, None)


def test_what_went_wrong_is_raised_to_each():
    answer = Answer()
    answer.set_exception(ValueError("no"))

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            answer.result()


def test_a_wait_ends_with_its_timeout():
    with pytest.raises(TimeoutError):
        Answer().result(0.01)


def test_all_who_wait_are_told():
    answer, got = Answer(), []
    threads = [
        threading.Thread(target=lambda: got.append(answer.result(30))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    answer.set_result("it")
    for thread in threads:
        thread.join(30)

    assert got == ["it"] * 5


def test_callbacks_are_called_before_and_after_and_may_fail(caplog):
    answer, called = Answer(), []
    answer.add_done_callback(lambda one: 1 / 0)
    answer.add_done_callback(lambda one: called.append(one.result()))
    answer.set_result(3)
    answer.add_done_callback(lambda one: called.append(one.result()))

    assert called == [3, 3]
    assert "a callback for an answer failed" in caplog.text
