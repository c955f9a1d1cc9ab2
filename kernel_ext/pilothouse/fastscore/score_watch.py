"""What an engine tells while it scores: rejected records and the model's error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from .errors import (
    FastScoreError,
    FastScoreProtocolError,
    FastScoreRefusedError,
    FastScoreTransportError,
)
from .failures import model_error
from .pneumo import ModelErrorMsg, Pneumo, PneumoMsg, PneumoSock, SensorReportMsg
from .results import Rejected
from .score_plan import Plan
from .sensor import Sensor

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Watch"]

REPORT_SECONDS = 0.1
MAX_KEPT = 10_000


class Watch:
    """Sensors on what is rejected, and a Pneumo socket, for the time of one job.

    A suite that offers neither is no obstacle: then less is known.

    Args:
        engine: Whose records.
        plan: Tells slots and schemas.

    Attributes:
        rejected: The first 10,000 that were reported.
        counts: Slot -> how many were reported.
        is_late: Whether reports did not come in time.
    """

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self._engine = engine
        self._plan = plan
        self._on_error: Callable[[FastScoreError], object] = lambda _error: None
        self._lock = threading.Lock()
        self._taps: dict[int, tuple[int, str]] = {}
        self._socket: PneumoSock | None = None
        self._marker = 0
        self._is_settled = threading.Event()
        self.is_late = False
        self.rejected: list[Rejected] = []
        self.counts: dict[int, int] = {plan.inlet.slot: 0, plan.outlet.slot: 0}

    def open(self, on_error: Callable[[FastScoreError], object]) -> None:
        """Begin to watch.

        Args:
            on_error: Called with the model's error, on the socket's thread.
        """
        self._on_error = on_error
        gateway = self._engine.gateway
        if not gateway.has_pneumo:
            return
        with suppress(FastScoreError):
            try:
                self._socket = Pneumo(gateway).socket(
                    src=self._engine.name, on_message=self._take
                )
            except (FastScoreRefusedError, FastScoreProtocolError):
                gateway.has_pneumo = False
                raise
            for slot in self.counts:
                for cause in ("schema", "encoding"):
                    tap = f"manifold.{slot}.records.rejected.by.{cause}"
                    sensor = Sensor.prep(tap, "permanent", "accumulate", REPORT_SECONDS)
                    self._taps[sensor.install(self._engine)] = (slot, cause)

    def settle(self) -> None:
        """Wait for the reports on what happened until now, as long as for an answer.

        A sensor that begins now reports behind the others, however late they all are.
        """
        if not self._taps:
            return
        marker = Sensor.prep("sys.memory", "permanent", "sum", REPORT_SECONDS)
        try:
            self._marker = marker.install(self._engine)
        except FastScoreRefusedError:  # there is no such tap
            time.sleep(REPORT_SECONDS * 1.5)
            return
        except FastScoreError:
            self.is_late = True
            return
        timeout = self._engine.gateway.peer.timeout
        self.is_late = not self._is_settled.wait(timeout)
        with suppress(FastScoreError):
            self._engine.uninstall_sensor(self._marker)

    def close(self) -> None:
        """End, and remove the sensors; a suite that is gone is not asked for each."""
        if self._socket is not None:
            self._socket.close()
        with suppress(FastScoreTransportError):
            for sid in self._taps:
                with suppress(FastScoreRefusedError, FastScoreProtocolError):
                    self._engine.uninstall_sensor(sid)

    def _take(self, message: PneumoMsg) -> None:
        if isinstance(message, ModelErrorMsg):
            self._on_error(model_error(self._engine.name, message))
        elif not isinstance(message, SensorReportMsg):
            return
        elif message.sid == self._marker:
            self._is_settled.set()
        elif message.sid in self._taps:
            slot, cause = self._taps[message.sid]
            texts = message.data if isinstance(message.data, list) else [message.data]
            with self._lock:
                self.counts[slot] += len(texts)
                room = MAX_KEPT - len(self.rejected)
                self.rejected += [self._rejected(slot, cause, t) for t in texts[:room]]

    def _rejected(self, slot: int, cause: str, text: Any) -> Rejected:  # noqa: ANN401
        reason = f"rejected by {cause}"
        end = self._plan.inlet if slot % 2 == 0 else self._plan.outlet
        if cause == "schema" and end.schema is not None and isinstance(text, str):
            with suppress(ValueError):
                reason = end.schema.reason(orjson.loads(text)) or reason
        return Rejected(slot=slot, index=None, reason=reason, record=text)
