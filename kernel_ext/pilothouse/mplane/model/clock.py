"""The model's one clock: what "now" means in a temporal scope.

Temporal scopes are naive datetimes in UTC, as on the wire. Whoever replays a session
of another day, a test for instance, sets the clock with `frozen` or `set_source`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

__all__ = ["frozen", "now", "set_source"]


def _system() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


_source: Callable[[], datetime] = _system


def now() -> datetime:
    """Return the current time, naive, UTC."""
    return _source()


def set_source(source: Callable[[], datetime] | None) -> None:
    """Take the time from `source` (naive, UTC), or again from the system if None."""
    global _source
    _source = source or _system


@contextmanager
def frozen(moment: datetime) -> Iterator[None]:
    """Stop the clock at `moment` (naive, UTC) inside the block."""
    before = _source
    set_source(lambda: moment)
    try:
        yield
    finally:
        set_source(before)
