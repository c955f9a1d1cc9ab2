"""AIMM, Fastmap and mPlane of a dashboard: what runs there, and what ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pilothouse.errors import ConnectionLostError

from .dashboard_board import TRAIL
from .dashboard_reader import Ends, Reader
from .dashboard_rows import (
    counts_of_instances,
    elsewhere_row,
    instance_rows,
    measurement_row,
    remote_run_row,
    run_row,
    sorted_rows,
)

if TYPE_CHECKING:
    from pilothouse.aimm import Client, State
    from pilothouse.fastmap import Config
    from pilothouse.fastmap.client import Cloud
    from pilothouse.fastmap.wire.answers import RunInfo
    from pilothouse.mplane.client import HttpInitiatorClient

    from .dashboard_places import Elsewhere

__all__ = ["MapReader", "MeasurementReader", "ServerReader"]

_ERROR: Final = 8
_NOTICE: Final = 32
_PING_SECONDS: Final = 5.0


class ServerReader(Reader):
    """Asks an AIMM server for an echo; its state comes by itself."""

    service = "aimm"
    title = "AIMM"

    def __init__(self, *args: Any) -> None:  # noqa: ANN401  as `Reader`
        super().__init__(*args)
        self._state_of_server: State | None = None
        self._shown: State | None = None
        self._ends = Ends()

    def ask(self, client: Client) -> tuple[float, str]:
        """Return how long an echo takes; the server tells no version."""
        if str(client.connection) != "ready":
            raise ConnectionLostError(f"{client.url} is lost", protocol="AIMM")
        seconds = client.ping()
        return seconds, ""

    def read(self, client: Client) -> None:
        """Keep the state that was told last."""
        self._state_of_server = client.state

    def show(self, now: float) -> None:
        """Put the instances on the board, and the ends of actions."""
        client, state = self.client, self._state_of_server
        if client is not None:
            state = self._state_of_server = client.state
        if state is None or self.state == "asking" or state is self._shown:
            return
        self._shown = state
        head = {"known": True, **counts_of_instances(state)}
        self.board.put("instances", instance_rows(state), head)
        run = getattr(client, "run", "")
        over = {f"{run} {n}": a for n, a in state.actions.items() if a.is_over}
        for key in sorted(self._ends.fresh(over)):
            action = over[key]
            of = "" if action.model is None else f" of instance {action.model}"
            said = f"{action.call.replace('_', ' ')}{of}: {action.progress}"
            failed = action.progress == "failed"
            self.board.tell(
                self.service,
                f"{said}, {action.error}" if failed and action.error else said,
                level=_ERROR if failed else _NOTICE,
                aloud=True,
            )


class MapReader(Reader):
    """Asks a Fastmap service for its runs; those of this process it sees anyway."""

    service = "fastmap"
    title = "Fastmap"

    def __init__(self, *args: Any) -> None:  # noqa: ANN401  as `Reader`
        super().__init__(*args)
        self._cloud: Cloud | None = None
        self._infos: tuple[RunInfo, ...] = ()
        self._totals: Mapping[str, int] = {}
        self._done: dict[str, tuple[float, int]] = {}
        self._rates: dict[str, float] = {}
        self._ends = Ends()
        self._noted = 0.0

    @property
    def infos(self) -> tuple[RunInfo, ...]:
        """The runs that the service told of last."""
        return self._infos

    def opened(self, client: Config) -> None:
        """Open connections that stay."""
        from pilothouse.fastmap.client import Cloud

        self._cloud = Cloud(client.options)

    def ask(self, client: Config) -> tuple[float, str]:
        """Return how long it takes to be let in."""
        assert self._cloud is not None
        start = time.perf_counter()
        self._cloud.auth()
        return time.perf_counter() - start, ""

    def read(self, client: Config) -> None:
        """Read the runs of all notebooks, where the service tells of them."""
        assert self._cloud is not None
        if not self._cloud.can_resume:  # the real service keeps no runs
            self._infos = ()
            return
        infos = self._cloud.runs()
        now = time.monotonic()
        for info in infos:
            at, before = self._done.get(info.run_id, (now, info.done))
            if now > at:
                self._rates[info.run_id] = max(info.done - before, 0) / (now - at)
            self._done[info.run_id] = (now, info.done)
        known = {info.run_id for info in infos}
        self._done = {k: v for k, v in self._done.items() if k in known}
        self._rates = {k: v for k, v in self._rates.items() if k in known}
        self._totals = self.house.totals()
        self._infos = infos

    def left(self) -> None:
        """Close the connections."""
        cloud, self._cloud = self._cloud, None
        if cloud is not None:
            cloud.close()

    def show(self, now: float) -> None:
        """Put the runs on the board: of this process, and of others."""
        infos = self._infos  # first: what the service tells of may be of this process
        own = {run.run_id: run for run in self.house.runs()}
        rows = {
            info.run_id: remote_run_row(
                info,
                self._rates.get(info.run_id, 0.0),
                now,
                self._totals.get(info.run_id),
            )
            for info in infos
            if info.run_id not in own
        }
        rows.update({run_id: run_row(run) for run_id, run in own.items()})
        shown = sorted_rows(rows)
        known = bool(rows) or self.state == "up"
        busy = sum(row["busy"] for row in rows.values())
        head = {"known": known, "more": len(rows) - len(shown), "running": busy}
        self.board.put("runs", shown, head)
        if now - self._noted >= 1.0:
            self._noted = now
            for run_id in shown:
                if shown[run_id]["busy"]:
                    self.board.note("runs", run_id, shown[run_id]["rate"])
        if self.state == "asking":
            return
        over = [run_id for run_id, row in rows.items() if not row["busy"]]
        for run_id in sorted(self._ends.fresh(over)):
            row = rows[run_id]
            self.board.tell(
                self.service,
                f"run {row['label']}: {row['state']}",
                level=_ERROR if row["state"] == "failed" else _NOTICE,
                aloud=True,
            )


class MeasurementReader(Reader):
    """Knocks at an mPlane component; measurements are known where they were sent."""

    service = "mplane"
    title = "mPlane"

    def __init__(self, *args: Any) -> None:  # noqa: ANN401  as `Reader`
        super().__init__(*args)
        self._elsewhere: tuple[Elsewhere, ...] = ()
        self._rows: dict[str, tuple[object, dict[str, Any]]] = {}
        self._drawn: dict[str, int] = {}
        self._ends = Ends()

    def ask(self, client: HttpInitiatorClient) -> tuple[float, str]:
        """Return how long the component takes to answer."""
        from pilothouse.mplane.exchange import get

        assert self._place is not None
        start = time.perf_counter()
        get(client.tls, f"{self._place.url.rstrip('/')}/capability")
        return time.perf_counter() - start, ""

    def opened(self, client: HttpInitiatorClient) -> None:
        """Learn what can be measured."""
        assert self._place is not None
        client.retrieve_capabilities(f"{self._place.url.rstrip('/')}/capability")

    def read(self, client: HttpInitiatorClient) -> None:
        """Look at what other processes have sent."""
        self._elsewhere = tuple(self.house.elsewhere())

    def show(self, now: float) -> None:
        """Put the measurements on the board, their newest values, and their ends."""
        rows = {one.token: elsewhere_row(one, now) for one in self._elsewhere}
        for one in self.house.measurements():
            rows.pop(one.token, None)
            rows[one.token] = self._row_of(one)
        self._rows = {k: v for k, v in self._rows.items() if k in rows}
        self._drawn = {k: v for k, v in self._drawn.items() if k in rows}
        shown = sorted_rows(rows)
        known = bool(rows) or self.state == "up"
        busy = sum(row["busy"] for row in rows.values())
        head = {"known": known, "more": len(rows) - len(shown), "running": busy}
        head["capabilities"] = self._capabilities()
        self.board.put("measurements", shown, head)
        if self.state == "asking":
            return
        over = [token for token, row in rows.items() if not row["busy"]]
        for token in sorted(self._ends.fresh(over)):
            row = rows[token]
            failed = row["state"] in ("failed", "lost")
            self.board.tell(
                self.service,
                f"measurement {row['label']}: {row['text'] or row['state']}",
                level=_ERROR if failed else _NOTICE,
                aloud=True,
            )

    def _row_of(self, one: Any) -> dict[str, Any]:  # noqa: ANN401  a Measurement
        mark = (one.rows, str(one.state), one.trouble, one.outcome)
        kept = self._rows.get(one.token)
        if kept is not None and kept[0] == mark:
            return kept[1]
        row, numbers = measurement_row(one)
        self._rows[one.token] = (mark, row)
        drawn = self._drawn.get(one.token, 0)
        for value in numbers[drawn:][-TRAIL:]:
            self.board.note("measurements", one.token, value)
        self._drawn[one.token] = len(numbers)
        return row

    def _capabilities(self) -> int:
        client = self.client
        return 0 if client is None else len(client.capability_tokens())
