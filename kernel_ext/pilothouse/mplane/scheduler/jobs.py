"""The jobs that a scheduler knows, by identity and token. No I/O.

A job is kept until its reply was redeemed, and in any case no longer than an hour after
its end. For some minutes more it is remembered what a redemption was answered, for the
client whose connection broke before the answer came.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from .work import Work

__all__ = ["JobTable", "TooManyJobsError"]

_REPEAT_SECONDS = 300.0
_PRUNE_SECONDS = 5.0


class TooManyJobsError(ValueError):
    """There is no room for one more job."""


@dataclass
class _Entry:
    job: Work
    over_at: float | None = None
    answered: bool = False
    redeemed_at: float | None = None
    order: int = field(default=0)

    def is_over(self, now: float) -> bool:
        if self.over_at is None and self.job.finished():
            self.over_at = now
        return self.over_at is not None


class JobTable:
    """Jobs by identity and token; may be used by several threads.

    Args:
        limit: Most jobs.
        keep_seconds: How long a job that nobody redeems is kept after its end.
    """

    def __init__(self, limit: int, keep_seconds: float) -> None:
        self.limit = limit
        self.keep_seconds = keep_seconds
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._pruned_at = time.monotonic()

    def __len__(self) -> int:
        with self._lock:
            return sum(e.redeemed_at is None for e in self._entries.values())

    def all(self) -> list[Work]:
        """Return every job that was not redeemed."""
        with self._lock:
            return [e.job for e in self._entries.values() if e.redeemed_at is None]

    def enter(self, user: str | None, job: Work) -> Work:
        """Register a job, or return the one of that token that there is already.

        Raises:
            TooManyJobsError: If there is no room.
        """
        key = (user or "", job.receipt.get_token())
        with self._lock:
            known = self._entries.get(key)
            if known is not None and known.redeemed_at is None:
                return known.job
            if len(self._entries) >= self.limit:
                self._make_room()
            self._entries[key] = _Entry(job)
        return job

    def get(
        self, user: str | None, token: str | None, *, redeemed: bool = False
    ) -> Work | None:
        """Return the job of an identity with a token.

        Args:
            user: The identity; None: whoever it is.
            token: The token.
            redeemed: Also one that was redeemed some minutes ago.
        """
        if token is None:
            return None
        with self._lock:
            if user is not None:
                found = [self._entries.get((user, token))]
            else:
                found = [e for (_, t), e in self._entries.items() if t == token]
        for entry in found:
            if entry is not None and (redeemed or entry.redeemed_at is None):
                return entry.job
        return None

    def answered(self, job: Work) -> None:
        """Note that the client has the reply; it is kept only while there is room."""
        with self._lock:
            if (entry := self._entry(job)) is not None:
                entry.answered = True

    def redeemed(self, job: Work) -> None:
        """Forget a job whose reply was redeemed."""
        with self._lock:
            if (entry := self._entry(job)) is not None and entry.redeemed_at is None:
                entry.redeemed_at = time.monotonic()

    def not_redeemed(self, user: str | None, token: str | None) -> None:
        """Keep a job whose reply did not reach the client."""
        with self._lock:
            if (entry := self._entries.get((user or "", token or ""))) is not None:
                entry.redeemed_at = None

    def prune(self, *, now: float | None = None) -> int:
        """Drop the jobs that nobody will ask for; return how many."""
        at = time.monotonic() if now is None else now
        with self._lock:
            gone = [key for key, e in self._entries.items() if self._is_gone(e, at)]
            for key in gone:
                del self._entries[key]
            self._pruned_at = at
        return len(gone)

    def prune_now_and_then(self) -> None:
        """Prune, if that was not done for some seconds."""
        if time.monotonic() - self._pruned_at > _PRUNE_SECONDS:
            self.prune()

    def _entry(self, job: Work) -> _Entry | None:
        entry = self._entries.get((job.owner or "", job.receipt.get_token()))
        return entry if entry is not None and entry.job is job else None

    def _is_gone(self, entry: _Entry, now: float) -> bool:
        if entry.redeemed_at is not None:
            return now - entry.redeemed_at > _REPEAT_SECONDS
        if not entry.is_over(now):
            return False
        return now - (entry.over_at or now) > self.keep_seconds

    def _make_room(self) -> None:
        """Drop a job whose client has the reply, the oldest one, with the lock held."""
        now = time.monotonic()
        for key, entry in self._entries.items():
            if (
                entry.redeemed_at is not None
                or (entry.answered and entry.is_over(now))
                or self._is_gone(entry, now)
            ):
                del self._entries[key]
                return
        raise TooManyJobsError(f"{self.limit} jobs are waiting or running already")
