"""An engine as a member of the suite."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pilothouse.services.fastscore.instance import Instance
from pilothouse.services.web import Route

from . import api_v1, api_v2
from .flow import Flow
from .meters import PREINSTALLED, Meters
from .options import EngineOptions
from .policy import Policies
from .reporting import Reporter
from .verifying import Verifier

if TYPE_CHECKING:
    from pilothouse.services.fastscore.suite import Suite

__all__ = ["Engine"]


class Engine(Instance):
    """Runs one model at a time.

    Args:
        name: As Connect lists it.
        suite: The suite it belongs to.

    Attributes:
        flow: What runs inside.
        policies: Import policies.
        verifier: Schemas under verification.
    """

    api: ClassVar[str] = "engine"
    preinstalled = PREINSTALLED

    def __init__(self, name: str, suite: Suite) -> None:
        super().__init__(name, suite)
        self.options = EngineOptions(
            record_timeout=suite.options.record_timeout,
            begin_timeout=suite.options.begin_timeout,
            memory_bytes=suite.options.jet_memory_bytes,
            allow_exec=suite.options.allow_exec,
            python=suite.options.python,
        )
        self.flow = Flow(
            self.work_dir,
            self.options,
            suite.store,
            Reporter(name, suite.bus),
            Meters(self.taps),
        )
        self.policies = Policies()
        self.verifier = Verifier()

    @property
    def work_dir(self) -> Path:
        """Where jets have their working folders."""
        return self.suite.data_dir / "work" / self.name

    @property
    def secrets_dir(self) -> Path:
        """Folder of the files that ``secret://<name>`` in a descriptor refers to."""
        return self.suite.data_dir / "secrets"

    async def start(self) -> None:
        """Begin, with an empty working folder."""
        await asyncio.to_thread(shutil.rmtree, self.work_dir, ignore_errors=True)
        await super().start()

    async def stop(self) -> None:
        """Stop jets and streams."""
        await self.flow.reset()
        await super().stop()

    def routes(self) -> Sequence[Route]:
        """What the engine answers."""
        return [*super().routes(), *api_v1.routes(self), *api_v2.routes(self)]
