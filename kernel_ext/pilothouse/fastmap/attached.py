"""A run of another time: what the service still does or keeps of it, fetched.

Its batches are known to the service; here they are only named, and their results come
by the endpoint ``results``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from .batches import Batch
from .client import Cloud, Results, TooLarge, Unknown, Wait
from .cloud_lane import WAIT_SECONDS, Site
from .errors import (
    FastmapException,
    FastmapTransportError,
    FastmapUsageError,
    IncompleteError,
    ItemError,
    RunNotFoundError,
)
from .failures import item_error, start_error
from .flow import Flow
from .options import ExecPolicy, Options
from .pace import Pace
from .packing.packer import Packed
from .run import Run
from .wire.answers import BatchInfo, BatchState, InitError, RunInfo

__all__ = ["AttachedRun"]

_LANES: Final = 3
_RUNNING_SECONDS: Final = 0.1
_RETRY_SECONDS: Final = 0.5


class _Named:
    """The name of a function that is at the service."""

    def __init__(self, info: RunInfo) -> None:
        self.name = info.name or "the function"

    def pack(self) -> NoReturn:
        """Refuse: there is nothing to pack."""
        raise FastmapUsageError(f"{self.name} is at the service only")

    def has_news(self) -> bool:
        """Tell that there is nothing new."""
        return False


@dataclass(slots=True, eq=False)
class _Piece(Batch):
    """Items that one answer of the service tells of.

    Attributes:
        first: Number of the first item of the batch that it answers.
        whole: Items in that batch; more than here if some were sent again.
    """

    first: int = 0
    whole: int = 0


class _Known:
    """The batches that a service knows, as if they were cut here."""

    def __init__(self, info: RunInfo, total: int | None) -> None:
        packed = Packed.named(info.name, info.func_hash)
        self._batches = _chosen(info.batches, packed)
        sent = sum(each.count for each in self._batches)
        self.total: int | None = sent if total is None else total
        self.taken = 0
        self.error: BaseException | None = None
        self._missing = self.total - sent

    @property
    def has_more(self) -> bool:
        """Whether there is another batch."""
        return bool(self._batches)

    def peek(self) -> bool:
        """Look whether there is a batch at all."""
        return self.has_more

    def cut(
        self, count: int, pack: Callable[[], Packed], *, is_limited: bool
    ) -> Batch | None:
        """Return the next one."""
        if not self._batches:
            return None
        piece = self._batches.pop(0)
        if piece.index != self.taken:
            behind = piece.count + sum(each.count for each in self._batches)
            self._batches.clear()
            self.error = _incomplete(self.taken, behind)
            return None
        self.taken = piece.end
        if not self._batches and self._missing > 0:
            self.error = _incomplete(self.taken)
        return piece


class AttachedRun(Run):
    """A run that another process began.

    Args:
        cloud: The service.
        info: What it knows of the run.
        options: Of the config.
        total: How many items there were, if that is known.
        return_exceptions: Whether items of a batch that failed give exceptions.
    """

    def __init__(
        self,
        cloud: Cloud,
        info: RunInfo,
        options: Options,
        total: int | None = None,
        return_exceptions: bool = False,
    ) -> None:
        flow = Flow(
            _Named(info),
            _Known(info, total),
            Pace(),
            is_kept=True,
            is_ordered=True,
            return_exceptions=return_exceptions,
            is_limited=False,
        )
        super().__init__(flow, options, ExecPolicy.CLOUD, label=info.label)
        self.run_id = info.run_id
        self._cloud = cloud
        self._info = info
        function = Packed.named(info.name, info.func_hash)
        self._site = Site(
            cloud=cloud,
            options=options,
            run_id=info.run_id,
            label=info.label,
            name=self.name,
            hashes={info.func_hash: function},
        )

    def _open(self) -> None:
        flow, site = self._flow, self._site
        assert site is not None
        lanes = [_Fetching(flow, site, number) for number in range(1, _LANES + 1)]
        with self._closing:
            if self._is_closed:
                return
            flow.lanes = _LANES
        for lane in lanes:
            lane.start()

    def detach(self) -> str:
        """Stop fetching; the service keeps what it has.

        Returns:
            What became of it.
        """
        done, of = self._counts()
        text = (
            f"detached: {done:,}{of} items were fetched; "
            f"config.attach({self.run_id!r}) gets all"
        )
        site = self._site
        if site is not None and not self.state.is_over:
            site.cloud.done(self._info.func_hash, self.run_id, keep=True)
        from .progress import State

        if self._flow.end(State.DETACHED, text):
            self._close()
        return self.outcome


class _Fetching:
    """Fetches one batch after another."""

    def __init__(self, flow: Flow, site: Site, number: int) -> None:
        self._flow = flow
        self._site = site
        self._thread = threading.Thread(
            target=self._run, name=f"fastmap-fetching-{number}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        try:
            while (batch := self._flow.take()) is not None:
                self._fetch(batch)
        except BaseException as exc:  # nobody may wait for ever, not even for a fault
            if not self._flow.stopping.is_set():
                self._flow.fail_at(None, exc)

    def _fetch(self, batch: Batch) -> None:
        site, flow = self._site, self._flow
        away_since: float | None = None
        while not flow.stopping.is_set():
            try:
                reply = site.cloud.results(site.run_id, batch.index, batch.count)
            except FastmapTransportError:
                now = time.monotonic()
                away_since = away_since or now
                if now - away_since > site.options.retry_timeout:
                    raise
                flow.stopping.wait(_RETRY_SECONDS)
                continue
            away_since = None
            if isinstance(reply, Wait):
                is_running = reply.step in ("running", "queued")
                flow.note_step("" if is_running else reply.step)
                pause = _RUNNING_SECONDS if is_running else WAIT_SECONDS
                flow.stopping.wait(reply.seconds or pause)
                continue
            break
        else:
            return
        if isinstance(reply, Results):
            name = reply.spent.service_id or "cloud"
            seconds = reply.spent.map_seconds
            with flow.lock:
                flow.tally.credits += reply.spent.credits
            flow.note_logs(reply.logs)
            flow.deliver(
                batch,
                reply.values,
                reply.size,
                lambda: flow.tally.add(name, "cloud", batch.count, seconds),
            )
        elif isinstance(reply, Unknown | TooLarge):
            flow.fail_at(batch.index, _gone(batch.index), batch)
        elif isinstance(reply, InitError):
            flow.fail_at(batch.index, start_error(reply), batch)
        else:
            flow.note_logs(reply.logs)
            _, error = item_error(_whole(batch), reply, site.name)
            if flow.return_exceptions:
                self._keep(batch, error)
            else:
                flow.fail_at(batch.index, error, batch)

    def _keep(self, batch: Batch, error: ItemError) -> None:
        """Give exceptions as results: the service keeps none of such a batch."""
        values = [
            error if error.index in (None, each) else _lost(each, error)
            for each in range(batch.index, batch.end)
        ]
        tally = self._flow.tally
        self._flow.deliver(batch, values, 0, lambda: tally.fail(batch.count))


def _chosen(batches: tuple[BatchInfo, ...], packed: Packed) -> list[_Piece]:
    """Return pieces that follow each other; some batches were done again in parts."""
    chosen: list[_Piece] = []
    at = 0
    while (found := _piece_at(at, batches, packed)) is not None:
        chosen.append(found)
        at = found.end
    behind = [each for each in batches if each.index > at][:1]
    chosen += [_Piece(each.index, each.count, b"", packed) for each in behind]
    return chosen


def _piece_at(at: int, batches: tuple[BatchInfo, ...], packed: Packed) -> _Piece | None:
    """Return the largest piece from an item on.

    Of a batch that failed it has the items that were not sent again.
    """
    is_failed = BatchState.FAILED
    sent = [each for each in batches if each.index == at and each.state != is_failed]
    if count := max((each.count for each in sent), default=0):
        return _Piece(at, count, b"", packed, first=at, whole=count)
    failed = [
        each
        for each in batches
        if each.state == is_failed and each.index <= at < each.index + each.count
    ]
    if not failed:
        return None
    whole = min(failed, key=lambda each: each.count)
    later = [each.index for each in batches if each.index > at]
    end = min([*later, whole.index + whole.count])
    return _Piece(at, end - at, b"", packed, first=whole.index, whole=whole.count)


def _whole(batch: Batch) -> Batch:
    """Return the batch that an answer is of."""
    assert isinstance(batch, _Piece)
    return Batch(batch.first, batch.whole, b"", batch.packed)


def _incomplete(count: int, behind: int = 0) -> FastmapException:
    text = f"only the first {count:,} items were sent before the run was left"
    if behind:
        text += f", and {behind:,} of those behind item {count:,}, which are left out"
    return IncompleteError(text, hint="run.partial() has the results of those before")


def _lost(index: int, error: ItemError) -> ItemError:
    lost = ItemError(
        f"item {index} has no result: another of its batch failed: {error.message}",
        index=index,
        status=error.status,
    )
    lost.__cause__ = error
    return lost


def _gone(index: int) -> RunNotFoundError:
    return RunNotFoundError(
        f"the service no longer has the results from item {index} on",
        hint="run.partial() has those before",
    )
