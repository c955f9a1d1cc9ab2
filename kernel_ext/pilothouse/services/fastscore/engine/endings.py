"""How a run ends: in order, with a failure, or by a reset."""

from __future__ import annotations

import asyncio
import contextlib

from pilothouse.errors import PilothouseError
from pilothouse.fastscore.wire.messages import EngineState

from .core import Core
from .failing import Failure
from .machine import NotNowError
from .reporting import INFO, WARNING
from .roundtrip import Group
from .state import SNAPSHOT_TYPE
from .transports.base import StreamError

__all__ = ["Endings"]

WIND_DOWN_SECONDS = 5.0
"""How long batches before a failed one may take to come out."""


class Endings:
    """Ends what runs in an engine.

    Args:
        core: The parts of the engine.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    async def finish(self) -> None:
        """From FINISHING to FINISHED: jets run ``end``, outputs are flushed."""
        core = self._core
        await core.drained()
        for jet in core.pool.all_jets:
            jet.is_ending = True
            jet.progressed()
            jet.send({"k": "end"})
        await core.jets_gone()
        await core.plumbing.finish_outputs()
        await self._save_snapshot()
        if core.machine.state is EngineState.FINISHING:
            for attached in core.plumbing.streams.values():
                attached.eof = True
            await core.pool.stop()
            core.machine.drained()

    def fail(self, failure: Failure, groups: list[Group] | None = None) -> None:
        """Enter ERROR: report, refuse who waits, stop the jets.

        Args:
            failure: What happened.
            groups: Roundtrips that a lost jet has held.
        """
        core = self._core
        refusal = NotNowError(400, failure.refusal)
        for group in groups or ():
            group.refuse(refusal)
        if core.machine.state is EngineState.ERROR:
            return
        core.cancel_tasks()  # a finish that is under way
        core.failure = failure
        core.machine.fail()
        self._refuse_waiting(refusal)
        core.spawn(self._wind_down(failure))

    async def clear(self) -> None:
        """Drop everything; the state becomes INIT at the end."""
        core = self._core
        core.pipeline.clear()
        tasks = core.cancel_tasks()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._refuse_waiting(NotNowError(400, "the engine was reset meanwhile"))
        await core.pool.stop()
        slots, model = sorted(core.plumbing.streams), core.model
        for slot in slots:
            await core.plumbing.drop(slot)
        core.plumbing.schemas.clear()
        core.pool.target = 1
        core.state.clear()
        core.console.clear()
        core.model = core.failure = None
        core.lost_in_a_row = 0
        core.meters.use_slots(())
        core.machine.reset()
        for slot in slots:
            core.report.config("stream", "detach", slot)
        if model is not None:
            core.report.config("model", "unload")

    def _refuse_waiting(self, refusal: Exception) -> None:
        """Answer every roundtrip that waits."""
        core = self._core
        core.pipeline.roundtrips.refuse_all(refusal)
        for jet in core.pool.all_jets:
            for held in jet.in_flight.values():
                if isinstance(held, Group):
                    held.refuse(refusal)

    async def _wind_down(self, failure: Failure) -> None:
        """Let out what was scored before the failure, then stop."""
        core = self._core
        core.pipeline.end_at(failure.number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WIND_DOWN_SECONDS):
                await core.drained()
        await core.pool.stop()
        await core.plumbing.close_inputs()
        for outlet in list(core.pipeline.outlets.values()):
            with contextlib.suppress(StreamError):
                await outlet.finish(1.0)

    async def _save_snapshot(self) -> None:
        core = self._core
        model = core.model
        if model is None or model.options.snapshots != "eof":
            return
        blob = core.state.snapshot()
        try:
            info = await asyncio.to_thread(
                core.store.put_snapshot, model.name, SNAPSHOT_TYPE, blob
            )
        except PilothouseError as exc:
            core.report.log(WARNING, f"no snapshot was saved: {exc.message}")
        else:
            core.report.log(INFO, f"snapshot {info.id} of model {model.name} saved")
