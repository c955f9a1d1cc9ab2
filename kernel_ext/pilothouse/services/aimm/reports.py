"""What running plugins say of themselves, as the server gets to hear it.

A plugin may report in each step of a tight loop: of each place the latest report goes
out, twenty times a second at most, and the last one before the action is over.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["Reports", "as_json"]

_INTERVAL_SECONDS: Final = 0.05
_MAX_REPORT_CHARS: Final = 1 << 16
_MAX_WORDS: Final = 4000
_MAX_DEPTH: Final = 20


class Reports:
    """The reports of one child process.

    Args:
        say: Tells the server.
    """

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._waiting: dict[str | None, dict[str, Any]] = {}
        self._next: dict[str | None, float] = {}
        self._has_some = threading.Event()
        self._thread: threading.Thread | None = None

    def reporter(self, job: int, place: str | None) -> Callable[[Any], None]:
        """Return the function that a plugin is given.

        Args:
            job: The action.
            place: Of the data access that reports; None for the plugin itself.
        """

        def report(state: Any) -> None:  # noqa: ANN401  any JSON, it is hoped
            self._take(place, {"job": job, "report": as_json(state), "place": place})

        return report

    def finish(self) -> None:
        """Tell what waits: the action is over."""
        with self._lock:
            self._tell()
            self._next.clear()

    def _take(self, place: str | None, word: dict[str, Any]) -> None:
        now = time.monotonic()
        with self._lock:
            if now >= self._next.get(place, 0.0):
                self._waiting.pop(place, None)
                self._next[place] = now + _INTERVAL_SECONDS
                self._say(word)
                return
            self._waiting[place] = word
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="reports", daemon=True
                )
                self._thread.start()
        self._has_some.set()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for word in waiting.values():
            self._say(word)

    def _run(self) -> None:
        while True:
            self._has_some.wait()
            self._has_some.clear()
            time.sleep(_INTERVAL_SECONDS)
            with self._lock:
                self._tell()


def as_json(state: Any) -> Any:  # noqa: ANN401  anything to any JSON
    """Return what a plugin reports: as text where it is no JSON, or too much of it."""
    try:
        text = json.dumps(state, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        state = _nearly(state, 0)
        text = json.dumps(state)
    if len(text) > _MAX_REPORT_CHARS:
        return f"{text[:_MAX_WORDS]}…"
    return json.loads(text)  # the plugin may go on with its own


def _nearly(state: Any, depth: int) -> Any:  # noqa: ANN401
    if isinstance(state, Mapping) and depth < _MAX_DEPTH:
        return {str(key): _nearly(value, depth + 1) for key, value in state.items()}
    if isinstance(state, list | tuple) and depth < _MAX_DEPTH:
        return [_nearly(value, depth + 1) for value in state]
    item = getattr(state, "item", None)
    if callable(item) and getattr(state, "shape", None) == ():
        state = item()
    try:
        json.dumps(state, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _words(state)
    return state


def _words(state: Any) -> str:  # noqa: ANN401
    try:
        return repr(state)[:_MAX_WORDS]
    except Exception:  # the plugin's own repr
        return f"<{type(state).__name__}>"
