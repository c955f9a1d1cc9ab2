"""One job at a time for an output slot, also of another notebook.

The local engine lets a job claim an output slot (`PUT 1/job/output/{slot}/claim`). The
vendor's engines know no claims; there the marks that come back tell of a second job.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from .errors import FastScoreError, FastScoreUsageError

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Claim", "is_idle", "mixed"]

_REPEAT_SECONDS = 1.0
_PATIENCE_SECONDS = 6.0
"""A job whose process has died keeps its claim for five seconds."""
_HELD = 409
_UNKNOWN = frozenset({400, 403, 404, 405, 501})


class Claim:
    """The claim of one job on an output slot.

    Args:
        engine: Whose slot.
        slot: The output slot.
        job: Tells this job from all others.
    """

    def __init__(self, engine: Engine, slot: int, job: str) -> None:
        self._engine = engine
        self._slot = slot
        self._route = engine.route(f"1/job/output/{slot}/claim?job={job}")
        self._is_held = False
        self._due = 0.0

    def take(self) -> None:
        """Get the slot; wait a while for one whose job is just ending.

        Raises:
            FastScoreUsageError: If another job has it.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (status := self._send("PUT")) == _HELD and time.monotonic() < deadline:
            time.sleep(0.05)
        self._settle(status)

    def keep(self) -> None:
        """Repeat the claim when that is due.

        Raises:
            FastScoreUsageError: If another job has taken the slot meanwhile.
        """
        if self._is_held and time.monotonic() >= self._due:
            self._settle(self._send("PUT"))

    def give_back(self) -> None:
        """Let others have the slot."""
        if self._is_held:
            self._is_held = False
            with suppress(FastScoreError):
                self._send("DELETE")

    def _settle(self, status: int) -> None:
        if status == _HELD:
            self._is_held = False
            raise mixed(self._engine, self._slot)
        self._is_held = status == 204
        self._due = time.monotonic() + _REPEAT_SECONDS

    def _send(self, method: str) -> int:
        return self._engine.gateway.call(
            f"Unable to claim slot {self._slot}",
            method,
            self._route,
            accept=_UNKNOWN | {_HELD},
        ).status


def mixed(engine: Engine, slot: int) -> FastScoreUsageError:
    """Return the error that tells of a second reader."""
    return FastScoreUsageError(
        f"another job takes the outputs of slot {slot} of {engine.name}: outputs would "
        "mix",
        hint="wait until it is done, or use another engine",
    )


def is_idle(engine: Engine, slot: int) -> bool:
    """Tell whether an engine that runs has nothing to do, for sure.

    Args:
        engine: The engine.
        slot: The output slot that is read; where others are in use too, a jet may
            wait for those.
    """
    try:
        status = engine.gateway.get_json(
            "Unable to retrieve what is going on",
            engine.route("1/job/status?return=slots,jets,state"),
        )
        outputs = {
            each["slot"]
            for each in status["slots"]
            if each["slot"] % 2 and each.get("stream")
        }
        jets = status["jets"]
        return bool(
            status["state"] == "running"
            and outputs == {slot}
            and jets
            and not any(jet["busy"] for jet in jets)
        )
    except (FastScoreError, LookupError, TypeError):
        return False
