"""The answer to one request: given once, on the reading thread, taken on any other.

What `concurrent.futures.Future` does with a condition each, this does with one lock for
all of them, and with an event only where somebody has to wait: thousands of short calls
a second are made of little else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from pilothouse import waits

__all__ = ["Answer"]

_LOG = logging.getLogger(__name__)
_LOCK: Final = threading.Lock()


class Answer:
    """What comes of a request."""

    __slots__ = ("_callbacks", "_error", "_is_done", "_value", "_waiter")

    def __init__(self) -> None:
        self._is_done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiter: waits.Event | None = None
        self._callbacks: list[Callable[[Answer], object]] | None = None

    def done(self) -> bool:
        """Tell whether it is there."""
        return self._is_done

    def result(self, timeout: float | None = None) -> Any:  # noqa: ANN401  any JSON
        """Return it, waiting for it if need be; raise what went wrong.

        Raises:
            TimeoutError: If it is not there within the timeout, in seconds.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what went wrong, or None, waiting for it if need be.

        Raises:
            TimeoutError: If it is not there within the timeout, in seconds.
        """
        if not self._is_done and not self._wait(timeout):
            raise TimeoutError
        return self._error

    def add_done_callback(self, callback: Callable[[Answer], object]) -> None:
        """Have a function called with it: now, or on the thread that gives it."""
        with _LOCK:
            if not self._is_done:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        self._call(callback)

    def set_result(self, value: Any) -> bool:  # noqa: ANN401  any JSON
        """Give it; false if it was there already."""
        return self._settle(value, None)

    def set_exception(self, error: BaseException) -> bool:
        """Say what went wrong; false if it was there already."""
        return self._settle(None, error)

    def _wait(self, timeout: float | None) -> bool:
        with _LOCK:
            if self._is_done:
                return True
            if self._waiter is None:
                self._waiter = waits.Event()
        return self._waiter.wait(timeout)

    def _settle(self, value: Any, error: BaseException | None) -> bool:  # noqa: ANN401
        with _LOCK:
            if self._is_done:
                return False
            self._value, self._error = value, error
            self._is_done = True
            waiter, callbacks = self._waiter, self._callbacks
            self._callbacks = None
        if waiter is not None:
            waiter.set()
        for callback in callbacks or ():
            self._call(callback)
        return True

    def _call(self, callback: Callable[[Answer], object]) -> None:
        try:
            callback(self)
        except Exception:
            _LOG.exception("a callback for an answer failed")
