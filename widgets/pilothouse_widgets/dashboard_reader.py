"""One service of a dashboard, asked again and again by a thread of its own.

    asking -> up <-> down            ; refused: it wants other credentials
    none                             ; nobody has named a place

Nothing here waits for a service but its own thread. When one goes away, the place is
looked up anew with every try: a local service that was started again has another
address and other credentials.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, ClassVar, Final

from pilothouse.errors import NotAuthorizedError
from pilothouse.waits import Event

from .dashboard_board import Board
from .dashboard_places import House, Place

__all__ = ["Ends", "Reader"]

_RETRY_SECONDS: Final = (0.5, 1.0, 2.0)
_PLACE_SECONDS: Final = 4.0
_MOST_CHARS: Final = 240
_NOTICE: Final = 32
_ERROR: Final = 8


class Reader:
    """Keeps one row of the services, and what a subclass reads; `start` begins it.

    Args:
        house: Tells where the service is.
        board: Takes what is known.
        interval: Returns the seconds between two questions.
    """

    service: ClassVar[str] = ""
    title: ClassVar[str] = ""

    def __init__(
        self, house: House, board: Board, interval: Callable[[], float]
    ) -> None:
        self.house = house
        self.board = board
        self._interval = interval
        self._client: Any = None
        self._place: Place | None = None
        self._looked_at = 0.0
        self._failed = ""
        self._failures = 0
        self._state = "asking"
        self._was_up = False
        self._asked: list[Event] = []
        self._closed = Event()
        self._wake = Event()
        self._thread = threading.Thread(
            target=self._run, name=f"pilothouse-dashboard-{self.service}", daemon=True
        )
        self._row(state="asking", url="", origin="", version="", why="", at=None)

    # -- what a subclass says ------------------------------------------------------

    def ask(self, client: Any) -> tuple[float, str]:  # noqa: ANN401
        """Ask the service once; return the seconds it took, and its version."""
        raise TypeError(f"{type(self).__name__} asks nobody")

    def read(self, client: Any) -> None:  # noqa: ANN401
        """Read what the tiles show, after each answer."""

    def show(self, now: float) -> None:
        """Put what is known now on the board; quick, on the publisher's thread."""

    def opened(self, client: Any) -> None:  # noqa: ANN401
        """Begin to follow a new client."""

    def left(self) -> None:
        """End what follows the client."""

    # -- for views -----------------------------------------------------------------

    @property
    def client(self) -> Any:  # noqa: ANN401  a client of the service, or None
        """The open client while the service answers, else ``None``."""
        return self._client if self._state == "up" else None

    @property
    def state(self) -> str:
        """The state in a word, as the page shows it."""
        return self._state

    # -- the thread ----------------------------------------------------------------

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def look(self) -> None:
        """Ask at once."""
        self._wake.set()

    def catch_up(self, deadline: float) -> None:
        """Ask at once; wait for the answer, or until ``time.monotonic()`` is that."""
        asked = Event()
        self._asked.append(asked)
        self.look()
        asked.wait(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """Ask nothing more; `join` waits for the end."""
        self._closed.set()
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread, in seconds at most."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closed.is_set():
            asked = list(self._asked)
            pause = self._turn()
            for each in asked:
                self._asked.remove(each)
                each.set()
            self._pause(pause)
        self._leave()

    def _turn(self) -> float:
        """Ask once; return the seconds until the next time."""
        try:
            if not self._settle():
                self._none()
                return self._interval() * 2
            seconds, version = self.ask(self._client)
            self.read(self._client)
            if not self._closed.is_set():
                self._up(seconds, version)
        except Exception as exc:  # a page must not stand still for one fault
            return self._down(exc)
        return self._interval()

    def _settle(self) -> bool:
        """Have a client of the place where the service is now; tell if there is one."""
        now = time.monotonic()
        if self._client is None or now - self._looked_at > _PLACE_SECONDS:
            self._looked_at = now
            place = self.house.place(self.service, self._failed)
            if place != self._place:
                self._leave()
                self._place = place
        if self._place is None:
            return False
        if self._client is None:
            self._row(url=self._place.url, origin=self._place.origin)
            self._client = self._place.make()
            self.opened(self._client)
        return True

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _leave(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        self.left()
        close = getattr(client, "close", None)
        if close is not None and self._place is not None and not self._place.is_shared:
            with suppress(Exception):  # what is gone cannot be closed
                close()

    # -- the row of the service ----------------------------------------------------

    def _up(self, seconds: float, version: str) -> None:
        now = time.time()
        assert self._place is not None
        if self._state != "up":
            came = "is up" if self._state == "asking" else "is back"
            self._tell(f"{self.title} {came}", _NOTICE)
        self._state, self._failures, self._was_up = "up", 0, True
        if self._failed == self._place.url:
            self._failed = ""
        self._row(
            state="up", why="", hint="", ms=round(seconds * 1e3, 2), at=now,
            version=version, url=self._place.url, origin=self._place.origin,
        )  # fmt: skip
        self.board.note("services", self.service, seconds * 1e3)

    def _down(self, exc: Exception) -> float:
        if self._closed.is_set():
            return 0.0
        refused = isinstance(exc, NotAuthorizedError)
        why = _why(exc)
        state = "refused" if refused else "down"
        if self._state != state:
            word = "refuses us" if refused else "does not answer"
            self._tell(f"{self.title} {word}: {why}", _ERROR)
        self._state = state
        self._failed = self._place.url if self._place is not None else ""
        self._row(state=state, why=why, hint=str(getattr(exc, "hint", "") or ""))
        self.board.note("services", self.service, None)
        self._leave()
        wait = _RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS) - 1)]
        self._failures += 1
        return wait

    def _none(self) -> None:
        """Tell that nobody names a place; of what was there once, that it is gone."""
        self._failed = ""
        if not self._was_up:
            self._state = "none"
            self._row(state="none", why="", hint="")
            return
        if self._state == "up":
            self._tell(f"{self.title} is gone", _ERROR)
        self._state = "down"
        self._row(state="down", why="it has ended", hint="%pilot up")

    def _row(self, **fields: object) -> None:
        self.board.patch(
            "services", self.service, name=self.service, title=self.title, **fields
        )

    def _tell(self, text: str, level: int) -> None:
        self.board.tell(self.service, text, level=level, aloud=True)


class Ends:
    """Tells what has ended since the last look; at the first one nothing has."""

    def __init__(self) -> None:
        self._over: set[str] | None = None

    def fresh(self, over: Iterable[str]) -> set[str]:
        """Return those that are over now and were not, given all that are."""
        before, self._over = self._over, set(over)
        return set() if before is None else self._over - before


def _why(exc: Exception) -> str:
    cause = getattr(exc, "caused_by", None) or exc
    text = str(getattr(cause, "message", "") or cause) or type(cause).__name__
    return text.strip().splitlines()[0][:_MOST_CHARS]
