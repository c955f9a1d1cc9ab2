"""The full views behind the tiles of a dashboard, made when one is opened."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pilothouse.errors import NotFoundError, PilothouseError, ServiceError
from pilothouse.waits import Event

from .view import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilothouse.fastmap import Config

    from .dashboard_places import House
    from .dashboard_reader import Reader
    from .dashboard_servers import MapReader

__all__ = ["KINDS", "RemoteRun", "open_view"]

KINDS: Final = {
    "engine": "fastscore",
    "console": "fastscore",
    "instances": "aimm",
    "run": "fastmap",
    "capabilities": "mplane",
    "measurement": "",
}
"""What can be opened -> the service that has to answer for it."""


def open_view(kind: str, key: str, house: House, readers: Mapping[str, Reader]) -> View:
    """Return a new view; may ask the service.

    Args:
        kind: One of `KINDS`.
        key: Of the row: an engine's name, a run's id, a measurement's token.
        house: Knows what this process has sent off.
        readers: Have the clients.

    Raises:
        PilothouseError: If it cannot be had now.
    """
    makers = {
        "engine": _engine,
        "console": _console,
        "instances": _instances,
        "run": _run,
        "capabilities": _capabilities,
        "measurement": _measurement,
    }
    if kind not in makers:
        raise NotFoundError(f"there is no view {kind[:40]!r}", protocol="pilothouse")
    return makers[kind](key, house, readers)


def _client(readers: Mapping[str, Reader], service: str) -> Any:  # noqa: ANN401
    reader = readers.get(service)
    client = None if reader is None else reader.client
    if client is None:
        raise ServiceError(
            f"{service} does not answer now", hint="it is tried again by itself"
        )
    return client


def _engine(key: str, _house: House, readers: Mapping[str, Reader]) -> View:
    from .engine import EngineMonitor

    return EngineMonitor(_client(readers, "fastscore").get(key, False))


def _console(_key: str, _house: House, readers: Mapping[str, Reader]) -> View:
    from .console import PneumoConsole

    connect = _client(readers, "fastscore")
    reader: Any = readers["fastscore"]
    return PneumoConsole(connect, earlier=reader.told)


def _instances(_key: str, _house: House, readers: Mapping[str, Reader]) -> View:
    from .instances import InstanceTable

    return InstanceTable(_client(readers, "aimm"))


def _run(key: str, house: House, readers: Mapping[str, Reader]) -> View:
    from .run_progress import RunProgress

    own = next((run for run in house.runs() if run.run_id == key), None)
    if own is not None:
        return RunProgress(own, label=own.label or own.name, unit="items")
    config = _client(readers, "fastmap")
    reader: Any = readers["fastmap"]
    far = RemoteRun(config, reader, key)
    return RunProgress(far, label=far.label, unit="items", interval=1.0)


def _capabilities(_key: str, house: House, readers: Mapping[str, Reader]) -> View:
    from .capability_browser import CapabilityBrowser

    client = _client(readers, "mplane")
    url = str(client.default_url or "").rstrip("/").removesuffix("/capability")
    return CapabilityBrowser(
        client,
        run=lambda capability, when, params, label: house.measure(
            client, capability, when, params, label
        ),
        refresh=lambda: client.retrieve_capabilities(f"{url}/capability"),
    )


def _measurement(key: str, house: House, _readers: Mapping[str, Reader]) -> View:
    from .measurement import MeasurementView

    for one in house.measurements():
        if one.token == key:
            return MeasurementView(one)
    raise NotFoundError(
        "it was sent by another notebook, which gets its result",
        protocol="mPlane",
        hint="%pilot jobs lists it",
    )


@dataclass(frozen=True, slots=True)
class _Progress:
    state: str
    done: int
    failed: int
    total: int | None = None
    step: str = ""
    seconds: float = 0.0


class RemoteRun:
    """A run of another process, as the service tells of it; nothing is fetched.

    Args:
        config: Of the service.
        reader: Reads its runs again and again.
        run_id: Which.

    Raises:
        NotFoundError: If the service has not told of it.
    """

    def __init__(self, config: Config, reader: MapReader, run_id: str) -> None:
        self._config = config
        self._reader = reader
        self._id = run_id
        self._gone = Event()
        info = self._info()
        if info is None:
            raise NotFoundError(f"no run {run_id[:8]!r} any more", protocol="Fastmap")
        self._last = info
        self._seconds = 0.0
        self.label = info.label or info.name or run_id[:8]

    @property
    def progress(self) -> _Progress:
        """How far it is."""
        from .dashboard_rows import remote_run_row

        row = remote_run_row(self._info() or self._last, 0.0, 0.0)
        state = row["state"] if row["busy"] else self._word(row["state"])
        if row["busy"]:
            self._seconds = max(time.time() - self._last.created, 0.0)
        return _Progress(
            state,
            row["done"],
            row["failed"],
            step=self._step(row["workers"]),
            seconds=self._seconds,
        )

    @property
    def outcome(self) -> str:
        """What became of it; empty while it runs."""
        if self._info() is None:
            return "its results were fetched, or dropped"
        if str(self._last.state) == "kept" and not self._is_busy():
            return "done; %pilot jobs and attach fetch the results"
        return "" if self._is_busy() else str(self._last.state)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; tell whether that has come."""
        if self._is_busy():
            self._gone.wait(timeout)
        return not self._is_busy()

    def cancel(self) -> str:
        """End it at the service."""
        try:
            known = self._config.stop(self._id)
        except PilothouseError as exc:
            return f"the cancel was not confirmed: {exc}"
        return "stopped" if known else "the service knew it no more"

    def _info(self) -> Any:  # noqa: ANN401  a RunInfo
        found = [one for one in self._reader.infos if one.run_id == self._id]
        if found:
            self._last = found[0]
        return found[0] if found else None

    def _is_busy(self) -> bool:
        from .dashboard_rows import remote_run_row

        info = self._info()
        return info is not None and remote_run_row(info, 0.0, 0.0)["busy"]

    def _word(self, state: str) -> str:
        return state if state in ("failed", "done") else "done"

    def _step(self, workers: int) -> str:
        if not self._is_busy():
            return ""
        return f"{workers} batches at work" if workers else "waits for a worker"
