"""Conditions and events that a user's interrupt leaves whole.

Those of `threading` are entered and left by Python code. A `KeyboardInterrupt` that
comes just then leaves their lock with the main thread, for good: whoever needs it next
waits for ever, a thread of ours or the user's next cell. These are entered and left by
the interpreter itself, which takes no interrupt between the lock and the ``with``.

    changed = Condition()
    with changed:
        changed.wait(0.5)
        changed.notify_all()

`until_over` waits for the same kind of news in an event loop.

The standard library, threads; no I/O.
"""

from __future__ import annotations

import _thread
import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

__all__ = ["Condition", "Event", "until_over"]

T = TypeVar("T")


class Condition(_thread.RLock):  # type: ignore[misc]  # final in its stub only
    """As `threading.Condition`, with a reentrant lock of its own."""

    if TYPE_CHECKING:  # what `threading.Condition` uses, too

        def _is_owned(self) -> bool: ...

        def _release_save(self) -> tuple[int, int]: ...

        def _acquire_restore(self, state: tuple[int, int]) -> None: ...

    def __init__(self) -> None:
        super().__init__()
        self._waiters: list[_thread.LockType] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of the lock until there is news; then hold it again.

        Args:
            timeout: Longest wait, in seconds.

        Returns:
            Whether there was news in time.

        Raises:
            RuntimeError: If the lock is not held by this thread.
        """
        if not self._is_owned():
            raise RuntimeError("a condition is waited for by who holds it")
        news = _thread.allocate_lock()
        news.acquire()
        self._waiters.append(news)
        came, held = False, (1, _thread.get_ident())
        try:  # interrupts come behind calls: first it is let go, then it is had again
            held = self._release_save()
            came = news.acquire(True, -1 if timeout is None else max(0.0, timeout))
        finally:
            self._acquire_restore(held)
        if not came and news in self._waiters:
            self._waiters.remove(news)
        return came

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until something holds; return what it says in the end.

        Args:
            predicate: Is asked with the lock held.
            timeout: Longest wait, in seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (found := predicate()):
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return found

    def notify(self, count: int = 1) -> None:
        """Wake some of those who wait.

        Raises:
            RuntimeError: If the lock is not held by this thread.
        """
        if not self._is_owned():
            raise RuntimeError("who notifies holds the condition")
        waiters = self._waiters
        while waiters and count > 0:
            if waiters[0].locked():  # else an interrupt came here before
                waiters[0].release()
            del waiters[0]
            count -= 1

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._waiters))


class Event:
    """As `threading.Event`."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._flag = False

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._flag

    def set(self) -> None:
        """Set it, and wake all who wait for it."""
        self._flag = True
        with self._changed:
            self._changed.notify_all()

    def clear(self) -> None:
        """Unset it."""
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; tell whether it is.

        Args:
            timeout: Longest wait, in seconds.
        """
        if self._flag:
            return True
        with self._changed:
            return bool(self._changed.wait_for(self.is_set, timeout))


async def until_over(
    watch: Callable[[Callable[..., None]], Callable[[], None]],
    is_over: Callable[[], bool],
) -> None:
    """Wait in an event loop until work that threads do is over.

    No thread waits along: who gives up awaiting leaves nothing behind that the end of
    the loop would have to wait for.

    Args:
        watch: Has a function called when something has changed, on any thread and with
            anything, and returns what stops this.
        is_over: Whether the work is over; quick.
    """
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def look(*_changed: object) -> None:
        if is_over():
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(over.set)

    forget = watch(look)
    try:
        look()
        await over.wait()
    finally:
        forget()
