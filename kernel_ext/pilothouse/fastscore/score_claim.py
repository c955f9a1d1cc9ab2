"""One job at a time for an output slot, also of another notebook.

The local engine lets a job claim an output slot (`PUT 1/job/output/{slot}/claim`). The
vendor's engines know no claims; there the marks that come back tell of a second job.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from .errors import FastScoreError, FastScoreUsageError
from .gateway import json_of

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Claim", "is_idle", "last_claim", "mixed"]

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
        self._job = job
        self._route = engine.route(f"1/job/output/{slot}/claim?job={job}")
        self._is_held = False
        self._due = 0.0

    def take(self, after: str = "") -> None:
        """Get the slot; wait a while for one whose job is just ending.

        Args:
            after: The job that this one goes on for: it loses the slot at once.

        Raises:
            FastScoreUsageError: If another job has it.
        """
        more = f"&after={after}" if after else ""
        asked = time.monotonic()
        deadline = asked + _PATIENCE_SECONDS
        while (status := self._send("PUT", more)) == _HELD:
            # Not the time of the answer: it may have been long on its way.
            if after or asked >= deadline:
                break
            time.sleep(0.05)
            asked = time.monotonic()
        self._settle(status)

    def keep(self) -> None:
        """Repeat the claim when that is due.

        Raises:
            FastScoreUsageError: If another job has taken the slot meanwhile.
        """
        if self._is_held and time.monotonic() >= self._due:
            self._settle(self._send("PUT"))

    @property
    def is_held(self) -> bool:
        """Whether the engine has given the slot to this job."""
        return self._is_held

    def drop(self, slot: int, seconds: float) -> int | None:
        """Let the engine forget what waits at an input slot, if it can.

        Args:
            slot: The input slot.
            seconds: Longest wait for its answer.

        Returns:
            How many records it has forgotten for this job until now; None: it has not
            told.
        """
        if not self._is_held:
            return 0
        what = f"Unable to drop what waits at slot {slot}"
        try:
            answer = self._engine.gateway.call(
                what,
                "DELETE",
                self._engine.route(f"1/job/input/{slot}?job={self._job}"),
                timeout=max(0.1, seconds),
                repeat=False,
            )
            return int(json_of(what, answer)["dropped"])
        except (FastScoreError, LookupError, TypeError, ValueError):
            return None

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

    def _send(self, method: str, more: str = "") -> int:
        return self._engine.gateway.call(
            f"Unable to claim slot {self._slot}",
            method,
            self._route + more,
            accept=_UNKNOWN | {_HELD},
        ).status


def last_claim(engine: Engine, slot: int) -> tuple[str, bool] | None:
    """Return who claimed a slot last, and whether it has it still.

    Returns:
        ``None`` from an engine that knows no claims; an empty name if nobody did since
        the engine was reset.

    Raises:
        FastScoreError: If it does not answer.
    """
    what = f"Unable to ask who takes slot {slot}"
    answer = engine.gateway.call(
        what, "GET", engine.route(f"1/job/output/{slot}/claim"), accept=_UNKNOWN
    )
    if answer.status == 403:  # there is no such stream any more
        return "", False
    if not answer.ok:
        return None
    found = json_of(what, answer)
    return str(found.get("job", "")), found.get("is_live") is True


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
