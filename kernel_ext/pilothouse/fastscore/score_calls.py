"""Records through an engine one by one: each a roundtrip, several at a time.

For REST streams in simple mode on both sides. Outputs keep the order of the inputs.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sized
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .errors import FastScoreError, FastScoreRefusedError, HttpRefusal, refused
from .failures import failure_of
from .pulling import pulled
from .records import ChunkSize, chunks
from .wire import mime
from .wire.messages import EngineState

if TYPE_CHECKING:
    from pilothouse.transport.answer import HttpAnswer

    from .score_job import ScoreJob

__all__ = ["CallFlow"]

_AT_A_TIME = 8
_WINDOW = 256
_CALL_SECONDS = 3600.0
"""A call waits as long as a model is slow, also to begin; the engine ends jets that
hang, and tells why."""
_MORE_SECONDS = 30.0
"""So much later the answer of an engine is given up that says the time is up."""


class CallFlow:
    """Moves the records of one job.

    Args:
        job: The job.
    """

    def __init__(self, job: ScoreJob) -> None:
        self._job = job
        self._stop = threading.Event()
        self._all_back = self._has_all_sent = False
        self._peer = job.engine.gateway.peer.clone()
        self._separator = b"\n"
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, Any, Future[HttpAnswer]]] = deque()
        self._asked: SimpleQueue[tuple[Future[HttpAnswer], bytes] | None] = (
            SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, daemon=True, name="score")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def drain(self, seconds: float) -> bool:
        """Send no more; True if all outputs of what was sent have come in time."""
        self._halt()
        self.join(seconds)
        return self._all_back

    def leave(self, seconds: float) -> None:
        """Send no more, and take what is on its way here; wait for that no longer."""
        self.drain(seconds)

    @property
    def is_whole(self) -> bool:
        """Whether all records were scored, whatever was asked meanwhile."""
        return self._has_all_sent and self._all_back

    def cut(self) -> None:
        """End at once."""
        self._halt()
        self._peer.abort()

    def join(self, seconds: float) -> None:
        """Wait for the thread."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        job = self._job
        for _ in range(_AT_A_TIME):
            threading.Thread(target=self._work, daemon=True, name="score call").start()
        try:
            self._move()
            self._all_back = True
            if not self._stop.is_set():
                job.done()
        except Exception as exc:
            self._halt()
            job.fail(self._explained(exc))
        finally:
            self.cut()
            for _ in range(_AT_A_TIME):
                self._asked.put(None)

    def _move(self) -> None:
        for index, record, body in self._bodies():
            if not self._ask(index, record, body):
                break
            if len(self._waiting) >= _WINDOW:
                self._take_next()
        self._has_all_sent = not self._stop.is_set()
        while self._waiting:
            self._take_next()

    def _ask(self, index: int, record: Any, body: bytes) -> bool:  # noqa: ANN401
        """Let a record be sent; False if no more are."""
        call: Future[HttpAnswer] = Future()
        with self._lock:
            if self._stop.is_set():
                return False
            self._waiting.append((index, record, call))
            self._asked.put((call, body))
        return True

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            call, body = asked
            if call.set_running_or_notify_cancel():
                try:
                    call.set_result(self._call(body))
                except Exception as exc:
                    call.set_exception(exc)

    def _halt(self) -> None:
        """Begin no more calls; those that wait are taken back from the last one on."""
        with self._lock:
            self._stop.set()
            for _, _, call in reversed(self._waiting):
                if not call.cancel():
                    break

    def _take_next(self) -> None:
        with self._lock:
            index, record, call = self._waiting.popleft()
        try:
            answer = call.result()
        except CancelledError:
            self._has_all_sent = False
        else:
            self._take(index, record, answer)

    def _bodies(self) -> Iterator[tuple[int, Any, bytes]]:
        offset = 0
        data = self._job.data
        size = ChunkSize(1 << 20)
        for chunk in (
            chunks(data, size)
            if isinstance(data, Sized)
            else pulled(data, self._stop, size)
        ):
            records, bad = self._job.plan.inlet.records(chunk)
            size.learn(len(records), sum(map(len, records)))
            left_out = {one.index: one for one in bad}
            encoded = iter(records)
            for at, value in enumerate(chunk):
                if at in left_out:
                    one = left_out[at]
                    self._job.reject(offset + at, one.reason, value)
                else:
                    yield offset + at, value, next(encoded)
            offset += len(chunk)

    def _call(self, body: bytes) -> HttpAnswer:
        job = self._job
        route = f"2/active/model/roundtrip/{job.plan.inlet.slot}/{job.plan.outlet.slot}"
        return self._peer.call(
            "POST",
            job.engine.route(f"{route}?timeout={_CALL_SECONDS * 1000:.0f}"),
            headers={"Content-Type": mime.BYTES_MIME},
            body=body,
            timeout=_CALL_SECONDS + _MORE_SECONDS,
        )

    def _take(self, index: int, record: Any, answer: HttpAnswer) -> None:  # noqa: ANN401
        job = self._job
        if answer.ok:
            job.accepted(1)
            if answer.status != 204:
                job.take(self._outputs(answer.body))
        elif answer.status == 400 and "rejected" in answer.text:
            job.accepted(1)
            job.reject(index, answer.text.strip(), record)
        else:
            raise refused(f"Unable to score record {index}", answer)

    def _outputs(self, body: bytes) -> list[Any]:
        outlet = self._job.plan.outlet
        try:
            return outlet.read(body)
        except FastScoreError:
            if self._separator not in body:
                raise
        # Several outputs of one record come joined.
        return [v for part in body.split(self._separator) for v in outlet.read(part)]

    def _explained(self, failure: Exception) -> BaseException:
        """Return the model's own error where that is behind a failure."""
        engine = self._job.engine
        if isinstance(failure, FastScoreRefusedError) and isinstance(
            failure.caused_by, HttpRefusal
        ):
            deadline = time.monotonic() + 1.0
            with suppress(FastScoreError):  # it may be gone meanwhile
                while time.monotonic() < deadline:
                    if engine.state is EngineState.ERROR:
                        return failure_of(engine)
                    if failure.caused_by.status == 504:
                        break
                    time.sleep(0.05)
        return failure
