"""Follows Pneumo: a thread that opens the socket, again and again until it can.

Once open the socket keeps itself alive and reconnects; each message and each change of
the link goes to a callback, which must only enqueue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pilothouse.errors import PilothouseError
from pilothouse.waits import Event

if TYPE_CHECKING:
    from pilothouse.fastscore.pneumo import Pneumo, PneumoMsg, PneumoSock

__all__ = ["PneumoWatch"]

_RETRY_SECONDS: Final = (0.25, 0.5, 1.0, 2.0, 5.0)


class PneumoWatch:
    """Reads Pneumo until it is closed.

    Args:
        pneumo: Of a Connect.
        on_message: Takes each message.
        on_link: Takes ``"live"``, or ``"lost"`` and why.
        src: Only messages of this instance.
        type: Only messages of this type.
        history: Whether to begin with the messages of late.
    """

    def __init__(
        self,
        pneumo: Pneumo,
        *,
        on_message: Callable[[Any], None],
        on_link: Callable[[str, str], None],
        src: str | None = None,
        type: str | None = None,
        history: bool = False,
    ) -> None:
        self._pneumo = pneumo
        self._src = src
        self._type = type
        self._on_message = on_message
        self._on_link = on_link
        self._history = history
        self._socket: PneumoSock | None = None
        self._lock = threading.Lock()
        self._early: list[PneumoMsg] | None = None  # what came before the history
        self._link = ("live", "")  # of the socket, as it was told last
        self._closed = Event()
        self._thread = threading.Thread(
            target=self._open, name="pilothouse-watch-pneumo", daemon=True
        )
        self._thread.start()

    def close(self, timeout: float = 3.0) -> None:
        """End the socket and the thread; may be called twice."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        if self._socket is not None:
            self._socket.close()

    def _open(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                self._begin()
            except PilothouseError as exc:
                cause = getattr(exc, "caused_by", None) or exc
                self._on_link("lost", str(cause).splitlines()[0])
                wait = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures += 1
                self._closed.wait(wait)
            else:
                return

    def _begin(self) -> None:
        """Open the socket, then read what was before: so nothing falls in between."""
        if self._history:
            self._early = []
        self._socket = self._pneumo.socket(
            src=self._src,
            type=self._type,
            on_message=self._heard,
            on_state=self._linked,
        )
        if self._history:
            try:
                past = list(self._pneumo.history(src=self._src, type=self._type))
            except PilothouseError:
                self._socket.close()
                raise
            self._history = False
            with self._lock:
                early, self._early = self._early or [], None
                for message in [*past, *(one for one in early if one not in past)]:
                    self._on_message(message)
        self._on_link(*self._link)

    def _heard(self, message: PneumoMsg) -> None:
        if self._closed.is_set():
            return
        with self._lock:
            if self._early is not None:
                self._early.append(message)
            else:
                self._on_message(message)

    def _linked(self, state: object) -> None:
        with suppress(KeyError):
            self._link = _LINKS[str(state)]
            if not self._closed.is_set() and not self._history:
                self._on_link(*self._link)


_LINKS: Final = {
    "connected": ("live", ""),
    "lost": ("lost", "the connection broke; trying again"),
}
