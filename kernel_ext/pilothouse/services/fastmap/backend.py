"""What runs batches, seen from the service: workers here, or a Dask cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.worker.outcomes import Done, Failed

from .runs import Run

__all__ = ["Backend", "InitializationFailed", "Ran"]


class InitializationFailed(Exception):  # noqa: N818  (it is answered, not a fault)
    """No worker can take the function.

    Args:
        failed: Why.
    """

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.exception)
        self.failed = failed


@dataclass(frozen=True, slots=True)
class Ran:
    """How a batch ended.

    Attributes:
        worker: Who ran it.
        outcome: Results, or why there are none.
    """

    worker: str
    outcome: Done | Failed


class Backend(Protocol):
    """Runs batches; all calls on the event loop."""

    @property
    def slots(self) -> int:
        """How many batches it takes at a time."""

    @property
    def pythons(self) -> list[str]:
        """Versions of its workers, as far as known, such as ``"3.11"``."""

    async def start(self) -> None:
        """Get ready to run."""

    async def stop(self) -> None:
        """End all workers."""

    async def refusal(self, version: PythonVersion) -> str:
        """Return why code of that Python cannot run here; empty if it can."""

    def expect(self, version: PythonVersion) -> None:
        """Note that a run of that Python will come soon."""

    def has_worker(self, run: Run) -> bool:
        """Tell whether an idle worker has the function of a run."""

    async def run(self, run: Run, batch: bytes) -> Ran:
        """Run one batch.

        Raises:
            InitializationFailed: If no worker can take the function.
            FunctionGone: If the function is not stored any more.
        """

    async def end(self, run: Run) -> None:
        """Free what a run holds, at once; what runs of it is cancelled."""
