"""The FastScore suite of a dashboard: health, engines, events of Pneumo."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .dashboard_reader import Reader
from .dashboard_rows import MOST_ROWS, engine_row
from .engine_report import EngineReport
from .engine_watch import EngineWatch
from .pneumo_lines import line_of
from .pneumo_watch import PneumoWatch

if TYPE_CHECKING:
    from pilothouse.fastscore.pneumo import PneumoMsg
    from pilothouse.fastscore.suite import Connect

__all__ = ["SuiteReader"]

_FLEET_SECONDS: Final = 3.0
_REPORT_SECONDS: Final = 1.0
_MOST_WATCHED: Final = 12
_MOST_CHARS: Final = 300
_END_SECONDS: Final = 2.0
_ERROR: Final = 8


class SuiteReader(Reader):
    """Asks Connect for health and fleet, and watches each engine."""

    service = "fastscore"
    title = "FastScore"

    def __init__(self, *args: Any) -> None:  # noqa: ANN401  as `Reader`
        super().__init__(*args)
        self._lock = threading.Lock()
        self._watches: dict[str, EngineWatch] = {}
        self._reports: dict[str, EngineReport | None] = {}
        self._fresh: set[str] = set()
        self._others = 0
        self._pneumo: PneumoWatch | None = None
        self._told: deque[PneumoMsg] = deque(maxlen=400)
        self._fleet_at = 0.0
        self._has_read = False

    def ask(self, client: Connect) -> tuple[float, str]:
        """Return how long the health takes, and the release."""
        start = time.perf_counter()
        health = client.check_health()
        return time.perf_counter() - start, str(health["release"])

    def opened(self, client: Connect) -> None:
        """Follow Pneumo."""
        self._fleet_at = 0.0
        self._pneumo = PneumoWatch(
            client.pneumo,
            on_message=self._heard,
            on_link=lambda _link, _why: None,
            history=True,
        )

    def read(self, client: Connect) -> None:
        """Watch the engines that the fleet has now."""
        now = time.monotonic()
        if now - self._fleet_at < _FLEET_SECONDS:
            return
        self._fleet_at = now
        names = [one["name"] for one in client.fleet() if one["api"] == "engine"]
        with self._lock:
            gone = [self._watches.pop(n) for n in list(self._watches) if n not in names]
            self._reports = {n: self._reports.get(n) for n in names[:_MOST_WATCHED]}
            self._others = len(names) - len(self._reports)
            self._has_read = True
        _end(gone)
        for name in names[:_MOST_WATCHED]:
            if name in self._watches:
                continue
            watch = EngineWatch(
                client.get(name, False),
                lambda report, name=name: self._reported(name, report),  # type: ignore[misc]
                interval=_REPORT_SECONDS,
            )
            self._watches[name] = watch
            watch.start()

    def left(self) -> None:
        """End the watches; what they saw last stays on the page."""
        pneumo, self._pneumo = self._pneumo, None
        if pneumo is not None:
            pneumo.close(_END_SECONDS)
        with self._lock:
            watches, self._watches = list(self._watches.values()), {}
        _end(watches)

    def catch_up(self, deadline: float) -> None:
        """Ask at once, and let each engine be read again."""
        super().catch_up(deadline)
        with self._lock:
            watches = list(self._watches.values())
        for watch in watches:
            watch.catch_up(max(0.0, deadline - time.monotonic()))

    def show(self, now: float) -> None:
        """Put the engines on the board, and one point for each new report."""
        with self._lock:
            reports, fresh = dict(self._reports), self._fresh
            self._fresh = set()
            others, has_read = self._others, self._has_read
        rows = {n: engine_row(n, report) for n, report in reports.items()}
        self.board.put("engines", rows, {"known": has_read, "more": others})
        for name in fresh & set(rows):
            self.board.note("engines", name, rows[name]["rate"])

    @property
    def told(self) -> list[PneumoMsg]:
        """What Pneumo told of late, without the reports of sensors."""
        return list(self._told)

    def _reported(self, name: str, report: EngineReport) -> None:
        with self._lock:
            before = self._reports.get(name)
            if name not in self._reports or (report.link == "lost" and before):
                return  # the row of the service tells that; the last values stay
            self._reports[name] = report
            self._fresh.add(name)

    def _heard(self, message: PneumoMsg) -> None:
        if message.type == "sensor-report":
            return
        line = line_of(message)
        is_fine = line["type"] == "health" and line["level"] > _ERROR
        if is_fine or message in self._told:
            return
        self._told.append(message)
        self.board.tell(
            line["src"],
            line["text"][:_MOST_CHARS],
            level=line["level"],
            at=line["at"],
            aloud=line["type"] == "model-error",
        )


assert MOST_ROWS >= _MOST_WATCHED


def _end(watches: list[EngineWatch]) -> None:
    """End watches side by side: each may wait for a service that has gone."""
    threads = [
        threading.Thread(
            target=watch.close, name="pilothouse-dashboard-end", daemon=True
        )
        for watch in watches
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _END_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
