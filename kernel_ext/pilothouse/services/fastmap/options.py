"""Bounds, times and prices of a Fastmap service."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from pilothouse.errors import ServiceError
from pilothouse.fastmap.wire import limits
from pilothouse.fastmap.wire.words import Vocabulary
from pilothouse.fastmap.worker.outcomes import Limits

__all__ = ["FastmapOptions"]

_GIB: Final = 1024**3
_DAY: Final = 24 * 3600.0


def _memory_limit() -> int:
    """Return 8 GiB, or three quarters of this machine's memory if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(8 * _GIB, total * 3 // 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class FastmapOptions:
    """What may be chosen.

    Attributes:
        workers: Most batches at a time; 0 for one for each core of this machine.
        dask: Address of a Dask scheduler, ``"local"`` for a cluster of our own on
            this machine; empty for child processes of this service.
        pythons: Further interpreters, beside those that are found.
        memory_bytes: Address space of one worker; 0 for a default, -1 for no bound.
        body_bytes: Longest body of a map request.
        batch_bytes: What a batch may open to.
        result_bytes: Longest pickled results of one batch.
        function_bytes: What a function dictionary may open to.
        store_bytes: What all functions of a token may take on disk.
        store_seconds: How long a function that nobody uses is stored.
        upload_seconds: How long parts wait for the others.
        upload_bytes: What unfinished uploads of a token may take.
        read_seconds: Longest time for a body to come in.
        start_seconds: How long a map request waits for a first worker.
        hold_seconds: How long a map request waits for its batch.
        import_seconds: Longest time for a worker's imports.
        batch_seconds: Longest time for one batch; its worker is killed then.
        idle_seconds: When a run without open batches frees its workers.
        kept_seconds: How long results of a run are kept that nobody ended.
        kept_bytes: What kept results and waiting batches may take on disk.
        tombstone_seconds: How long an ended run is remembered.
        install: Whether requirements that are not met are installed.
        price_per_core_hour: Credits.
        price_per_gib: Credits, for results that go out.
        credits: What each token may spend; negative for no bound.
        vocabulary: Whose status words: by the client's version, or pinned.
        secret: The token; empty for a new one at each start.
        secret_file: A file that holds it.
        more_secrets: Further tokens, each with functions and runs of its own.
    """

    workers: int = 0
    dask: str = ""
    pythons: tuple[str, ...] = ()
    memory_bytes: int = 0
    body_bytes: int = limits.BODY_BYTES
    batch_bytes: int = _GIB
    result_bytes: int = limits.RESULT_BYTES
    function_bytes: int = limits.FUNCTION_BYTES
    store_bytes: int = 8 * _GIB
    store_seconds: float = 7 * _DAY
    upload_seconds: float = 600.0
    upload_bytes: int = 2 * _GIB
    read_seconds: float = 120.0
    start_seconds: float = 2.0
    hold_seconds: float = 60.0
    import_seconds: float = 300.0
    batch_seconds: float = 3600.0
    idle_seconds: float = 180.0
    kept_seconds: float = 3600.0
    kept_bytes: int = 2 * _GIB
    tombstone_seconds: float = 3600.0
    install: bool = False
    price_per_core_hour: float = 0.0
    price_per_gib: float = 0.0
    credits: float = -1.0
    vocabulary: Vocabulary = "auto"
    secret: str = field(default="", repr=False)
    secret_file: str = ""
    more_secrets: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ServiceError(f"workers has to be 1 or more, not {self.workers}")
        if self.vocabulary not in ("auto", "seed", "release"):
            raise ServiceError(
                f"vocabulary is auto, seed or release, not {self.vocabulary!r}"
            )
        if min(self.price_per_core_hour, self.price_per_gib) < 0:
            raise ServiceError("a price cannot be negative")

    @property
    def worker_count(self) -> int:
        """Most batches at a time, the default resolved."""
        return self.workers or os.cpu_count() or 1

    @property
    def worker_limits(self) -> Limits:
        """Bounds of one worker, the default resolved."""
        memory = self.memory_bytes or _memory_limit()
        return Limits(
            batch=self.batch_bytes, results=self.result_bytes, memory=max(memory, 0)
        )
