"""Requests to a service: what is open at once, and what is tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Final, TypeVar

from .batches import Batch
from .client import Cloud, Reply, Results, TooLarge, Unknown, Wait
from .errors import (
    CreditsError,
    FastmapException,
    FastmapProtocolError,
    FastmapTimeoutError,
    FastmapTransportError,
    IntegrityError,
    ItemError,
)
from .failures import item_error, start_error
from .flow import Flow, join
from .options import Options
from .packing.packer import Packed
from .wire.answers import InitError, ProcessError
from .wire.bodies import MapRequest

__all__ = ["CloudLane", "Patience", "Site"]

WAIT_SECONDS: Final = 5.0
_RUNNING_SECONDS: Final = 0.1
_START_TRIES: Final = 3
_DAMAGE_TRIES: Final = 2
_INIT_TRIES: Final = 3
_LONGEST_PAUSE: Final = 5.0
_KEPT_BYTES: Final = 1 << 20
_CHANCE: Final = SystemRandom()
T = TypeVar("T")


class Patience:
    """How long a service may be away: tries again, a little later each time.

    Args:
        flow: Is told what is waited for; its end ends the waiting.
        seconds: Longest time without any answer.
    """

    def __init__(self, flow: Flow, seconds: float) -> None:
        self._flow = flow
        self._seconds = seconds
        self._since: float | None = None
        self._tries = 0

    def answered(self) -> None:
        """Note that the service has answered."""
        self._since, self._tries = None, 0

    def wait(self, exc: FastmapTransportError) -> None:
        """Wait a little longer than the last time.

        Raises:
            FastmapTransportError: If patience is at its end: ``exc``.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        self._tries += 1
        if now - self._since > self._seconds:
            raise exc
        with self._flow.lock:
            self._flow.tally.retries += 1
        text = exc.message.partition("\n")[0]
        self._flow.note_step(f"{text}; trying again")
        ceiling = min(_LONGEST_PAUSE, 0.1 * 2**self._tries)
        self._flow.stopping.wait(_CHANCE.uniform(0.5, 1.0) * ceiling)

    def call(self, ask: Callable[[], T]) -> T:
        """Return what the service answers to a question that may be repeated.

        Raises:
            FastmapException: If it refuses, or is away for too long.
        """
        while True:
            try:
                answer = ask()
            except FastmapTransportError as exc:
                if self._flow.stopping.is_set():
                    raise
                self.wait(exc)
            else:
                self.answered()
                return answer


@dataclass(eq=False)
class Site:
    """What the lanes to one service share.

    Attributes:
        cloud: The service.
        options: Patience, and the bound on credits.
        run_id: Of the map.
        label: Of the map.
        name: The function's.
        is_needed: Whether nobody else can do the work.
        hashes: Functions that the service has been given for it, by hash.
    """

    cloud: Cloud
    options: Options
    run_id: str
    label: str
    name: str
    is_needed: bool = True
    hashes: dict[str, Packed] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def have(self, packed: Packed) -> None:
        """See to it that the service has a function.

        Raises:
            FastmapException: If it cannot be.
        """
        with self._lock:
            if packed.func_hash not in self.hashes:
                self.cloud.init(packed)
                self.hashes[packed.func_hash] = packed

    def lost(self, packed: Packed) -> None:
        """Note that the service has lost a function."""
        with self._lock:
            self.hashes.pop(packed.func_hash, None)

    def body(self, batch: Batch, *, defer: bool = False) -> bytes | tuple[bytes, ...]:
        """Return the request for a batch; the same one each time.

        A large one comes in pieces, which share the batch's own bytes.
        """
        resumes = self.cloud.can_resume
        request = MapRequest(
            func_hash=batch.packed.func_hash,
            batch=batch.squeezed(),
            run_id=self.run_id,
            label=self.label,
            index=batch.index if resumes else None,
            count=batch.count if resumes else None,
            name=self.name if resumes else None,
            defer=defer,
        )
        is_large = len(request.batch) > _KEPT_BYTES
        return request.to_pieces() if is_large else request.to_bytes()


class CloudLane:
    """One request at a time, and the thread that sends it.

    Args:
        flow: Where batches come from.
        site: The service.
        number: Of the lane, from 1.
    """

    def __init__(self, flow: Flow, site: Site, number: int) -> None:
        self._flow = flow
        self._site = site
        self._cloud = site.cloud
        self._options = site.options
        self._thread = threading.Thread(
            target=self._run, name=f"fastmap-cloud-{number}", daemon=True
        )

    def start(self) -> None:
        """Begin to take batches."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the end of its thread; false when it has not come."""
        return join(self._thread, seconds)

    def _run(self) -> None:
        batch = None
        try:
            while (batch := self._flow.take()) is not None:
                _Sending(self._flow, self._site, batch).go()
        except FastmapTransportError as exc:
            if not self._flow.stopping.is_set():
                self._gone(batch, exc)
        except BaseException as exc:  # nobody may wait for ever, not even for a fault
            if not self._flow.stopping.is_set():
                self._flow.fail_at(None, exc, batch)

    def _gone(self, batch: Batch | None, exc: FastmapTransportError) -> None:
        """Leave the rest to the processes here, if there are any."""
        if self._site.is_needed:
            self._flow.fail_at(None, exc, batch)
            return
        warning = f"without the service: {exc.message}"
        if warning not in self._cloud.warnings:
            self._cloud.warnings.append(warning)
        self._flow.note_step("")
        with self._flow.lock:
            self._flow.lanes -= 1
        if batch is not None:
            self._flow.put_back(batch)


class _Sending:
    """One batch, until it is done or cannot be."""

    def __init__(self, flow: Flow, site: Site, batch: Batch) -> None:
        self._flow = flow
        self._site = site
        self._batch = batch
        self._options = site.options
        self._body: bytes | tuple[bytes, ...] = b""
        self._patience = Patience(flow, site.options.retry_timeout)
        self._waited = 0.0
        self._step = ""
        self._starts = 0
        self._inits = 0
        self._sent_at = 0.0

    def go(self) -> None:
        """Send it until there is an answer, or it goes elsewhere."""
        while not self._is_left():
            try:
                if not self._body:
                    self._body = self._site.body(self._batch)
                self._site.have(self._batch.packed)
                self._sent_at = time.monotonic()
                reply = self._site.cloud.map(self._body, self._batch.count)
            except FastmapTransportError as exc:
                if not self._is_left():
                    self._patience.wait(exc)
            except IntegrityError as exc:
                self._damaged(exc)
            else:
                self._patience.answered()
                if self._handled(reply):
                    return

    def _is_left(self) -> bool:
        return self._flow.stopping.is_set() or self._flow.is_handed_over

    def _handled(self, reply: Reply) -> bool:
        """Act on an answer; true when it was the last."""
        if isinstance(reply, Wait):
            self._wait(reply)
            return False
        if isinstance(reply, Unknown):
            self._init_again()
            return False
        if isinstance(reply, InitError):
            self._start_again(reply)
            return False
        self._flow.note_step("")
        if isinstance(reply, Results):
            self._done(reply)
        elif isinstance(reply, TooLarge):
            self._too_large()
        elif isinstance(reply, ProcessError):
            self._flow.note_logs(reply.logs)
            number, error = item_error(self._batch, reply, self._site.name)
            self._flow.item_failed(self._batch, number, error)
        return True

    def _done(self, reply: Results) -> None:
        batch, spent, flow = self._batch, reply.spent, self._flow
        seconds = time.monotonic() - self._sent_at
        name = spent.service_id or "cloud"
        with flow.lock:
            flow.tally.credits += spent.credits
            credits = flow.tally.credits
        moved = max(0.0, seconds - (spent.application_seconds or spent.map_seconds))
        flow.learn(batch.count, spent.map_seconds, moved)
        flow.note_logs(reply.logs)
        flow.deliver(
            batch,
            reply.values,
            reply.size,
            lambda: flow.tally.add(name, "cloud", batch.count, spent.map_seconds),
        )
        limit = self._options.max_credits
        if limit is not None and credits >= limit and not flow.state.is_over:
            raise CreditsError(
                f"{credits:g} credits are spent, {limit:g} are allowed",
                hint="raise max_credits; run.partial() has what came back",
            )

    def _too_large(self) -> None:
        batch = self._batch
        if batch.count > 1:
            self._flow.split(batch, batch.count // 2)
            return
        self._flow.fail_at(
            batch.index,
            ItemError(
                f"item {batch.index} is {len(batch.data):,} bytes, more than the "
                "service takes",
                index=batch.index,
                status="TOO_LARGE",
            ),
            batch,
        )

    def _wait(self, reply: Wait) -> None:
        is_running = reply.step == "running"
        pause = reply.seconds
        if pause is None:
            kept = is_running and self._site.cloud.can_resume
            pause = _RUNNING_SECONDS if kept else WAIT_SECONDS
        self._flow.note_step("" if is_running else reply.step or "initializing")
        if is_running:
            self._waited = 0.0
        if self._waited >= self._options.wait_timeout:
            raise FastmapTimeoutError(
                f"no worker was ready within {self._options.wait_timeout:g} s; the "
                f"service says {reply.step!r}",
                status="INITIALIZING",
                hint="wait_timeout= waits longer",
            )
        self._waited += pause
        self._flow.stopping.wait(pause)

    def _init_again(self) -> None:
        self._inits += 1
        if self._inits > _INIT_TRIES:
            raise FastmapProtocolError(
                "the service says again and again that it does not know the function",
                status="NOT_FOUND",
            )
        self._note_retry("sending the function again")
        self._site.lost(self._batch.packed)
        if self._inits > 1:
            self._flow.stopping.wait(0.2 * 2**self._inits)

    def _start_again(self, reply: InitError) -> None:
        self._starts += 1
        if self._starts >= _START_TRIES:
            raise start_error(reply)
        self._note_retry(f"no worker could start: {reply.init_error[:100]}")
        self._flow.stopping.wait(WAIT_SECONDS)

    def _damaged(self, exc: FastmapException) -> None:
        self._batch.tries += 1
        if self._batch.tries >= _DAMAGE_TRIES:
            raise exc
        self._note_retry("an answer was damaged")

    def _note_retry(self, step: str) -> None:
        with self._flow.lock:
            self._flow.tally.retries += 1
        self._flow.note_step(step)
