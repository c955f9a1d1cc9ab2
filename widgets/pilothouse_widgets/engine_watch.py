"""Watches one engine: a thread that reads, and only puts reports where it is told to.

    poll        state, model and streams: at the start, after each change that Pneumo
                tells, and every few seconds in case one was missed
    Pneumo      state, configuration, model errors, sensor reports, as they come
    sensors     records and rejected records of each slot, memory; removed at the end

A suite that cannot be reached is a state, reported and tried again; it never raises.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pilothouse.errors import PilothouseError, RemoteError
from pilothouse.waits import Event

from .engine_report import EngineError, EngineReport, SlotReport
from .tally import RECORDS, REJECTED_BY_ENCODING, REJECTED_BY_SCHEMA, Tally, tap_of

if TYPE_CHECKING:
    from pilothouse.fastscore.engine import Engine
    from pilothouse.fastscore.pneumo import (
        EngineStateMsg,
        LogMsg,
        ModelErrorMsg,
        PneumoMsg,
        PneumoSock,
        SensorReportMsg,
    )
    from pilothouse.fastscore.sensor import Sensor

__all__ = ["EngineWatch"]

_MEMORY: Final = "sys.memory"
_POLL_SECONDS: Final = 5.0
_MEMORY_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
_ERROR_LEVEL: Final = 8


class EngineWatch:
    """Reads one engine until it is closed.

    Args:
        engine: The engine of a client; its own connections are used.
        put: Takes each report, on the watching thread; must not wait.
        interval: Seconds between two reports.
    """

    def __init__(
        self, engine: Engine, put: Callable[[EngineReport], None], *, interval: float
    ) -> None:
        self._engine = engine
        self._put = put
        self._interval = interval
        self._lock = threading.Lock()
        self._wake = Event()
        self._closed = False
        self._stale = True
        self._asked: list[Event] = []
        self._socket: PneumoSock | None = None
        self._sensors: dict[str, int] = {}
        self._asked_for = ""
        self._early: list[SensorReportMsg] = []
        self._tally = Tally(interval)
        self._memory = 0
        self._state = ""
        self._has_looked_back = False
        self._error: EngineError | None = None
        self._link = ("connecting", "")
        self._model: Any = None
        self._streams: dict[int, Any] = {}
        self._thread = threading.Thread(
            target=self._run, name=f"pilothouse-watch-{engine.name}", daemon=True
        )

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def look(self) -> None:
        """Read the engine again at once."""
        self._stale = True
        self._wake.set()

    def catch_up(self, timeout: float) -> bool:
        """Read the engine again; return whether that was reported within seconds."""
        asked = Event()
        self._stale = True  # before it is asked for: nobody answers without a look
        self._asked.append(asked)
        self._wake.set()
        return asked.wait(timeout)

    def close(self, timeout: float = 3.0) -> None:
        """End the thread, close its socket, remove its sensors; may be called twice."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    # -- the thread ----------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not self._closed:
            try:
                self._listen()
                self._follow()
            except PilothouseError as exc:
                wait = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures = 0 if self._link[0] == "live" else failures + 1
                self._lose(exc)
                self._pause(wait)
        self._leave()

    def _listen(self) -> None:
        """Open the socket before the first look, so that no change falls between."""
        from pilothouse.fastscore.pneumo import Pneumo

        if self._socket is None:
            self._socket = Pneumo(self._engine.gateway).socket(
                src=self._engine.name, on_message=self._heard, on_state=self._linked
            )

    def _follow(self) -> None:
        next_poll = 0.0
        while not self._closed:
            asked = list(self._asked)
            if self._stale or time.monotonic() >= next_poll:
                self._look()
                next_poll = time.monotonic() + _POLL_SECONDS
            self._report()
            self._answer(asked)
            self._pause(self._interval)

    def _look(self) -> None:
        self._stale = False
        model = self._engine.active_model
        streams = dict(self._engine.active_streams.items())
        state = str(self._engine.state).upper()
        with self._lock:
            self._model, self._streams, self._state = model, streams, state
            self._link = ("live", "")
        if state != "ERROR":
            self._has_looked_back = False
        elif self._error is None and not self._has_looked_back:
            self._look_back()
            self._has_looked_back = True
        self._install(self._slots())

    def _look_back(self) -> None:
        """Find the error of an engine that failed before its messages were heard."""
        from pilothouse.fastscore.pneumo import Pneumo

        past: list[Any] = list(
            Pneumo(self._engine.gateway).history(src=self._engine.name)
        )
        for message in reversed(past):
            if message.type == "engine-state" and _is_well(message):
                return
            if message.type == "model-error":
                self._failed(message)
                return
            if message.type == "log":
                self._logged(message)

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _lose(self, exc: PilothouseError) -> None:
        with self._lock:
            self._link = ("lost", _one_line(exc))
            self._stale = True
        asked = list(self._asked)
        self._report()
        self._answer(asked)

    def _answer(self, asked: Iterable[Event]) -> None:
        for each in asked:
            self._asked.remove(each)
            each.set()

    def _leave(self) -> None:
        if self._socket is not None:
            self._socket.close()
        for sensor in self._sensors.values():
            with suppress(PilothouseError):
                self._engine.uninstall_sensor(sensor)
        self._sensors.clear()

    # -- sensors -------------------------------------------------------------------

    def _slots(self) -> list[int]:
        used = {info.slot for info in getattr(self._model, "slots", ()) or ()}
        return sorted(used | set(self._streams)) or [0, 1]

    def _install(self, slots: Iterable[int]) -> None:
        from pilothouse.fastscore.sensor import Sensor
        from pilothouse.fastscore.wire.sensors import prep

        wanted = {_MEMORY: prep(_MEMORY, aggregate=None, interval=_MEMORY_SECONDS)}
        for slot in slots:
            for what in (RECORDS, REJECTED_BY_SCHEMA, REJECTED_BY_ENCODING):
                tap = tap_of(slot, what)
                wanted[tap] = prep(tap, aggregate="sum", interval=self._interval)
        installed = self._engine.active_sensors
        for tap, sensor in list(self._sensors.items()):
            # An engine that was started anew gives the same ids to others.
            if sensor not in installed or installed[sensor].tap != tap:
                del self._sensors[tap]
        for tap, descriptor in wanted.items():
            if tap in self._sensors:
                continue
            with suppress(RemoteError):  # a slot that no model uses has no taps yet
                self._begin(tap, Sensor(f"monitor {tap}", descriptor))

    def _begin(self, tap: str, sensor: Sensor) -> None:
        """Install a sensor; its first report may overtake the answer with its id."""
        with self._lock:
            self._asked_for, self._early = tap, []
        try:
            sid = self._engine.install_sensor(sensor)
            with self._lock:
                self._sensors[tap] = sid
                for message in self._early:
                    if message.sid == sid:
                        self._count(message)
        finally:
            with self._lock:
                self._asked_for, self._early = "", []

    # -- Pneumo, on the socket's thread --------------------------------------------

    def _linked(self, state: object) -> None:
        if str(state) == "lost":
            with self._lock:
                self._link = ("lost", "Pneumo is silent")
        self.look()

    def _heard(self, message: PneumoMsg) -> None:
        acts: dict[str, Callable[[Any], None]] = {
            "sensor-report": self._measured,
            "engine-state": self._changed,
            "engine-config": self._configured,
            "model-error": self._failed,
            "log": self._logged,
        }
        if (act := acts.get(message.type)) is not None:
            act(message)

    def _measured(self, message: SensorReportMsg) -> None:
        with self._lock:
            if self._sensors.get(message.point) == message.sid:
                self._count(message)
            elif message.point == self._asked_for:
                self._early.append(message)

    def _count(self, message: SensorReportMsg) -> None:
        if message.point == _MEMORY:
            self._memory = int(message.data)
        else:
            self._tally.add(
                message.point, message.data, message.delta_time, time.monotonic()
            )

    def _changed(self, message: EngineStateMsg) -> None:
        with self._lock:
            self._state = str(message.state).upper()
            if _is_well(message):
                self._error = None
        self.look()

    def _configured(self, _message: object) -> None:
        self.look()

    def _failed(self, message: ModelErrorMsg) -> None:
        console = str(message.console or "").rstrip()
        shown = message.input.data[0] if message.input and message.input.data else ""
        with self._lock:
            self._error = EngineError(
                summary=console.splitlines()[-1] if console else "the model failed",
                traceback=console,
                record=str(shown)[:2000],
                at=message.timestamp.timestamp(),
            )
        self.look()

    def _logged(self, message: LogMsg) -> None:
        if message.level > _ERROR_LEVEL:
            return
        with self._lock:
            if self._error is None:
                self._error = EngineError(
                    summary=_first_line(message.text),
                    traceback=message.text,
                    at=message.timestamp.timestamp(),
                )

    # -- reports -------------------------------------------------------------------

    def _report(self) -> None:
        now = time.monotonic()
        with self._lock:
            slots = tuple(self._slot(slot, now) for slot in self._slots())
            model = self._model
            link, link_text = self._link
            report = EngineReport(
                state=self._state,
                model=model.name if model is not None else "",
                mtype=model.mtype if model is not None else "",
                jets=tuple((jet.pid, jet.sandbox) for jet in model.jets)
                if model
                else (),
                slots=slots,
                rejected_rate=self._rejected_rate(now),
                memory_bytes=self._memory,
                error=self._error,
                link=link,
                link_text=link_text,
                at=time.time(),
            )
        self._put(report)

    def _slot(self, slot: int, now: float) -> SlotReport:
        stream = self._streams.get(slot)
        return SlotReport(
            slot=slot,
            stream=_name(stream.name) if stream is not None else "",
            transport=_transport(stream.descriptor) if stream is not None else "",
            eof=bool(stream.eof) if stream is not None else False,
            rate=self._tally.rate(tap_of(slot, RECORDS), now),
            total=self._tally.total(tap_of(slot, RECORDS)),
            by_schema=self._tally.total(tap_of(slot, REJECTED_BY_SCHEMA)),
            by_encoding=self._tally.total(tap_of(slot, REJECTED_BY_ENCODING)),
        )

    def _rejected_rate(self, now: float) -> float:
        return sum(
            self._tally.rate(tap_of(slot, what), now)
            for slot in self._slots()
            for what in (REJECTED_BY_SCHEMA, REJECTED_BY_ENCODING)
        )


def _is_well(message: EngineStateMsg) -> bool:
    return str(message.state).upper() in ("INIT", "RUNNING")


def _name(name: str) -> str:
    """Return a stream's name; that of a literal is made up, so say what it is."""
    return "literal" if re.fullmatch(r"inline-\d+", name) else name


def _transport(descriptor: Mapping[str, Any]) -> str:
    found = {str(key).lower(): value for key, value in descriptor.items()}
    transport = found.get("transport", "")
    if isinstance(transport, dict):
        kinds = {str(key).lower(): value for key, value in transport.items()}
        mode = kinds.get("mode")
        return (
            f"{kinds.get('type', '?')} {mode}" if mode else str(kinds.get("type", "?"))
        )
    return str(transport)


def _one_line(exc: BaseException) -> str:
    cause = getattr(exc, "caused_by", None) or exc
    return _first_line(str(cause)) or type(exc).__name__


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
