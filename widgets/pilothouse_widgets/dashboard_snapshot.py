"""A dashboard as static HTML and as a line of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from . import snapshot, words
from .dashboard_board import Board

__all__ = ["body", "headline"]

_ROWS: Final = 12
_EVENTS: Final = 15
_BAD: Final = 8
_LEVELS: Final = ((8, "error"), (16, "warning"), (32, "notice"))

Row = Mapping[str, Any]


def headline(board: Board) -> str:
    """Return the key numbers in one line."""
    services = board.rows("services")
    up = [name for name, row in services.items() if row.get("state") == "up"]
    down = [n for n, row in services.items() if row.get("state") in ("down", "refused")]
    parts = [f"{len(up)} of {words.plural(len(services), 'service')} up"]
    if down:
        parts.append(f"{', '.join(down)} down")
    for section, noun in (("engines", "engine"), ("instances", "instance")):
        count = board.head(section).get("total", len(board.rows(section)))
        if count:
            parts.append(words.plural(count, noun))
    for section, noun in (("runs", "run"), ("measurements", "measurement")):
        running = board.head(section).get("running", 0)
        if running:
            parts.append(f"{words.plural(running, noun)} under way")
    return f"Dashboard: {', '.join(parts)}"


def body(board: Board) -> str:
    """Return all sections as tables, escaped."""
    parts = [_services(board)]
    parts += [_engines(board), _instances(board), _runs(board), _measurements(board)]
    return "".join([*parts, _events(board)])


def _table(title: str, heads: list[str], rows: list[list[object]], more: int) -> str:
    if not rows:
        return ""
    return snapshot.note(title, colour="inherit") + snapshot.table(
        heads, rows[:_ROWS], more=more + max(len(rows) - _ROWS, 0)
    )


def _services(board: Board) -> str:
    rows: list[list[object]] = [
        [
            row.get("title", key),
            row.get("state", ""),
            f"{row['ms']:.1f} ms" if row.get("ms") is not None else "",
            row.get("url", ""),
            row.get("version", ""),
            words.clock(row["at"]) if row.get("at") else "",
            row.get("why", ""),
        ]
        for key, row in board.rows("services").items()
    ]
    heads = ["service", "state", "latency", "address", "version", "answered", ""]
    return snapshot.table(heads, rows)


def _engines(board: Board) -> str:
    rows: list[list[object]] = [
        [
            row["name"],
            row.get("state", ""),
            row.get("model", ""),
            row.get("jets", ""),
            words.rate(row["rate"], "records") if "rate" in row else "",
            words.count(row["total"]) if "total" in row else "",
            words.count(row["rejected"]) if "rejected" in row else "",
            row.get("error", ""),
        ]
        for row in board.rows("engines").values()
    ]
    heads = ["engine", "state", "model", "jets", "rate", "records", "rejected", ""]
    return _table("Engines", heads, rows, board.head("engines").get("more", 0))


def _instances(board: Board) -> str:
    rows: list[list[object]] = [
        [
            row["id"],
            row["type"],
            row["call"],
            row["progress"].replace("_", " "),
            row["error"] or row["words"],
        ]
        for row in board.rows("instances").values()
    ]
    total = board.head("instances").get("total", len(rows))
    heads = ["instance", "model type", "last action", "progress", ""]
    return _table("AIMM instances", heads, rows, max(total - len(rows), 0))


def _runs(board: Board) -> str:
    rows: list[list[object]] = [
        [
            row["label"],
            row["state"],
            words.count(row["done"])
            + (f" of {words.count(row['total'])}" if row["total"] else ""),
            words.rate(row["rate"], "items") if row["rate"] else "",
            row["text"],
        ]
        for row in board.rows("runs").values()
    ]
    heads = ["run", "state", "items", "rate", ""]
    return _table("Fastmap runs", heads, rows, board.head("runs").get("more", 0))


def _measurements(board: Board) -> str:
    rows: list[list[object]] = [
        [
            row["label"],
            row["state"],
            row["scope"],
            "" if row["rows"] is None else row["rows"],
            ", ".join(
                f"{name} {value} {unit}".strip() for name, value, unit in row["latest"]
            ),
            row["text"],
        ]
        for row in board.rows("measurements").values()
    ]
    heads = ["measurement", "state", "scope", "rows", "newest values", ""]
    more = board.head("measurements").get("more", 0)
    return _table("mPlane measurements", heads, rows, more)


def _events(board: Board) -> str:
    events = board.events
    if not events:
        return ""
    rows = [
        [words.clock(e["at"]), _word(e["level"]), e["src"], e["text"]]
        for e in reversed(events[-_EVENTS:])
    ]
    return snapshot.disclosure(
        "Events",
        snapshot.table(
            ["time", "", "source", "event"], rows, more=len(events) - len(rows)
        ),
    )


def _word(level: int) -> str:
    return next((word for most, word in _LEVELS if level <= most), "")
