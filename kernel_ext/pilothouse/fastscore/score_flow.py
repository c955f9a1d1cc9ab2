"""Records through an engine in chunks: one thread sends, one reads.

The engine's bounded queues make the sender wait when the model is slower. The end is a
``pig`` control record: it comes back behind the last output. Another one goes first;
what comes back before it is of somebody else.

With one jet outputs come in the order of the inputs, and the local engine keeps that
order with several. A real engine with several jets gives no such promise across
batches: let records carry a key of their own there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING, Any

from .errors import (
    FastScoreError,
    FastScoreRefusedError,
    FastScoreUsageError,
    refused,
)
from .failures import failure_of
from .pulling import pulled
from .records import ChunkSize, chunks
from .runtime.codec import Reject
from .score_claim import Claim, is_idle, last_claim, mixed
from .wire import mime
from .wire.controls import Control, ControlRecord
from .wire.messages import EngineState

if TYPE_CHECKING:
    from .score_job import ScoreJob
    from .score_journal import Journal

__all__ = ["ChunkFlow", "outputs_in"]

_CHUNKS_IN_A_LARGE_ONE = 8
"""Large records go in larger bodies: their number should not become small."""
_POST_SECONDS = 3600.0
"""The engine holds a body until there is room for it: as long as a model is slow."""
_DROP_SECONDS = 0.5
_QUIET_SECONDS = 5.0
"""How long nothing comes, with nothing left to send, before the engine is asked."""


class ChunkFlow:
    """Moves the records of one job.

    Args:
        job: The job.
        chunk_bytes: Size of the bodies that are sent.
        journal: Where to write down what was sent and what came.
    """

    def __init__(
        self, job: ScoreJob, chunk_bytes: int, journal: Journal | None = None
    ) -> None:
        self._job = job
        self._chunk_bytes = chunk_bytes
        self._journal = journal
        self._stop = threading.Event()
        self._is_left = False
        self._all_back = self._has_all_sent = False
        self._is_end_sent = False
        self._lock = threading.Lock()
        self._is_drop_told = True
        self._send_failure: BaseException | None = None
        self.model_failure: FastScoreError | None = None
        self._pigs = job.marks
        self._pigs_seen = 0
        self._claim = Claim(job.engine, job.plan.outlet.slot, job.id)
        self._got = 0
        self._quiet_since = 0.0
        self._was_idle = False
        peer = job.engine.gateway.peer
        self._send_peer, self._read_peer = peer.clone(), peer.clone()
        self._threads = [
            threading.Thread(target=target, daemon=True, name=f"score {name}")
            for target, name in ((self._send, "out"), (self._read, "in"))
        ]

    def start(self) -> None:
        """Begin.

        Raises:
            FastScoreError: If another job takes the outputs of the slot.
        """
        self._claim.take()
        if self._job.watch is not None:
            self._job.watch.open(self._model_failed)
        for thread in self._threads:
            thread.start()

    def drain(self, seconds: float) -> bool:
        """Send no more; True if all outputs of what was sent have come in time."""
        deadline = time.monotonic() + seconds
        self._stop.set()
        self._drop(seconds / 4)  # it also makes room, if the sender waits for that
        sender, reader = self._threads
        if sender.ident is not None:
            sender.join(seconds / 2)
        if sender.is_alive():
            return False
        if reader.ident is not None:
            reader.join(max(0.0, deadline - time.monotonic()))
        return self._is_known

    def leave(self, seconds: float) -> None:
        """Send no more, and take what is on its way here; wait for that no longer."""
        self._is_left = True
        self._stop.set()
        self._send_peer.abort()
        reader = self._threads[1]
        if reader.ident is not None:
            reader.join(seconds)

    @property
    def is_whole(self) -> bool:
        """Whether all records were sent, and scored, whatever was asked meanwhile."""
        return self._has_all_sent and self._is_known and not self._job.dropped

    def cut(self) -> None:
        """End at once."""
        self._stop.set()
        self._send_peer.abort()
        self._read_peer.abort()

    def join(self, seconds: float) -> None:
        """Wait for the threads."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(seconds)

    def _drop(self, seconds: float) -> None:
        """Let the engine forget what it has not begun."""
        with self._lock:
            if self._all_back:
                return
            self._is_drop_told = False  # its answer may get lost, or be overtaken
        self._ask_to_drop(seconds)

    def _learn_what_was_dropped(self) -> None:
        """Ask once more, when nothing of this job is left: then all of it is told."""
        if self._all_back and not self._is_drop_told:
            patience = self._job.engine.gateway.peer.timeout
            self._is_drop_told = self._ask_to_drop(patience)

    def _ask_to_drop(self, seconds: float) -> bool:
        told = self._claim.drop(self._job.plan.inlet.slot, seconds)
        if told is not None:
            self._job.drop(told)
        return told is not None

    @property
    def _is_known(self) -> bool:
        """Whether nothing is left, and what was dropped of it has been told."""
        return self._all_back and self._is_drop_told

    # -- sending ----------------------------------------------------------------------

    def _send(self) -> None:
        try:
            self._send_beginning()
            if self._is_left:
                return
            if self._stop.is_set():
                self._drop(_DROP_SECONDS)
            self._send_end()
            self._is_end_sent = True
        except Exception as exc:
            self._send_failure = exc
        finally:
            self._send_peer.close()

    def _send_beginning(self) -> None:
        inlet = self._job.plan.inlet
        self._post(inlet.head + inlet.control(Control.PIG, self._pigs[0]), 0)
        try:
            self._send_records()
        except FastScoreError:
            raise
        except Exception as exc:  # of whoever makes the records
            self._send_failure = exc

    def _send_end(self) -> None:
        inlet = self._job.plan.inlet
        if self._job.plan.is_recordset:
            self._post(inlet.control(Control.SET, 0), 0)
        self._post(inlet.control(Control.PIG, self._pigs[1]), 0)
        if self._journal is not None:
            self._journal.all_sent()

    def _send_records(self) -> None:
        job, inlet = self._job, self._job.plan.inlet
        parts: list[bytes] = []
        size = count = offset = 0
        at_once = not isinstance(job.data, Sized)
        fit = ChunkSize(self._chunk_bytes * _CHUNKS_IN_A_LARGE_ONE)
        for chunk in (
            pulled(job.data, self._stop, fit) if at_once else chunks(job.data, fit)
        ):
            if self._stop.is_set():
                return
            if inlet.is_chunked:
                block, number, bad = inlet.block(chunk)
                fit.learn(len(chunk), len(block))
                parts.append(block)
                size, count = size + len(block), count + number
                if size >= self._chunk_bytes or at_once:
                    self._post(b"".join(parts), count)
                    parts, size, count = [], 0, 0
            else:
                records, bad = inlet.records(chunk)
                self._post_singly(records)
            self._note(bad, offset)
            self._check(chunk, offset, bad)
            offset += len(chunk)
        if parts and not self._stop.is_set():
            self._post(b"".join(parts), count)
        self._has_all_sent = not self._stop.is_set()

    def _post_singly(self, records: Sequence[bytes]) -> None:
        for record in records:
            if self._stop.is_set():
                return
            self._post(record, 1)

    def _post(self, body: bytes, count: int) -> None:
        job = self._job
        slot = job.plan.inlet.slot
        job.in_doubt = count
        if self._journal is not None and count:
            self._journal.sending(count)
        answer = self._send_peer.call(
            "POST",
            job.engine.route(f"1/job/input/{slot}"),
            headers={"Content-Type": mime.BYTES_MIME},
            body=body,
            timeout=_POST_SECONDS,
        )
        job.in_doubt = 0
        if not answer.ok:
            raise refused(f"Unable to write to slot {slot}", answer)
        if self._journal is not None and count:
            self._journal.sent(count)
        job.accepted(count)

    def _check(self, chunk: list[Any], offset: int, bad: Sequence[Reject]) -> None:
        """Note which records the engine rejects, and why."""
        inlet = self._job.plan.inlet
        schema = inlet.schema
        if schema is None or schema.all_fit(chunk):
            return
        left_out = {one.index for one in bad}
        places = [at for at in range(len(chunk)) if at not in left_out]
        sent = inlet.as_read([chunk[at] for at in places])
        for at, reason in schema.sift(sent)[1]:
            self._job.reject(offset + places[at], reason, chunk[places[at]])

    def _note(self, bad: Sequence[Reject], offset: int) -> None:
        for one in bad:
            self._job.reject(offset + one.index, one.reason, one.raw)

    # -- reading ----------------------------------------------------------------------

    def _read(self) -> None:
        job = self._job
        try:
            self._prepare()
            while not (self._all_back or self._is_left) and job.state == "running":
                self._read_once()
            if job.state == "running":
                self._learn_what_was_dropped()
                self._settle()
            if not self._all_back:  # what is still sent would come among another job's
                self._send_peer.abort()
            self._claim.give_back()
            self._conclude()
        except Exception as exc:
            self._fail(exc)
        finally:
            self._stop.set()
            self._send_peer.abort()
            self._claim.give_back()
            if job.watch is not None:
                job.watch.close()
            self._read_peer.close()
            if self._journal is not None:
                self._journal.close()

    def _conclude(self) -> None:
        """Tell how it ended; nothing, if it was cancelled or left."""
        is_stopped = self._stop.is_set()  # first: a model's failure stops, too
        if self.model_failure is not None:
            self._fail(self.model_failure)
        elif self._is_left:
            return
        elif self._send_failure is not None:
            self._fail(self._send_failure)
        elif not is_stopped:
            if self._journal is not None:
                self._journal.done()
                self._journal.close()
            self._job.done()

    def _fail(self, failure: BaseException) -> None:
        """Send no more, and tell why."""
        self._stop.set()
        self._send_peer.abort()
        self._job.fail(failure)

    def _prepare(self) -> None:
        """Do what has to be done before the first answer is asked for."""

    def _read_once(self) -> None:
        job = self._job
        slot = job.plan.outlet.slot
        self._keep_claim()
        place = self._got
        query = f"?job={job.base}&at={place}" if self._claim.is_held else ""
        answer = self._read_peer.call(
            "GET", job.engine.route(f"1/job/output/{slot}{query}"), repeat=False
        )
        if answer.status == 200:
            self._quiet_since, self._was_idle = 0.0, False
            self._got += len(answer.body)
            items = job.plan.outlet.read(answer.body)
            if self._journal is not None:
                self._journal.came(answer.body, outputs_in(items), place)
            self._sort(items)
        elif answer.status == 202:
            if not (self._threads[0].is_alive() or self._is_left):
                self._nothing_came()
        else:
            what = f"Unable to read from slot {slot}"
            raise self._explained(
                refused(what, answer)
                if not answer.ok
                else FastScoreRefusedError(
                    f"The stream at slot {slot} of {job.engine.name} ended before the "
                    "last record was scored"
                )
            )

    def _keep_claim(self) -> None:
        """Repeat the claim.

        Raises:
            FastScoreError: If another job has the slot now.
        """
        job = self._job
        try:
            self._claim.keep()
        except FastScoreUsageError as exc:
            last = last_claim(job.engine, job.plan.outlet.slot)
            if last is None or last[0].partition(".")[0] != job.base:
                raise
            job.is_elsewhere = True
            raise FastScoreRefusedError(
                f"another kernel has taken up this score on {job.engine.name}",
                hint="its result is there",
            ) from exc

    def _nothing_came(self) -> None:
        """Look whether outputs can still come, all records having been sent."""
        if self._send_failure is not None and not self._is_end_sent:
            raise self._explained(self._send_failure)
        now = time.monotonic()
        if not self._quiet_since:
            self._quiet_since = now
        elif now > self._quiet_since + _QUIET_SECONDS:
            engine, slot = self._job.engine, self._job.plan.outlet.slot
            if self._was_idle and is_idle(engine, slot):
                raise mixed(engine, slot)
            self._was_idle = is_idle(engine, slot)
            self._quiet_since = now

    def _sort(self, items: list[Any]) -> None:
        """Tell outputs, those of somebody else, and the two marks apart."""
        start = 0
        for at, item in enumerate(items) if self._has_marks(items) else ():
            if not isinstance(item, ControlRecord):
                continue
            self._deliver(items[start:at])
            start = at + 1
            if item.control is Control.PIG:
                self._pig_seen(item)
            if self._pigs_seen == 2:
                with self._lock:
                    self._all_back = True
                return
        self._deliver(items[start:])

    def _pig_seen(self, pig: ControlRecord) -> None:
        """Note a mark that is the next of ours; some engines return no number.

        Raises:
            FastScoreUsageError: If it tells of another job amid this one.
        """
        ours = [str(number) for number in self._pigs]
        if pig.id is None or str(pig.id) == ours[self._pigs_seen]:
            self._pigs_seen += 1
        elif self._pigs_seen or str(pig.id) in ours:
            raise mixed(self._job.engine, self._job.plan.outlet.slot)

    def _has_marks(self, items: list[Any]) -> bool:
        return any(type(item) is ControlRecord for item in items)

    def _deliver(self, values: list[Any]) -> None:
        if self._pigs_seen:
            self._job.take(values)
        else:
            self._job.leftover += len(values)

    def _settle(self) -> None:
        """Where outputs are missing, wait for the reports on what was rejected."""
        job = self._job
        if job.watch is None or self._is_left:
            return
        if job.received != job.sent - job.refused:
            job.watch.settle()

    def _model_failed(self, failure: FastScoreError) -> None:
        self.model_failure = failure
        self._stop.set()

    def _explained(self, failure: BaseException) -> BaseException:
        """Return the model's own error where that is behind a failure."""
        if self.model_failure is not None:
            return self.model_failure
        try:
            if self._job.engine.state is EngineState.ERROR:
                return failure_of(self._job.engine)
        except FastScoreError:
            return failure
        return failure


def outputs_in(items: list[Any]) -> int:
    """Return how many of the items of an answer are outputs."""
    return len(items) - sum(type(item) is ControlRecord for item in items)
