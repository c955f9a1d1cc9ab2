"""What a server's state says of its instances, in the form that a table shows.

Nothing here does I/O or imports a widget.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from . import words

if TYPE_CHECKING:
    from pilothouse.aimm import ActionEntry, State

__all__ = ["amount", "making", "result_words", "rows_of"]

_MOST_CHARS: Final = 300
_FEW: Final = 6


def rows_of(state: State) -> dict[int, dict[str, Any]]:
    """Return a row for each instance, by id in order.

    Each has ``id``, ``type``, ``size`` in bytes or None, ``call`` and ``progress`` of
    the action that runs on it or ran last, ``action`` its number, ``runs``, ``done``
    and ``total`` in steps, ``words`` of its plugin, ``error``, and ``waiting``: how
    many more actions wait behind it.
    """
    shown: dict[int, ActionEntry] = {}
    waiting: dict[int, int] = {}
    for entry in state.actions.values():
        if entry.model is None:
            continue
        before = shown.get(entry.model)
        if before is None or before.is_over:
            shown[entry.model] = entry
        elif not entry.is_over:
            waiting[entry.model] = waiting.get(entry.model, 0) + 1
    return {
        number: {
            "id": number,
            "type": model.model_type,
            "size": model.size,
            **_action(shown.get(number)),
            "waiting": waiting.get(number, 0),
        }
        for number, model in sorted(state.models.items())
    }


def making(state: State) -> list[str]:
    """Return what is under way and is about no instance yet."""
    return [
        " ".join(filter(None, (entry.model_type, entry.progress.replace("_", " "))))
        for entry in state.actions.values()
        if entry.model is None and not entry.is_over
    ]


def amount(row: Mapping[str, Any]) -> str:
    """Return how far the action of a row is; empty when nobody counts."""
    done, total = row["done"], row["total"]
    if total == 1 and done != int(done):
        return f"{done:.0%}"
    if total:
        return f"{words.count(done)} of {words.count(total)}"
    return words.count(done) if done else ""


def result_words(value: object) -> str:
    """Return what came out in one line: kind, shape and the first values."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and hasattr(value, "columns"):
        names = ", ".join(map(str, list(value.columns)[:_FEW]))
        return f"frame of {shape[0]:,} rows: {names}"[:_MOST_CHARS]
    if isinstance(shape, tuple) and dtype is not None and shape:
        size = " x ".join(f"{part:,}" for part in shape)
        flat: Any = getattr(value, "to_numpy", lambda: value)()
        first = [_one(one) for one in flat.reshape(-1)[:_FEW].tolist()]
        more = ", …" if flat.size > _FEW else ""
        return f"{size} {dtype}: {', '.join(first)}{more}"[:_MOST_CHARS]
    brief = reprlib.Repr()
    brief.maxlist = brief.maxtuple = brief.maxdict = _FEW
    brief.maxstring = brief.maxother = _MOST_CHARS // 2
    return brief.repr(value)[:_MOST_CHARS]


def _one(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _action(entry: ActionEntry | None) -> dict[str, Any]:
    if entry is None:
        done, total = 0.0, None
    else:
        done, total = entry.steps
    return {
        "action": None if entry is None else entry.id,
        "call": "" if entry is None else entry.call.replace("_", " "),
        "progress": "" if entry is None else entry.progress,
        "runs": entry is not None and not entry.is_over,
        "done": done,
        "total": total,
        "words": "" if entry is None else entry.words,
        "error": "" if entry is None else entry.error[:_MOST_CHARS],
    }
