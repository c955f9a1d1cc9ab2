"""Pneumo messages as lines of a log: a summary, and what unfolds below it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pilothouse.fastscore import pneumo

__all__ = ["LEVELS", "line_of"]

#: Level number -> name, most severe last. Source: vendor manual, "Pneumo".
LEVELS: Final = {
    128: "debug",
    64: "info",
    32: "notice",
    16: "warning",
    8: "error",
    4: "critical",
    2: "alert",
    1: "emergency",
}
_MOST_CHARACTERS: Final = 20_000


def line_of(message: pneumo.PneumoMsg) -> dict[str, Any]:
    """Return one message as a line.

    Args:
        message: A message of `pilothouse.fastscore.pneumo`.

    Returns:
        ``at`` (seconds since the epoch), ``src``, ``type``, ``level`` (a number; 8 for
        failures, 64 for what has none), ``text`` (one line) and ``more`` (possibly
        empty).
    """
    make: Callable[[Any], Parts] = _MAKERS.get(message.type, _other)
    level, text, more = make(message)
    head, _, rest = text.partition("\n")
    if rest.strip() and not more:
        more = text
    return {
        "at": message.timestamp.timestamp(),
        "src": message.src,
        "type": message.type or getattr(message, "kind", "other"),
        "level": level,
        "text": _cut(head, 500),
        "more": _cut(more, _MOST_CHARACTERS),
    }


Parts = tuple[int, str, str]


def _health(message: pneumo.HealthMsg) -> Parts:
    level = 64 if message.health == "ok" else 8
    return level, f"{message.instance} is {message.health}", ""


def _log(message: pneumo.LogMsg) -> Parts:
    return message.level, str(message.text).strip("\n"), ""


def _console(message: pneumo.ModelConsoleMsg) -> Parts:
    return 64, str(message.text).strip("\n"), ""


def _state(message: pneumo.EngineStateMsg) -> Parts:
    state = str(message.state).upper()
    return (8 if state == "ERROR" else 32), f"state {state}", ""


def _config(message: pneumo.EngineConfigMsg) -> Parts:
    ref = "" if message.ref is None else f" {message.ref}"
    return 32, f"{message.item}{ref}: {message.op}", ""


def _report(message: pneumo.SensorReportMsg) -> Parts:
    data = json.dumps(message.data, ensure_ascii=False, default=str)
    over = f" in {message.delta_time:.2f} s" if message.delta_time else ""
    more = data if len(data) > 200 else ""
    return 128, f"{message.point} = {_cut(data, 200)}{over}", more


def _error(message: pneumo.ModelErrorMsg) -> Parts:
    console = str(message.console or "").rstrip()
    summary = console.splitlines()[-1].strip() if console else "the model failed"
    parts = []
    if message.input is not None:
        shown = message.input
        parts.append(
            f"slot {shown.slot}, record {shown.seqno}, batch of {shown.batch_len}:"
        )
        parts.extend(str(record) for record in shown.data)
    if console:
        parts.extend(["", console] if parts else [console])
    return 8, summary, "\n".join(parts)


def _other(message: pneumo.PneumoMsg) -> Parts:
    wire = {k: v for k, v in message.to_wire().items() if k not in ("src", "timestamp")}
    return 64, json.dumps(wire, ensure_ascii=False, default=str), ""


_MAKERS: Final[dict[str, Callable[[Any], Parts]]] = {
    "health": _health,
    "log": _log,
    "model-console": _console,
    "engine-state": _state,
    "engine-config": _config,
    "sensor-report": _report,
    "model-error": _error,
}


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]} … ({len(text) - most:,} more characters)"
