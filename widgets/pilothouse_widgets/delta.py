"""A view of many rows: the whole as a synced snapshot, then only what changes.

    whole   = {"seq", ...}      ; trait, and message {"whole": ...}
    delta   = {"seq", ...}      ; message {"delta": ...}

Deltas repeat nothing and are safe to apply twice. A browser that misses one asks for
the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import traitlets

from .feed import TABLE_HZ
from .first_sight import FirstSight
from .view import View

__all__ = ["DeltaView"]


class DeltaView(View):
    """A `View` that sends deltas; subclasses keep the rows."""

    _whole = traitlets.Any(help="All rows, for views that come later.").tag(
        sync=True, to_json=lambda _value, view: view._numbered_whole()
    )

    def __init__(self, **traits: object) -> None:
        self._seq = 0
        self._sight = FirstSight()
        self._sending = threading.RLock()  # what is made first leaves first
        super().__init__(**traits)
        self._deltas = self._subscribe(self._send_delta, hz=TABLE_HZ)

    def whole(self) -> dict[str, Any]:
        """Return all rows, as JSON."""
        raise TypeError(f"{type(self).__name__} keeps no rows")

    def take_delta(self) -> dict[str, Any]:
        """Return what changed since the last call, as JSON; empty when nothing did."""
        return {}

    def _changed(self) -> None:
        self._deltas.put(None)

    def _numbered_whole(self) -> dict[str, Any]:
        with self._lock:
            return {"seq": self._seq, **self.whole()}

    def _send_delta(self, _nothing: None) -> float | None:
        with self._sending:
            with self._lock:
                delta = self.take_delta()
                if not delta:
                    return None
                self._seq += 1
                delta["seq"] = self._seq
            self.send({"delta": delta})
            if self._sight.is_due():
                self._send_whole()
        return None

    def _send_whole(self) -> None:
        with self._sending:
            self.send({"whole": self._numbered_whole()})

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take the browser's answers."""
        super().asked(ask, content)
        if ask == "seen":
            self._sight.seen = True
        elif ask == "whole":
            self._errands.add(self._send_whole)
