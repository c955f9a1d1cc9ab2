"""One map under way: the handle that users hold.

    run = config.submit(function, items)
    run.progress, run.partial(), for result in run: ..., await run
    run.wait(10), run.result(), run.cancel(), run.detach()

A run feeds its lanes from a thread of its own; the generator of `Config.fastmap` drives
one from the caller's. Whatever ends it, processes here are ended, connections closed
and the service is told `done`, within two seconds.
"""

from __future__ import annotations

import atexit
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from pilothouse import waits

from .client import Cloud
from .cloud_lane import CloudLane, Patience, Site
from .errors import (
    CreditsError,
    FastmapException,
    FastmapNotAuthorizedError,
    FastmapTimeoutError,
    FastmapUsageError,
)
from .flow import Flow, join
from .handover import Handover
from .local_lane import LocalLane
from .options import ExecPolicy, Options
from .progress import Progress, State
from .worker.process import WorkerProcess

__all__ = ["Run"]

_END_SECONDS: Final = 1.5
_CLOSE_SECONDS: Final = 5.0
_JOIN_SECONDS: Final = 0.4
_DETACH_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 3.0


class Run:
    """A map under way.

    Args:
        flow: What its threads share.
        options: Of the config.
        policy: Where items are mapped.
        label: The user's words.
        ask: Asks before charges are made; None: nobody needs to.
        workers: Processes here that were started already.

    Attributes:
        run_id: Its id at the service.
        label: The user's words.
        name: The function's.
    """

    def __init__(
        self,
        flow: Flow,
        options: Options,
        policy: ExecPolicy,
        *,
        label: str = "",
        ask: Callable[[str], bool] | None = None,
        workers: list[WorkerProcess] | None = None,
    ) -> None:
        self.run_id = secrets.token_hex(32)
        self.label = label
        self.name = flow.packer.name
        self._flow = flow
        self._options = options
        self._policy = policy
        self._ask = ask
        self._workers = [] if workers is None else workers
        self._local: list[LocalLane] = []
        self._remote: list[CloudLane] = []
        self._site: Site | None = None
        self._cloud: Cloud | None = None
        self._closing = threading.Lock()
        self._is_closed = False
        self._is_connected = False
        self._confirmed: bool | None = None
        self._thread: threading.Thread | None = None
        self._joining: threading.Thread | None = None
        self._closed = waits.Event()

    def __repr__(self) -> str:
        return f"<Run {self.run_id[:8]} of {self.name}, {self.progress}>"

    def _repr_html_(self) -> str:
        return self.progress._repr_html_()

    # -- the four verbs ----------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, in seconds; False if the time is up before that."""
        deadline = None if timeout is None else time.monotonic() + timeout
        flow = self._flow
        with flow.lock:
            while not flow.state.is_over:
                left = 0.5
                if deadline is not None:
                    left = min(left, deadline - time.monotonic())
                    if left <= 0:
                        return False
                flow.lock.wait(left)  # in slices, so that an interrupt is prompt
        left = _CLOSE_SECONDS
        if deadline is not None:
            left = max(0.0, deadline - time.monotonic())
        self._closed.wait(left)
        return True

    def result(self, timeout: float | None = None) -> list[Any]:
        """Wait, and return the results in the order of items.

        Args:
            timeout: In seconds; it goes on when they are over.

        Raises:
            ItemError: If the function failed in an item.
            FastmapTimeoutError: If it is not over in time.
            FastmapException: If it failed otherwise, or was cancelled.
        """
        if not self.wait(timeout):
            raise FastmapTimeoutError(
                f"not done within {timeout:g} s; {self.progress}",
                hint="it goes on: wait again, or cancel()",
            )
        if self._flow.failure is not None:
            raise self._flow.failure
        if self.state is State.DETACHED:
            raise FastmapUsageError(
                self.outcome, hint=f"config.attach({self.run_id!r}) gets the results"
            )
        return self.partial()

    def cancel(self) -> str:
        """Stop it: processes here end, and the service's workers are freed.

        Returns:
            What became of it: whether the service has confirmed.
        """
        done, of = self._counts()
        if self._flow.end(State.CANCELLED, f"cancelled: {done:,}{of} items are done"):
            self._close()
        is_closed = self._closed.wait(_END_SECONDS)  # who drives it may close it, too
        if not is_closed and self._site is not None and self._confirmed is None:
            return f"{self.outcome}; the service has not confirmed the end yet"
        return self.outcome

    def detach(self) -> str:
        """Leave it to the service: it gets all that is left, and keeps the results.

        Returns:
            What became of it, what the service did not take, and how to get the
            results.

        Raises:
            FastmapUsageError: If there is no service that can do that.
        """
        site = self._site_soon()
        if self.state.is_over:
            return self.outcome
        if site is None or not site.cloud.can_resume or self._local:
            raise FastmapUsageError(
                "nothing can go on without this process",
                hint='exec_policy="CLOUD" with a service that has the feature "resume"',
            )
        self._hand_over(site)
        return self.outcome

    # -- looking on --------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where it is."""
        return self._flow.state

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._flow.progress

    @property
    def outcome(self) -> str:
        """How it has ended, in words; empty before that."""
        text = self._flow.outcome
        is_plain = self.state in (State.DONE, State.DETACHED)
        if not text or self._confirmed is None or is_plain:
            return text
        if self._confirmed:
            return f"{text}; the service has confirmed the end"
        return f"{text}; the service has not confirmed the end and frees it when idle"

    @property
    def failure(self) -> BaseException | None:
        """Why it has failed, if it has."""
        return self._flow.failure

    @property
    def is_remote(self) -> bool:
        """Whether a service takes part."""
        return self._site is not None

    @property
    def may_go_on(self) -> bool:
        """Whether the service may have it still, although it was cancelled here."""
        is_there = self._site is not None and not self._confirmed
        return self.state is State.CANCELLED and is_there

    @property
    def can_resume(self) -> bool:
        """Whether the service keeps its results if this process ends."""
        return self._site is not None and self._site.cloud.can_resume

    @property
    def keeps_errors(self) -> bool:
        """Whether an item that fails gives its exception as its result."""
        return self._flow.return_exceptions

    @property
    def func_hash(self) -> str:
        """What the service keeps its function under; empty before it is packed."""
        packed = self._flow.packed
        return "" if packed is None else packed.func_hash

    @property
    def logs(self) -> str:
        """What the function has printed at workers, the newest 1,000 lines."""
        return "\n".join(self._flow.logs)

    @property
    def warnings(self) -> list[str]:
        """What the service warned of."""
        return [] if self._cloud is None else list(self._cloud.warnings)

    def partial(self) -> list[Any]:
        """Return the results that are there, in the order of items."""
        return self._flow.values()

    def partial_items(self) -> dict[int, Any]:
        """Return the results that are there, by number of the item."""
        with self._flow.lock:
            parts = list(self._flow.parts.items())
        return {
            index + offset: value
            for index, values in sorted(parts)
            for offset, value in enumerate(values)
        }

    def on_change(self, callback: Callable[[Run], object]) -> Callable[[], None]:
        """Have a function called with this run when something has changed.

        It is called on the run's threads, some times a second, and at the end.

        Returns:
            A function that stops this.
        """
        return self._flow.watch(lambda: callback(self))

    def __iter__(self) -> Iterator[Any]:
        """Yield each result as it comes, from the first one on.

        Raises:
            FastmapException: As `result`, behind the results that came before.
        """
        at = 0
        flow = self._flow
        while True:
            with flow.lock:
                while len(flow.order) <= at and not flow.state.is_over:
                    flow.lock.wait(0.5)
                if len(flow.order) <= at:
                    break
                values = flow.parts[flow.order[at]]
            at += 1
            yield from values
        if flow.failure is not None:
            raise flow.failure

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return self._awaited().__await__()

    async def _awaited(self) -> list[Any]:
        await waits.until_over(self.on_change, lambda: self._flow.state.is_over)
        return self.result()

    # -- driving it --------------------------------------------------------------------

    def start(self) -> Run:
        """Drive it from a thread of its own."""
        _live.add(self)
        self._thread = threading.Thread(
            target=self._drive, name=f"fastmap-run-{self.run_id[:8]}", daemon=True
        )
        self._thread.start()
        return self

    def batches(self) -> Iterator[list[Any]]:
        """Drive it from the caller's thread, and yield lists of results as they come.

        Raises:
            FastmapException: If it fails; what the iterable raises comes as it is.
        """
        flow = self._flow
        _live.add(self)
        try:
            self._open()
            while True:
                while not flow.ready and not flow.state.is_over:
                    flow.feed()
                    flow.wait_for_work()
                if (values := flow.pop()) is None:
                    break
                yield values
                del values
            if flow.failure is not None:
                raise flow.failure
        except FastmapException as exc:
            flow.fail_at(None, exc)
            raise
        finally:
            flow.end(State.CANCELLED, "cancelled: ended by who read it")
            self._close()

    def _drive(self) -> None:
        flow = self._flow
        try:
            self._open()
            while not flow.state.is_over:
                flow.feed()
                flow.wait_for_work()
        except BaseException as exc:  # whoever waits for it has to know
            flow.fail_at(None, exc)
        finally:
            self._close()

    def _open(self) -> None:
        """Pack, begin with processes here, and let the service in."""
        flow, options = self._flow, self._options
        has_local = self._policy is not ExecPolicy.CLOUD
        has_cloud = self._policy is not ExecPolicy.LOCAL and options.has_cloud
        if not has_cloud and not has_local:
            raise FastmapUsageError("exec_policy CLOUD needs cloud_url and secret")
        if not flow.has_items():
            return
        if has_local:
            self._start_local()
        if not has_cloud or flow.state.is_over or not self._allowed():
            return
        cloud = self._new_cloud()
        if cloud is None:
            return
        if has_local:
            flow.pack()
            self._joining = threading.Thread(
                target=self._join_cloud,
                args=[cloud],
                name="fastmap-joining",
                daemon=True,
            )
            self._joining.start()
        else:
            self._connect(cloud)

    def _new_cloud(self) -> Cloud | None:
        """Return the service, which is closed at the end; None: it is over."""
        with self._closing:
            if not self._is_closed:
                self._cloud = Cloud(self._options)
            return self._cloud

    def _allowed(self) -> bool:
        if not self._options.confirm_charges or self._ask is None:
            return True
        total = self._flow.tally.total
        items = "an unknown number of" if total is None else f"{total:,}"
        if self._ask(f"Send {items} items to {self._options.cloud_url}? (y/n) "):
            return True
        if self._policy is ExecPolicy.CLOUD:
            raise FastmapUsageError("the charges were not confirmed; nothing was sent")
        return False

    def _start_local(self) -> None:
        flow, options = self._flow, self._options
        total = flow.tally.total
        wanted = options.local_workers
        if total is not None:
            wanted = max(1, min(wanted, total))
        lanes = [LocalLane(flow, options, n) for n in range(1, wanted + 1)]
        with self._closing:
            if self._is_closed:
                return
            self._local = lanes
            flow.lanes += len(lanes)
        for lane in lanes:
            lane.prepare(self._workers.pop() if self._workers else None)
        while self._workers:
            self._workers.pop().kill()
        flow.pack()
        for lane in lanes:
            lane.start()

    def _connect(self, cloud: Cloud) -> None:
        """Ask the service in, and begin to send to it."""
        try:
            self._let_in(cloud)
        finally:
            if self._is_closed:  # and has not closed what was opened since
                cloud.close()

    def _let_in(self, cloud: Cloud) -> None:
        flow, options = self._flow, self._options
        flow.note_step("connecting")
        patience = Patience(flow, min(options.retry_timeout, _CONNECT_SECONDS))
        features = patience.call(cloud.auth)
        packed = flow.pack()
        flow.note_step("")
        site = Site(
            cloud=cloud,
            options=options,
            run_id=self.run_id,
            label=self.label,
            name=self.name,
            is_needed=not self._local,
        )
        wanted = options.max_cloud_workers
        if features.workers:
            wanted = min(wanted, features.workers + max(1, features.workers // 2))
        total = flow.tally.total
        if total is not None:
            wanted = max(1, min(wanted, total))
        with self._closing:
            if self._is_closed:
                return
            self._site = site
            self._remote = [CloudLane(flow, site, n) for n in range(1, wanted + 1)]
            with flow.lock:
                flow.lanes += wanted
        patience.call(lambda: site.have(packed))
        self._is_connected = True
        for lane in self._remote:
            lane.start()

    def _join_cloud(self, cloud: Cloud) -> None:
        try:
            self._connect(cloud)
        except (FastmapNotAuthorizedError, CreditsError) as exc:
            self._flow.fail_at(None, exc)
        except Exception as exc:  # it goes on here, without the service
            text = str(exc).partition("\n")[0]
            cloud.warnings.append(f"without the service: {text}")
            self._flow.note_step("")

    # -- ending it ---------------------------------------------------------------------

    def _close(self) -> None:
        """End processes, connections and the run at the service; bounded in time."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        flow = self._flow
        deadline = time.monotonic() + _END_SECONDS
        flow.stopping.set()
        with flow.lock:
            flow.lock.notify_all()
            has_open = bool(flow.open_batches())
        for lane in self._local:
            lane.stop()
        while self._workers:
            self._workers.pop().kill()
        if self._cloud is not None and has_open:
            self._cloud.cut()
        if self._site is not None and self.state is not State.DETACHED:
            self._confirmed = self._end_site(self._site, deadline)
        lanes: list[LocalLane | CloudLane] = [*self._local, *self._remote]
        for wait in [lane.join for lane in lanes] + [self._join_joining]:
            wait(min(_JOIN_SECONDS, max(0.0, deadline - time.monotonic())))
        if has_open and self._site is not None and self.state is not State.DETACHED:
            # what was under way may have begun the run anew
            is_ended = self._end_site(self._site, time.monotonic() + _JOIN_SECONDS)
            self._confirmed = self._confirmed or is_ended
        if self._cloud is not None:
            self._cloud.close()
        _live.discard(self)
        self._closed.set()
        flow.tell(at_once=True)

    def _join_joining(self, seconds: float) -> bool:
        return self._joining is None or join(self._joining, seconds)

    def _end_site(self, site: Site, deadline: float) -> bool:
        confirmed = True
        for func_hash in list(site.hashes):
            left = max(0.2, deadline - time.monotonic())
            try:
                site.cloud.done(func_hash, self.run_id, timeout=left)
            except FastmapException:
                confirmed = False
        return confirmed

    def _site_soon(self) -> Site | None:
        """Return the service, once it is connected; None when none will be."""
        if self._policy is not ExecPolicy.CLOUD:
            return self._site
        deadline = time.monotonic() + self._options.timeout
        flow = self._flow
        with flow.lock:
            while not (self._is_connected or flow.state.is_over):
                if time.monotonic() > deadline:
                    break
                flow.lock.wait(0.05)
        return self._site

    def _hand_over(self, site: Site) -> None:
        """Give the service all that is left, and let go."""
        handover = Handover(self._flow, site, _DETACH_SECONDS)
        handover.go()
        done, of = self._counts()
        text = f"detached: {done:,}{of} items were done, the service goes on with "
        if shortfall := handover.shortfall:
            text += f"what it has; {shortfall}; config.attach({self.run_id!r}) tells"
        else:
            text += f"the others; config.attach({self.run_id!r}) gets all results"
        self._flow.end(State.DETACHED, text)
        self._close()

    def _counts(self) -> tuple[int, str]:
        tally = self._flow.tally
        return tally.done, "" if tally.total is None else f" of {tally.total:,}"


_live: weakref.WeakSet[Run] = weakref.WeakSet()


def _end_all() -> None:
    """Free what is held elsewhere when Python ends; who keeps runs, keeps them."""
    for run in list(_live):
        if not run.can_resume:
            run.cancel()


atexit.register(_end_all)
