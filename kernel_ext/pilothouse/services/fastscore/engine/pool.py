"""The jets of one engine: as many as wanted, all with the same model.

A jet that is not wanted any more finishes what it has and goes (it retires); it is not
listed any more. One that was killed from outside is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pilothouse.fastscore.wire.messages import JetInfo

from .jets import Cause, Jet
from .options import EngineOptions
from .pace import Pace

__all__ = ["Plan", "Pool", "PoolOwner"]

WATCH_SECONDS = 0.5
STOP_SECONDS = 15.0
"""How long the end of killed jets is waited for: less than a host has for its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every jet is started with.

    Attributes:
        head: Head of the ``start`` frame.
        fill: Puts the model's files into the folder of a jet; called in a thread.
        pace: How much jets of this model are given at once.
    """

    head: Callable[[], dict[str, Any]]
    fill: Callable[[Path], None]
    pace: Pace = field(default_factory=Pace)


class PoolOwner(Protocol):
    """Who is told what jets do; always on the event loop."""

    def jet_frame(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        """Take one frame."""

    def jet_console(self, jet: Jet, text: str) -> None:
        """Take what the model has printed."""

    def jet_lost(self, jet: Jet, cause: Cause) -> None:
        """Note that a jet ended unasked; what it held is in ``jet.in_flight``."""

    def jets_watched(self) -> None:
        """Have a look; called twice a second while there are jets."""

    def jet_started(self, jet: Jet) -> None:
        """Note that a jet has come."""

    def jet_stopped(self, jet: Jet) -> None:
        """Note that a jet has gone."""


class Pool:
    """Starts, retires, watches and stops jets.

    Args:
        folder: Where jets have their working folders.
        options: Bounds.

    Attributes:
        owner: Who is told; set before the first launch.
        jets: The jets that take work, oldest first.
        target: How many are wanted.
    """

    owner: PoolOwner

    def __init__(self, folder: Path, options: EngineOptions) -> None:
        self._folder = folder
        self._options = options
        self._plan: Plan | None = None
        self._count = 0
        self._retiring: list[Jet] = []
        self._known: list[Jet] = []
        self._watcher: asyncio.Task[None] | None = None
        self._starts: set[asyncio.Task[None]] = set()
        self.jets: list[Jet] = []
        self.target = 1

    @property
    def infos(self) -> tuple[JetInfo, ...]:
        """Process id and sandbox of each jet."""
        return tuple(JetInfo(pid=jet.pid, sandbox=jet.sandbox) for jet in self.jets)

    @property
    def all_jets(self) -> list[Jet]:
        """Also those that retire."""
        return [*self.jets, *self._retiring]

    async def launch(self, plan: Plan) -> None:
        """Start the jets, or (hot reload) replace all by jets with another model.

        Raises:
            OSError: If a process cannot be started.
        """
        old, self.jets = self.jets, []
        self._plan = plan
        try:
            await self._grow()
        finally:
            for jet in old:
                self._retire(jet)
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    async def scale(self, target: int) -> None:
        """Start or retire jets until there are `target`.

        Raises:
            OSError: If a process cannot be started.
        """
        self.target = target
        if self._plan is None:
            return
        while len(self.jets) > target:
            idlest = min(reversed(self.jets), key=lambda jet: len(jet.in_flight))
            self.jets.remove(idlest)
            self._retire(idlest)
        await self._grow()

    def replace_lost(self) -> None:
        """Start what is missing, in the background."""
        task = asyncio.create_task(self._regrow())
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    def retired(self, jet: Jet) -> None:
        """Let a retiring jet go if it holds nothing any more."""
        if jet in self._retiring and not jet.in_flight:
            self._retiring.remove(jet)
            self.owner.jet_stopped(jet)
            jet.close()

    def dismiss(self, jet: Jet) -> None:
        """Let a jet go that has done all it had to."""
        for jets in (self.jets, self._retiring):
            if jet in jets:
                jets.remove(jet)
                self.owner.jet_stopped(jet)
                jet.close()

    async def stop(self) -> None:
        """Kill all jets and wait until they are gone."""
        self._plan = None
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        for task in tuple(self._starts):
            task.cancel()
        await asyncio.gather(*self._starts, return_exceptions=True)
        jets, self.jets, self._retiring = self.all_jets, [], []
        for jet in jets:
            self.owner.jet_stopped(jet)
        known = tuple(self._known)
        for jet in known:  # also those that were dismissed, and are still leaving
            jet.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*(jet.gone.wait() for jet in known))
        for jet in known:
            if not jet.gone.is_set():
                jet.give_up()
        self._known = [jet for jet in self._known if not jet.gone.is_set()]

    # -- of a jet

    def jet_frame(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        """Hand a frame on."""
        self.owner.jet_frame(jet, head, body)

    def jet_console(self, jet: Jet, text: str) -> None:
        """Hand console text on."""
        self.owner.jet_console(jet, text)

    def jet_ended(self, jet: Jet, cause: Cause) -> None:
        """Forget a jet that ended unasked."""
        for jets in (self.jets, self._retiring):
            if jet in jets:
                jets.remove(jet)
        self.owner.jet_stopped(jet)
        self.owner.jet_lost(jet, cause)

    # -- inside

    async def _grow(self) -> None:
        while self._plan is not None and len(self.jets) < self.target:
            await self._start_one(self._plan)

    async def _regrow(self) -> None:
        try:
            await self._grow()
        except OSError as exc:
            lost = Jet("0", self._folder / "none", self, self._options)
            self.owner.jet_lost(lost, Cause(f"could not be started: {exc}"))

    async def _start_one(self, plan: Plan) -> None:
        self._count += 1
        sandbox = str(self._count)
        folder = self._folder / f"jet-{sandbox}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        try:
            await asyncio.to_thread(plan.fill, folder)
            jet = Jet(sandbox, folder, self, self._options)
            jet.pace = plan.pace
            self._known = [each for each in self._known if not each.gone.is_set()]
            self._known.append(jet)
            await jet.start()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if self._plan is not plan or len(self.jets) >= self.target:
            jet.kill()
            return
        self.jets.append(jet)
        jet.send(plan.head())
        self.owner.jet_started(jet)

    def _retire(self, jet: Jet) -> None:
        self._retiring.append(jet)
        self.retired(jet)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.owner.jets_watched()
            for jet in self.all_jets:
                limit = (
                    self._options.record_timeout
                    if jet.is_ready
                    else self._options.begin_timeout
                )
                if jet.stalled_seconds() > limit:
                    what = "one record" if jet.is_ready else "begin"
                    jet.kill(Cause(f"killed: {what} took longer than {limit:g} s"))
