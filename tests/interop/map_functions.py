"""Functions that tests map: of a module that is not the script, so its text travels."""

from __future__ import annotations

import functools
import time

FACTOR = 3


def times_factor(number):
    return number * FACTOR


def slowly(number):
    time.sleep(0.02)
    return number


def fails_at_40(number):
    time.sleep(0.005)
    if number == 40:
        raise ValueError(f"not {number}, please")
    return number


def factorial(number):
    return 1 if number < 2 else number * factorial(number - 1)


def doubled(function):
    @functools.wraps(function)
    def wrapper(number):
        return 2 * function(number)

    return wrapper


@doubled
def decorated(number):
    return number + 1


def length(item):
    return len(item)


class Scale:
    """Has a method that is mapped."""

    def __init__(self, by):
        self.by = by

    def apply(self, number):
        return number * self.by
