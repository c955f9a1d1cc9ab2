"""Waiting for what another thread or process does, with a deadline."""

import time


def until(condition, timeout=60.0, what="the condition"):
    """Return the first true value of a condition; fail at the deadline."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {timeout:g} s")
