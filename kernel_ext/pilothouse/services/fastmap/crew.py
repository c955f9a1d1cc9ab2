"""Workers here: child processes, each for one run; warm ones wait for the next.

A worker that dies or hangs is replaced, and its batch is run once more; then that is
reported. Between batches a run keeps its workers; when there are too many processes,
the one that has been idle for the longest goes.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pilothouse.errors import ServiceError
from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.worker.outcomes import Cause, Failed
from pilothouse.fastmap.worker.process import WorkerProcess

from .backend import InitializationFailed, Ran
from .functions import Functions
from .installing import Installer
from .options import FastmapOptions
from .pythons import Interpreter, Interpreters
from .runs import Run, RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Crew"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES: Final = 2
_LOST: Final = (Cause.DIED, Cause.TIMEOUT, Cause.KILLED)


class _Member:
    """One worker process, and whose it is."""

    def __init__(self, number: int, process: WorkerProcess, python: str) -> None:
        self.number = number
        self.process = process
        self.python = python
        self.idle_since = time.monotonic()

    @property
    def name(self) -> str:
        return f"worker-{self.number}"


class Crew:
    """Runs batches in child processes.

    Args:
        folder: Where workers have their folders.
        functions: The stored functions.
        options: Bounds.
    """

    def __init__(
        self, folder: Path, functions: Functions, options: FastmapOptions
    ) -> None:
        self._folder = folder
        self._functions = functions
        self._options = options
        self._interpreters = Interpreters(options.pythons)
        self._installer = Installer(folder / "installed", options.install)
        self._threads = ThreadPoolExecutor(
            max_workers=2 * options.worker_count + 8,
            thread_name_prefix="fastmap-worker",
        )
        self._busy: dict[RunKey, set[_Member]] = {}
        self._idle: dict[RunKey, list[_Member]] = {}
        self._spare: list[_Member] = []
        self._wanted: Interpreter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopped = False

    @property
    def slots(self) -> int:
        """How many batches it takes at a time."""
        return self._options.worker_count

    @property
    def pythons(self) -> list[str]:
        """Versions that are known to be here."""
        return self._interpreters.known

    @property
    def processes(self) -> list[WorkerProcess]:
        """All processes there are now."""
        return [member.process for member in self._members()]

    async def start(self) -> None:
        """Make the folder of the workers."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def stop(self) -> None:
        """End all workers."""
        self._is_stopped = True
        for task in list(self._tasks):
            task.cancel()
        members = self._members()
        self._idle.clear()
        self._spare.clear()
        for member in members:
            await self._in_thread(member.process.kill)
        await asyncio.to_thread(self._threads.shutdown)

    async def refusal(self, version: PythonVersion) -> str:
        """Return why code of that Python cannot run here; empty if it can."""
        if await self._interpreters.find(version) is not None:
            return ""
        here = ", ".join(self.pythons)
        return (
            f"the client runs {version}, and there is no such worker here (with dill): "
            f"this service has {PythonVersion.own().implementation} {here}"
        )

    def expect(self, version: PythonVersion) -> None:
        """Start warm workers of that Python, in the background."""
        self._later(self._warm(version))

    async def run(self, run: Run, batch: bytes) -> Ran:
        """Run one batch; if its worker is lost, once more on another one.

        Raises:
            InitializationFailed: If no worker can take the function.
            FunctionGone: If the function is not stored any more.
        """
        for attempt in range(_TRIES):
            member = await self._member_for(run)
            call = partial(
                member.process.run_batch, batch, timeout=self._options.batch_seconds
            )
            outcome = await self._in_thread(call)
            is_lost = isinstance(outcome, Failed) and outcome.cause in _LOST
            await self._give_back(run, member, is_lost)
            if not is_lost or run.is_ended:
                break
            log.info("a worker was lost in try %d: %s", attempt + 1, run.run_id)
        return Ran(member.name, outcome)

    async def end(self, run: Run) -> None:
        """Kill the workers of a run; then start warm ones for the next."""
        members = [*self._idle.pop(run.key, ()), *self._busy.get(run.key, ())]
        await asyncio.gather(*(self._in_thread(m.process.kill) for m in members))
        if members:
            self.expect(run.version)

    # -- one worker

    async def _member_for(self, run: Run) -> _Member:
        """Return a worker that has the function of a run: an idle one, or a new one."""
        idle = self._idle.get(run.key, [])
        while idle:
            member = idle.pop()
            if member.process.is_alive:
                self._busy.setdefault(run.key, set()).add(member)
                return member
            self._later(self._kill(member))
        failed: Failed | None = None
        for _ in range(_TRIES):
            member = await self._new_member(run)
            self._busy.setdefault(run.key, set()).add(member)
            failed = await self._initialise(run, member)
            if failed is None:
                return member
            await self._give_back(run, member, is_lost=True)
            if failed.cause not in (Cause.DIED, Cause.KILLED) or run.is_ended:
                break
        assert failed is not None
        raise InitializationFailed(failed)

    async def _new_member(self, run: Run) -> _Member:
        interpreter = await self._interpreters.find(run.version)
        if interpreter is None:
            reason = await self.refusal(run.version)
            raise InitializationFailed(_no_worker(reason))
        run.note_step("creating worker")
        for member in self._spare:
            if member.python == interpreter.path and member.process.is_alive:
                self._spare.remove(member)
                return member
        self._make_room()
        try:
            return await self._spawn(interpreter)
        except ServiceError as exc:
            raise InitializationFailed(_no_worker(exc.message)) from exc

    async def _spawn(self, interpreter: Interpreter) -> _Member:
        process = WorkerProcess(
            interpreter.path, folder=self._folder, limits=self._options.worker_limits
        )
        taken = {member.number for member in self._members()}
        number = next(n for n in itertools.count(1) if n not in taken)
        member = _Member(number, process, interpreter.path)
        self._spare.append(member)  # so that its number is taken while it starts
        try:
            await self._in_thread(process.start)
        finally:
            self._spare.remove(member)
        return member

    async def _initialise(self, run: Run, member: _Member) -> Failed | None:
        function = await self._in_thread(
            lambda: self._functions.load(run.account, run.func_hash)
        )
        path: list[str] = []
        if self._installer.is_allowed and function.requirements:
            run.note_step("installing requirements")
            installed = await self._in_thread(
                lambda: self._installer.install(member.python, function.requirements)
            )
            if isinstance(installed, Failed):
                return installed
            path = [installed]
        run.note_step("importing")
        outcome = await self._in_thread(
            lambda: member.process.initialise(
                function.func,
                local_sources=function.local_sources,
                installed_mods=function.installed_mods,
                requirements=function.requirements,
                path=path,
                timeout=self._options.import_seconds,
            )
        )
        if isinstance(outcome, Failed):
            return outcome
        run.note_ready(outcome.warnings)
        return None

    async def _give_back(self, run: Run, member: _Member, is_lost: bool) -> None:
        busy = self._busy.get(run.key, set())
        busy.discard(member)
        if not busy:
            self._busy.pop(run.key, None)
        if is_lost or run.is_ended or self._is_stopped:
            await self._in_thread(member.process.kill)
            return
        member.idle_since = time.monotonic()
        self._idle.setdefault(run.key, []).append(member)

    async def _kill(self, member: _Member) -> None:
        await self._in_thread(member.process.kill)

    # -- how many

    async def _warm(self, version: PythonVersion) -> None:
        """Start workers that wait for a run, as many as can be busy."""
        interpreter = await self._interpreters.find(version)
        if interpreter is None or self._is_stopped:
            return
        self._wanted = interpreter
        for member in [m for m in self._spare if m.python != interpreter.path]:
            self._spare.remove(member)
            self._later(self._kill(member))
        while len(self._members()) < self.slots and not self._is_stopped:
            try:
                self._spare.append(await self._spawn(interpreter))
            except ServiceError:
                log.warning("no warm worker could be started", exc_info=True)
                return

    def forget_idle(self) -> None:
        """End warm workers that nobody wanted for long; others of the sweep."""
        longest = self._options.idle_seconds
        for member in list(self._spare):
            if time.monotonic() - member.idle_since > longest:
                self._spare.remove(member)
                self._later(self._kill(member))

    def _make_room(self) -> None:
        """End the worker that has been idle for the longest, when there are many."""
        if len(self._members()) < 2 * self.slots + 2:
            return
        idle = [(m.idle_since, m, key) for key, ms in self._idle.items() for m in ms]
        if idle:
            _, member, key = min(idle, key=lambda each: each[0])
            self._idle[key].remove(member)
            self._later(self._kill(member))

    def _members(self) -> list[_Member]:
        idle = [member for members in self._idle.values() for member in members]
        busy = [member for members in self._busy.values() for member in members]
        return [*self._spare, *idle, *busy]

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _later(self, coroutine: object) -> None:
        task = asyncio.ensure_future(coroutine)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _no_worker(reason: str) -> Failed:
    return Failed(cause=Cause.USER, exception=reason, traceback=f"{reason}\n")
