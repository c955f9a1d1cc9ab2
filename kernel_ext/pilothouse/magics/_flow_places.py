"""Whether the services that a plan uses are there, asked before anything runs.

A service that the plan itself connects to, or starts, is not asked. What has no
connection yet gets one here, so that steps that run side by side find it made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pilothouse.errors import LineError, PilothouseError

from ._flow_cell import MagicPiece
from ._flow_plan import Planned
from ._line import split
from ._waiting import show_while

if TYPE_CHECKING:
    from ._report import Check
    from ._session import Session

__all__ = ["ROOM", "look"]

ROOM: Final = {
    "fastscore": "fastscore",
    "engine": "fastscore",
    "model": "fastscore",
    "schema": "fastscore",
    "stream": "fastscore",
    "sensor": "fastscore",
    "fastmap": "fastmap",
    "aimm": "aimm",
    "mplane": "mplane",
    "pilot": "pilot",
}
"""The service that a magic speaks to."""

_SECONDS: Final = 6.0
_MAKES: Final = ("connect", "getcap", "login")
_ALONE: Final = ("model", "schema", "stream", "sensor")


def look(session: Session, steps: Sequence[Planned]) -> None:
    """Ask every service that the steps use.

    Raises:
        LineError: If one is not there; it tells the first line that uses each.
    """
    lines = _asked(session, steps)
    faults = {room: _unconnected(session, room) for room in lines}
    rooms = [room for room, text in faults.items() if not text]
    if rooms:
        faults |= show_while(
            session, "asking the services", lambda: _faults(session, rooms)
        )
    found = sorted((lines[room], text) for room, text in faults.items() if text)
    if found:
        raise LineError(
            "\n".join(f"line {line}: {text}" for line, text in found),
            hint="nothing of the plan was begun; %pilot doctor looks for the cause",
        )


def _asked(session: Session, steps: Sequence[Planned]) -> dict[str, int]:
    """Return the services to ask, each with the first line that uses it."""
    lines: dict[str, int] = {}
    made: set[str] = set()
    for one in steps:
        piece = one.piece
        if not isinstance(piece, MagicPiece):
            continue
        room = ROOM[piece.magic]
        words = {word.text for word in split(piece.rest, strict=False)}
        if room == "pilot":
            made.update(ROOM.values() if "up" in words else ())
        elif words.intersection(_MAKES):
            made.add(room)
        elif piece.magic not in _ALONE or "--deploy" in words:
            lines.setdefault(room, piece.line)
    return {room: line for room, line in lines.items() if room not in made}


def _unconnected(session: Session, room: str) -> str:
    """Connect, where that is not done yet; return why it cannot be, or nothing."""
    from . import _aimm, _component, _fastmap, _suite

    connect: dict[str, Callable[[Session], object]] = {
        "aimm": _aimm.connected,
        "fastmap": _fastmap.connected,
        "fastscore": _suite.suite,
        "mplane": _component.connected,
    }
    try:
        connect[room](session)
    except PilothouseError as exc:
        return f"{exc.message} ({exc.hint})" if exc.hint else exc.message
    return ""


def _faults(session: Session, rooms: Sequence[str]) -> dict[str, str]:
    """Ask side by side; who has not answered in time is told, too."""
    found: dict[str, str] = {}

    def ask(room: str) -> None:
        try:
            found[room] = next(_wrong(session, room), "")
        except PilothouseError as exc:
            found[room] = exc.message

    threads = [
        threading.Thread(
            target=ask, args=(room,), name="pilothouse-flow-look", daemon=True
        )
        for room in rooms
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"does not answer within {_SECONDS:g} s"
    return {room: found.get(room, f"{room} {late}") for room in rooms}


def _wrong(session: Session, room: str) -> Iterator[str]:
    """Tell what keeps a service from being used."""
    from ._doctor_peers import look_at_aimm, look_at_fastmap, look_at_mplane
    from ._report import State

    looks: dict[str, Callable[[Session], Iterator[Check]]] = {
        "aimm": look_at_aimm,
        "fastmap": look_at_fastmap,
        "mplane": look_at_mplane,
    }
    if room == "fastscore":
        from . import _suite

        _suite.suite(session).fleet()
        return
    for check in looks[room](session):
        if check.state is State.FAULT:
            yield f"{check.name}: {check.found} ({check.fix})"
