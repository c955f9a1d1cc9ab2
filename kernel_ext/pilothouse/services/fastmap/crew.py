"""Workers here: child processes, each for one run; warm ones wait for the next.

A worker that dies or hangs is replaced, and its batch is run once more; then that is
reported. Between batches a run keeps its workers; when there are too many processes,
the one that has been idle for the longest goes.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pilothouse.errors import ServiceError
from pilothouse.fastmap.wire.func_dict import FunctionDict
from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.worker.outcomes import Cause, Done, Failed
from pilothouse.fastmap.worker.process import WorkerProcess

from .backend import InitializationFailed, Ran
from .functions import Functions
from .installing import Installer
from .options import FastmapOptions
from .pythons import Interpreter, Interpreters
from .runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Set

__all__ = ["Crew"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES: Final = 2
_LOADING_SECONDS: Final = 10.0
_MOST_IDLE: Final = 128
_FREE_SHARE: Final = 0.25
_LOST: Final = (Cause.DIED, Cause.TIMEOUT, Cause.KILLED)
_ENDED: Final = Failed(cause=Cause.KILLED, exception="the run was ended")


class _Member:
    """One worker process, and whose it is.

    Attributes:
        owner: The run that it belongs to; ``None`` for a warm one.
        is_idle: Whether it waits for a batch; a warm one, for a run.
        loaded: Modules that a warm one was told to import.
    """

    def __init__(self, number: int, process: WorkerProcess, python: str) -> None:
        self.number = number
        self.process = process
        self.python = python
        self.owner: Run | None = None
        self.is_idle = False
        self.loaded: frozenset[str] = frozenset()
        self.idle_since = time.monotonic()

    @property
    def name(self) -> str:
        return f"worker-{self.number}"

    def rest(self) -> None:
        self.is_idle, self.idle_since = True, time.monotonic()


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
            thread_name_prefix="map-worker",
        )
        self._members: set[_Member] = set()
        self._imported: tuple[str, ...] = ()
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
        return [member.process for member in tuple(self._members)]

    async def start(self) -> None:
        """Make the folder of the workers, without those of one that was killed."""
        await asyncio.to_thread(self._forget_folders)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _forget_folders(self) -> None:
        for left in self._folder.glob("worker-*"):
            shutil.rmtree(left, ignore_errors=True)

    async def stop(self) -> None:
        """End all workers."""
        self._is_stopped = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._kill(member) for member in list(self._members)))
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

    def has_worker(self, run: Run) -> bool:
        """Tell whether an idle worker has the function of a run."""
        return any(each.is_idle and each.owner is run for each in self._members)

    async def run(self, run: Run, batch: bytes) -> Ran:
        """Run one batch; if its worker is lost, once more on another one.

        Raises:
            InitializationFailed: If no worker can take the function.
            FunctionGone: If the function is not stored any more.
        """
        name = ""
        outcome: Done | Failed = _ENDED
        for attempt in range(_TRIES):
            member = await self._member_for(run)
            if self._is_over(run):  # meanwhile; nobody has killed this one
                await self._kill(member)
                break
            call = partial(
                member.process.run_batch, batch, timeout=self._options.batch_seconds
            )
            name, outcome = member.name, await self._in_thread(call)
            is_lost = isinstance(outcome, Failed) and outcome.cause in _LOST
            if is_lost or self._is_over(run):
                await self._kill(member)
            else:
                member.rest()
            if not is_lost or self._is_over(run):
                break
            log.info("a worker was lost in try %d: %s", attempt + 1, run.run_id)
        return Ran(name, outcome)

    async def end(self, run: Run) -> None:
        """Kill the workers of a run; then start warm ones for the next.

        Who says `done` with nothing open need not wait for the end of processes.
        """
        members = [each for each in self._members if each.owner is run]
        is_busy = any(not each.is_idle for each in members)
        for member in members:
            member.is_idle = False
        if is_busy:
            await self._replace(members, run.version)
        elif members:
            self._later(self._replace(members, run.version))

    async def _replace(self, members: list[_Member], version: PythonVersion) -> None:
        await asyncio.gather(*(self._kill(member) for member in members))
        self.expect(version)

    # -- one worker

    async def _member_for(self, run: Run) -> _Member:
        """Return a worker that has the function of a run: an idle one, or a new one."""
        while idle := [m for m in self._members if m.is_idle and m.owner is run]:
            member = max(idle, key=lambda each: each.idle_since)
            member.is_idle = False
            if member.process.is_alive:
                return member
            await self._kill(member)
        failed = _ENDED
        for _ in range(_TRIES):
            if self._is_over(run):
                break
            load = partial(self._functions.load, run.account, run.func_hash)
            function = await self._in_thread(load)
            member = await self._new_member(run, frozenset(function.installed_mods))
            over = self._is_over(run)
            outcome = None if over else await self._initialise(run, member, function)
            if outcome is None:
                return member
            failed = outcome
            await self._kill(member)
            if failed.cause not in (Cause.DIED, Cause.KILLED):
                break
        raise InitializationFailed(failed)

    async def _new_member(self, run: Run, needed: Set[str]) -> _Member:
        interpreter = await self._interpreters.find(run.version)
        if interpreter is None:
            reason = await self.refusal(run.version)
            raise InitializationFailed(_no_worker(reason))
        run.note_step("creating worker")
        for member in self._warm_ones():
            is_busy = time.monotonic() - member.idle_since < _LOADING_SECONDS
            if is_busy and not member.loaded <= needed:
                continue  # it may still import what this function does not need
            if member.python == interpreter.path and member.process.is_alive:
                member.owner, member.is_idle = run, False
                return member
        self._make_room()
        try:
            return await self._spawn(interpreter, run)
        except ServiceError as exc:
            raise InitializationFailed(_no_worker(exc.message)) from exc

    async def _spawn(self, interpreter: Interpreter, owner: Run | None) -> _Member:
        process = WorkerProcess(
            interpreter.path, folder=self._folder, limits=self._options.worker_limits
        )
        taken = {member.number for member in self._members}
        number = next(n for n in itertools.count(1) if n not in taken)
        member = _Member(number, process, interpreter.path)
        member.owner = owner
        self._members.add(member)
        try:
            await self._in_thread(process.start)
        except BaseException:
            self._members.discard(member)
            process.kill()
            raise
        return member

    async def _initialise(
        self, run: Run, member: _Member, function: FunctionDict
    ) -> Failed | None:
        path: list[str] = []
        if self._installer.is_allowed and function.requirements:
            run.note_step(f"installing {', '.join(list(function.requirements)[:5])}")
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
        self._imported = function.installed_mods
        return None

    def _is_over(self, run: Run) -> bool:
        return run.is_ended or self._is_stopped

    async def _kill(self, member: _Member) -> None:
        self._members.discard(member)
        await asyncio.shield(self._in_thread(member.process.kill))  # also when stopping

    # -- how many

    async def _warm(self, version: PythonVersion) -> None:
        """Start workers that wait for a run, as many as can be busy.

        They import what the last function needed: the next one is often like it.
        """
        interpreter = await self._interpreters.find(version)
        if interpreter is None or self._is_stopped:
            return
        for member in self._warm_ones():
            if member.python != interpreter.path:
                self._later(self._kill(member))
        while len(self._members) < self.slots and not self._is_stopped:
            try:
                member = await self._spawn(interpreter, None)
            except ServiceError:
                log.warning("no warm worker could be started", exc_info=True)
                return
            member.rest()
            member.loaded = frozenset(self._imported)
            if self._imported:
                member.process.preload(self._imported)

    def forget_idle(self) -> None:
        """End warm workers that nobody wanted for long."""
        longest = self._options.idle_seconds
        for member in self._warm_ones():
            if time.monotonic() - member.idle_since > longest:
                self._later(self._kill(member))

    def _warm_ones(self) -> list[_Member]:
        return [each for each in self._members if each.owner is None and each.is_idle]

    def _make_room(self) -> None:
        """End the worker that has been idle for the longest, when there are many.

        While there is memory, each of many runs keeps one: to start a process costs
        more than most batches.
        """
        idle = [member for member in self._members if member.is_idle]
        count = len(self._members) - 2 * self.slots
        if idle and (count >= _MOST_IDLE or (count > 0 and _is_memory_scarce())):
            member = min(idle, key=lambda each: each.idle_since)
            member.is_idle = False
            self._later(self._kill(member))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _later(self, coroutine: object) -> None:
        task = asyncio.ensure_future(coroutine)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_memory_scarce() -> bool:
    import psutil

    memory = psutil.virtual_memory()
    return bool(memory.available < _FREE_SHARE * memory.total)


def _no_worker(reason: str) -> Failed:
    return Failed(cause=Cause.USER, exception=reason, traceback=f"{reason}\n")
