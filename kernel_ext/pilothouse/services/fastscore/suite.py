"""The local FastScore suite: one store, one bus, Connect, Model Manage and engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.fastscore.wire.pneumo import HealthMsg

from .bus import Bus, utc_now
from .instance import Instance
from .store import Store

__all__ = ["DEFAULT_ENGINES", "Suite", "SuiteOptions"]

DEFAULT_ENGINES = ("engine-1", "engine-2")
MODEL_MANAGE = "model-manage-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """What may be chosen when a suite starts.

    Attributes:
        database_url: Where Model Manage keeps what it holds; ``None`` for an SQLite
            file in the data folder. Attachments are files beside it in either case.
        allow_exec: Whether a stream may run a program (``exec`` transport).
        max_attachment_bytes: Longest attachment.
        python: Interpreter of the jets; ``None`` for the one running.
        record_timeout: Longest time a model may take for one record, in seconds.
        begin_timeout: Longest time a model may take to start, in seconds.
        jet_memory_bytes: Address space of a jet; 0 for a share of the machine's.
    """

    database_url: str | None = None
    allow_exec: bool = False
    max_attachment_bytes: int = 16 * 1024**3
    python: str | None = None
    record_timeout: float = 60.0
    begin_timeout: float = 300.0
    jet_memory_bytes: int = 0


class Suite:
    """A suite and what it shares.

    Args:
        data_dir: Folder of the database, the attachments and the engines' work.
        engines: Names of the engines.
        options: Further choices.

    Attributes:
        store: Models, attachments, schemas...: synchronous, call it through
            ``asyncio.to_thread``.
        bus: Pneumo.
        instances: Name -> instance, Connect first, in the order of the fleet.
        host: Where the suite listens; set when it does.
        port: Its port; 0 until it listens.
    """

    def __init__(
        self,
        data_dir: Path,
        engines: Sequence[str] = DEFAULT_ENGINES,
        options: SuiteOptions | None = None,
    ) -> None:
        from .connect import Connect
        from .model_manage import ModelManage

        self.data_dir = Path(data_dir)
        self.options = options or SuiteOptions()
        self.bus = Bus()
        self.store = Store(self.data_dir, self.options.database_url)
        self.host = "127.0.0.1"
        self.port = 0
        self.instances: dict[str, Instance] = {}
        self.connect = Connect("connect", self)
        self.model_manage = ModelManage(MODEL_MANAGE, self)
        for instance in (self.connect, self.model_manage, *self._engines(engines)):
            if instance.name in self.instances:
                raise ValueError(f"two instances are named {instance.name!r}")
            self.instances[instance.name] = instance

    def _engines(self, names: Sequence[str]) -> list[Instance]:
        if not names:
            return []
        from .engine import Engine

        return [Engine(name, self) for name in names]

    def report_health(self, instance: Instance) -> None:
        """Tell Pneumo that the health of an instance has changed."""
        self.bus.publish(
            HealthMsg(
                src="connect",
                timestamp=utc_now(),
                instance=instance.name,
                health="ok" if instance.is_healthy else "fail",
            )
        )

    async def start(self) -> None:
        """Open the store and start every instance."""
        await asyncio.to_thread(self.store.open)
        for instance in self.instances.values():
            await instance.start()
            self.report_health(instance)

    async def stop(self) -> None:
        """Stop the instances, engines first, then the bus; the store stays open."""
        for instance in reversed(self.instances.values()):
            await instance.stop()
        self.bus.close()

    async def close(self) -> None:
        """Close the store, when nobody writes any more. May be called twice."""
        await asyncio.to_thread(self.store.close)
