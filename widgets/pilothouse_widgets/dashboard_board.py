"""What a dashboard shows, as plain values, and what of it changed; no I/O.

    whole   = {"now", "sections": {NAME: {"head", "rows", "order"}}, "trails",
               "events"}
    delta   = {"now"} and of the rest what changed
    rows    = {KEY: {FIELD: value}}          ; in a delta: only the fields that changed
    trails  = {PATH: [first, [value...]]}    ; numbers of small lines, the newest last
    events  = [{"id", "at", "level", "src", "text", ...}]

A delta may be applied twice: rows and heads are values, points of a trail and events
are numbered. Readers put what they know from any thread; one thread takes deltas.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

__all__ = ["MOST_EVENTS", "SECTIONS", "TRAIL", "Board"]

SECTIONS: Final = ("services", "engines", "instances", "runs", "measurements")
"""The parts of the page; events are apart."""
TRAIL: Final = 60
"""Points of a small line."""
MOST_EVENTS: Final = 200
"""Events kept."""

_INFO: Final = 64
Row = dict[str, Any]


class _Trail:
    def __init__(self) -> None:
        self.points: deque[float | None] = deque(maxlen=TRAIL)
        self.total = 0
        self.sent = 0

    def add(self, value: float | None) -> None:
        self.points.append(value)
        self.total += 1

    def whole(self) -> list[Any]:
        return [self.total - len(self.points), list(self.points)]

    def fresh(self) -> list[Any] | None:
        count = min(self.total - self.sent, len(self.points))
        self.sent = self.total
        if not count:
            return None
        return [self.total - count, list(self.points)[-count:]]


class _Section:
    def __init__(self) -> None:
        self.head: Row = {}
        self.rows: dict[str, Row] = {}
        self.sent_head: Row = {}
        self.sent_rows: dict[str, Row] = {}
        self.sent_order: list[str] = []

    def whole(self) -> Row:
        return {
            "head": dict(self.head),
            "rows": {key: dict(row) for key, row in self.rows.items()},
            "order": list(self.rows),
        }

    def delta(self) -> Row:
        found: Row = {}
        head = _changed(self.sent_head, self.head)
        rows = {
            key: changed
            for key, row in self.rows.items()
            if (changed := _changed(self.sent_rows.get(key, {}), row))
        }
        order = list(self.rows)
        if head:
            found["head"] = head
        if rows:
            found["rows"] = rows
        if order != self.sent_order:
            found["order"] = order
        self.sent_head, self.sent_order = dict(self.head), order
        self.sent_rows = {key: dict(row) for key, row in self.rows.items()}
        return found


class Board:
    """The state of the page; every method may be called from any thread.

    Args:
        clock: Returns seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._sections = {name: _Section() for name in SECTIONS}
        self._trails: dict[str, _Trail] = {}
        self._events: deque[Row] = deque(maxlen=MOST_EVENTS)
        self._next_event = 0
        self._sent_events = 0

    # -- what readers put ------------------------------------------------------------

    def put(
        self,
        section: str,
        rows: Mapping[str, Row] | None = None,
        head: Row | None = None,
    ) -> None:
        """Set the rows of a section, in order, or what stands above them, or both."""
        with self._lock:
            part = self._sections[section]
            if rows is not None:
                part.rows = {key: dict(row) for key, row in rows.items()}
                self._forget_trails(section, part.rows)
            if head is not None:
                part.head = dict(head)

    def patch(self, section: str, key: str, **fields: object) -> None:
        """Set some fields of a row; makes the row at the end when there is none."""
        with self._lock:
            self._sections[section].rows.setdefault(key, {}).update(fields)

    def note(self, section: str, key: str, value: float | None) -> None:
        """Add a point to the small line of a row; ``None`` is a gap."""
        with self._lock:
            trail = self._trails.setdefault(f"{section}/{key}", _Trail())
            trail.add(None if value is None else round(float(value), 4))

    def tell(
        self,
        src: str,
        text: str,
        *,
        level: int = _INFO,
        at: float | None = None,
        aloud: bool = False,
    ) -> None:
        """Add an event.

        Args:
            src: Who tells it.
            text: What happened, in a line.
            level: How severe, as Pneumo counts: 8 and below is an error.
            at: When, seconds since the epoch; now by default.
            aloud: Whether a screen reader is told of it.
        """
        with self._lock:
            self._events.append(
                {
                    "id": self._next_event,
                    "at": self._clock() if at is None else at,
                    "level": level,
                    "src": src,
                    "text": text,
                    "aloud": aloud,
                }
            )
            self._next_event += 1

    # -- what is shown -----------------------------------------------------------------

    def rows(self, section: str) -> dict[str, Row]:
        """Return copies of a section's rows, in order."""
        with self._lock:
            found = self._sections[section].rows
            return {key: dict(row) for key, row in found.items()}

    def head(self, section: str) -> Row:
        """Return what stands above the rows of a section."""
        with self._lock:
            return dict(self._sections[section].head)

    def trail(self, section: str, key: str) -> list[float | None]:
        """Return the points of a row's small line."""
        with self._lock:
            found = self._trails.get(f"{section}/{key}")
            return [] if found is None else list(found.points)

    @property
    def events(self) -> list[Row]:
        """The events kept, the oldest first."""
        with self._lock:
            return [dict(event) for event in self._events]

    def whole(self) -> Row:
        """Return everything, for a view that comes later."""
        with self._lock:
            return {
                "now": self._clock(),
                "sections": {n: part.whole() for n, part in self._sections.items()},
                "trails": {path: each.whole() for path, each in self._trails.items()},
                "events": self.events,
            }

    def take(self) -> Row:
        """Return what changed since the last call; at least the time."""
        with self._lock:
            found: Row = {"now": self._clock()}
            sections = {n: part.delta() for n, part in self._sections.items()}
            trails = {path: each.fresh() for path, each in self._trails.items()}
            events = [e for e in self._events if e["id"] >= self._sent_events]
            self._sent_events = self._next_event
            found.update(_filled("sections", sections))
            found.update(_filled("trails", trails))
            if events:
                found["events"] = [dict(event) for event in events]
            return found

    def _forget_trails(self, section: str, kept: Iterable[str]) -> None:
        wanted = {f"{section}/{key}" for key in kept}
        for path in list(self._trails):
            if path.startswith(f"{section}/") and path not in wanted:
                del self._trails[path]


def _changed(before: Row, now: Row) -> Row:
    changed = {
        key: v for key, v in now.items() if key not in before or before[key] != v
    }
    changed.update({key: None for key in before if key not in now})
    return changed


def _filled(name: str, parts: Mapping[str, Any]) -> Row:
    filled = {key: part for key, part in parts.items() if part}
    return {name: filled} if filled else {}
