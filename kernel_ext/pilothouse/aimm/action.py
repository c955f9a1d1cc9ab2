"""A handle of remote work: an action that the server was asked for.

wait(timeout)   whether it is over
result()        what came out, or what went wrong
cancel()        ask the server to end it; a sentence that says what came of that
detach()        leave it alone
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pilothouse import waits
from pilothouse.errors import AnswerTimeoutError, TransportError

from .answer import Answer
from .errors import PROTOCOL
from .state import ActionEntry

__all__ = ["Action", "ActionProgress"]

_CANCEL_TIMEOUT: Final = 1.8
"""Seconds for the action's number, the word on it, and the end that comes with that."""
_STEP_CHARS: Final = 160
_LOOK_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionProgress:
    """How far an action is, as its server and its plugin tell.

    Attributes:
        state: ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        done: Steps done, where the plugin counts them.
        total: Steps to do, or None when the plugin does not tell.
        step: The server's word for what it does, with the plugin's last report.
    """

    state: str
    done: float
    total: float | None
    step: str


class Action:
    """An action on the server.

    Attributes:
        call: Its name, for instance ``"fit"``.
        model: Id of the model instance that it is about, or None.
        outcome: What became of it, in a sentence; empty while it runs.
    """

    def __init__(
        self,
        call: str,
        *,
        model: int | None,
        answer: Answer,
        decode: Callable[[Any], Any],
        number: Callable[[], int | None],
        entry: Callable[[], ActionEntry | None],
        watch: Callable[[Callable[[], None]], Callable[[], None]],
        cancel: Callable[[float], str],
        can_cancel: Callable[[], bool] = lambda: False,
    ) -> None:
        self.call = call
        self.model = model
        self.outcome = ""
        self._answer = answer
        self._decode = decode
        self._number = number
        self._entry = entry
        self._watch = watch
        self._cancel = cancel
        self._can_cancel = can_cancel
        self._over = waits.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Action], object]] = []
        self._lock = threading.Lock()
        answer.add_done_callback(self._finish)

    def __repr__(self) -> str:
        number = "" if self.id is None else f" {self.id}"
        of = "" if self.model is None else f" of instance {self.model}"
        return f"<Action{number}: {self.call}{of}, {self.outcome or self.state}>"

    @property
    def id(self) -> int | None:
        """Its number on the server, as soon as the server has told it."""
        return self._number()

    @property
    def entry(self) -> ActionEntry | None:
        """What the server's state says of it, or None."""
        return self._entry()

    @property
    def state(self) -> str:
        """The server's word for how far it is, as `ActionEntry.progress` lists them."""
        if self._over.is_set():
            return self._ended_as()
        entry = self.entry
        return "requested" if entry is None else entry.progress

    @property
    def progress(self) -> ActionProgress:
        """How far it is."""
        entry = self.entry
        state = {"complete": "done", "failed": "failed", "cancelled": "cancelled"}.get(
            self.state, "running"
        )
        done, total = (0.0, None) if entry is None else entry.steps
        report = "" if entry is None else entry.words
        doing = self.state.replace("_", " ")
        step = "" if self.is_over else ": ".join(filter(None, (doing, report)))
        return ActionProgress(
            state=state, done=done, total=total, step=step[:_STEP_CHARS]
        )

    @property
    def is_over(self) -> bool:
        """Whether its result, or its error, is here."""
        return self._over.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end, in seconds; false when it is not over by then."""
        return self._over.wait(timeout)

    def begun(self, timeout: float = 2.0) -> bool:
        """Wait until the server has told its number; false when it did not, or never.

        Args:
            timeout: Seconds.
        """
        deadline = time.monotonic() + timeout
        while self.id is None and time.monotonic() < deadline:
            if self._over.wait(_LOOK_SECONDS):
                break
        return self.id is not None

    def result(self, timeout: float | None = None) -> Any:  # noqa: ANN401
        """Return what came out.

        Raises:
            AnswerTimeoutError: If it is not over within the timeout.
            ActionError: If it failed on the server.
            StillRunningError: If the connection broke and nothing tells its end.
        """
        if not self._over.wait(timeout):
            raise AnswerTimeoutError(
                f"{self.call} is not over after {timeout:g} s", protocol=PROTOCOL
            )
        if self._error is not None:
            raise self._error
        return self._value

    def partial(self) -> Any:  # noqa: ANN401  any JSON
        """Return what its plugin reported last, or None."""
        entry = self.entry
        return None if entry is None else entry.report

    def cancel(self) -> str:
        """Ask the server to end it; return what came of that.

        A server that cannot cancel goes on; the sentence says so. It also tells when no
        answer came in time, or there is no connection.
        """
        if self.is_over:
            return f"{self.call} was over already"
        if not self._can_cancel():
            return self._cancel(0.0)
        deadline = time.monotonic() + _CANCEL_TIMEOUT
        self.begun(_CANCEL_TIMEOUT)
        try:
            said = self._cancel(max(0.0, deadline - time.monotonic()))
        except TransportError as exc:
            return f"the cancel was not confirmed: {exc.message}"
        if self.id is not None:  # what the server tells then is under way
            self._over.wait(max(0.0, deadline - time.monotonic()))
        return said

    def detach(self) -> str:
        """Leave it alone; return how to look after it."""
        if self.is_over:
            return f"{self.call} was over already"
        number = self.id
        where = "client.actions" if number is None else f"client.actions[{number}]"
        return f"{self.call} goes on; %aimm actions, or {where}, shows how far it is"

    def on_end(self, callback: Callable[[Action], object]) -> Callable[[], None]:
        """Have a function called once it is over, on whatever thread learns it.

        Returns:
            What takes the wish back.
        """

        def forget() -> None:
            with self._lock, suppress(ValueError):
                self._callbacks.remove(callback)

        with self._lock:
            if not self.is_over:
                self._callbacks.append(callback)
                return forget
        callback(self)
        return forget

    def __iter__(self) -> Iterator[Any]:
        """Yield what its plugin reports, as it comes, until the action is over.

        Reports that come too fast for the server's state to show are left out.
        """
        told: queue.SimpleQueue[None] = queue.SimpleQueue()
        remove = self._watch(lambda: told.put(None))
        self.on_end(lambda _action: told.put(None))
        last: Any = None
        try:
            while True:
                is_over, report = self.is_over, self.partial()
                if report is not None and report != last:
                    last = report
                    yield report
                elif is_over:
                    return
                else:
                    told.get()
        finally:
            remove()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:  # noqa: ANN401
        await waits.until_over(self.on_end, lambda: self.is_over)
        return self.result(0.0)

    def _ended_as(self) -> str:
        if self._error is None:
            return "complete"
        kind = getattr(self._error, "kind", "")
        return "cancelled" if kind == "CancelledError" else "failed"

    def _finish(self, answer: Answer) -> None:
        try:
            self._value = self._decode(answer.result())
            self.outcome = f"{self.call} is complete"
        except BaseException as exc:
            self._error = exc
            was_cancelled = self._ended_as() == "cancelled"
            said = f"{self.call} was cancelled" if was_cancelled else str(exc)
            self.outcome = said.partition("\n")[0]
        with self._lock:
            self._over.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)
