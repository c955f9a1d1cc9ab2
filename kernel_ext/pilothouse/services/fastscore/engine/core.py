"""The parts of a running engine, in one place for those that work on them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from pilothouse.services.fastscore.store import Store

from .failing import Failure
from .loading import PreparedModel
from .machine import Machine
from .meters import Meters
from .options import EngineOptions
from .pipeline import Pipeline
from .plumbing import Plumbing
from .pool import Pool
from .reporting import Reporter
from .state import SharedState

__all__ = ["Core"]

MAX_CONSOLE_LINES = 1000


@dataclass
class Core:
    """What an engine is made of.

    Attributes:
        model: The loaded model.
        failure: Why it is in ERROR.
        console: The last lines that models have printed.
        lost_in_a_row: Jets killed from outside since the last batch that was done.
    """

    options: EngineOptions
    store: Store
    report: Reporter
    meters: Meters
    machine: Machine
    pool: Pool
    pipeline: Pipeline
    plumbing: Plumbing
    state: SharedState = field(default_factory=SharedState)
    model: PreparedModel | None = None
    failure: Failure | None = None
    console: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_CONSOLE_LINES))
    lost_in_a_row: int = 0
    _progress: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def progressed(self) -> None:
        """Let those look who wait for something to end."""
        self._progress.set()

    async def drained(self) -> None:
        """Wait until nothing is under way between inputs and outputs."""
        while not self.pipeline.is_idle:
            await self._next_progress()

    async def jets_gone(self) -> None:
        """Wait until every jet has ended."""
        while self.pool.all_jets:
            await self._next_progress()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background; a reset cancels it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel_tasks(self) -> list[asyncio.Task[None]]:
        """Cancel what runs in the background, and return it."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        return tasks

    async def _next_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()
