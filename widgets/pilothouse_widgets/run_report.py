"""What a handle of remote work tells of itself, in the form that a view shows.

Handles differ: one counts records and rejections, another items, workers and credits.
`read` takes what there is and leaves out the rest; nothing here imports a client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from . import words

__all__ = ["Report", "failure_of", "printed_of", "read"]

_STATES: Final = {"preparing": "running"}
_MOST_LANES: Final = 16
_RESOLUTION: Final = 200
_LONGEST_TEXT: Final = 20_000
_LONGEST_TITLE: Final = 300

Span = list[Any]
"""Start and end in seconds (``None`` while under way), items, state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How far a job is, at one moment.

    Attributes:
        state: ``"running"``, or how it ended.
        done: What is done of it.
        total: What there is to do; ``None`` when not known.
        rate: Done a second; ``None`` when the job does not tell.
        eta: Seconds left; ``None`` when nobody can tell.
        text: A remark, such as how much was rejected.
        step: What it waits for; empty when it works.
        facts: Names and values in words.
        lanes: Who worked on what; each with name, where, items, seconds, spans.
        span: Seconds that the lanes go over.
    """

    state: str
    done: float
    total: float | None
    rate: float | None = None
    eta: float | None = None
    text: str = ""
    step: str = ""
    facts: list[list[str]] = field(default_factory=list)
    lanes: list[dict[str, Any]] = field(default_factory=list)
    span: float = 0.0


def read(progress: Any) -> Report:  # noqa: ANN401  the progress of any kind of job
    """Return what a job's progress tells."""
    total = progress.total
    failed = getattr(progress, "failed", None)
    rejected = getattr(progress, "rejected", 0) if failed is None else failed
    noun = "rejected" if failed is None else "failed"
    done = getattr(progress, "done", None)
    if done is None:
        done = progress.received + rejected
    lanes = getattr(progress, "lanes", ())
    span = float(getattr(progress, "seconds", 0.0))
    return Report(
        state=_STATES.get(str(progress.state), str(progress.state)),
        done=float(done),
        total=None if total is None else float(total),
        rate=_number(getattr(progress, "rate", None)) if lanes else None,
        eta=_number(getattr(progress, "eta", None)) if lanes else None,
        text=f"{words.count(rejected)} {noun}" if rejected else "",
        step=str(getattr(progress, "step", "") or ""),
        facts=_facts(progress, lanes),
        lanes=[_lane(lane, span) for lane in lanes[:_MOST_LANES]],
        span=round(span, 2),
    )


def failure_of(error: object) -> dict[str, str]:
    """Return what to show of an error that has the far end's traceback with it."""
    if error is None:
        return {}
    trace = getattr(error, "traceback", "") or ""
    if not isinstance(trace, str) or not trace:
        return {}
    message = getattr(error, "message", "") or str(error)
    return {
        "title": str(message).strip().partition("\n")[0][:_LONGEST_TITLE],
        "traceback": trace[-_LONGEST_TEXT:],
    }


def printed_of(job: object) -> str:
    """Return the end of what a job has printed far away, if it tells."""
    logs = getattr(job, "logs", "")
    return logs.rstrip()[-_LONGEST_TEXT:] if isinstance(logs, str) else ""


def _number(value: object) -> float | None:
    return round(float(value), 3) if isinstance(value, int | float) else None


def _facts(progress: Any, lanes: Sequence[Any]) -> list[list[str]]:  # noqa: ANN401
    there = float(getattr(progress, "cloud_seconds", 0.0))
    here = float(getattr(progress, "local_seconds", 0.0))
    elapsed = float(getattr(progress, "seconds", 0.0))
    found: list[list[str]] = []
    if lanes:
        found.append(["workers", words.count(len(lanes))])
    if there:
        found.append(["computed there", words.duration(there)])
    if here:
        found.append(["computed here", words.duration(here)])
    if there + here > 0 and elapsed > 0:
        times = (there + here) / elapsed
        found.append(
            ["in parallel", f"{words.number(round(times, 1))}\N{MULTIPLICATION SIGN}"]
        )
    if lanes:
        found.append(["credits", words.number(float(progress.credits))])
    return found


def _lane(lane: Any, span: float) -> dict[str, Any]:  # noqa: ANN401
    return {
        "name": str(lane.name),
        "where": "here" if lane.kind == "local" else "there",
        "items": int(lane.items),
        "seconds": round(float(lane.seconds), 2),
        "spans": _joined(lane.spans, span / _RESOLUTION),
    }


def _joined(batches: Iterable[Any], least: float) -> list[Span]:
    """Return spans; neighbours that no screen could tell apart become one."""
    found: list[Span] = []
    for batch in batches:
        start, state = round(batch.start, 3), str(batch.state)
        end = None if batch.end is None else round(batch.end, 3)
        last = found[-1] if found else None
        if (
            last is not None
            and last[1] is not None
            and end is not None
            and last[3] == state
            and start - last[1] < least
            and (end - start < least or last[1] - last[0] < least)
        ):
            last[1], last[2] = max(last[1], end), last[2] + int(batch.items)
        else:
            found.append([start, end, int(batch.items), state])
    return found[-2 * _RESOLUTION :]
