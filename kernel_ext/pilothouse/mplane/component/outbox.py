"""What a component still has to send to its clients: in order, until it has arrived."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Outbox", "Parcel"]

log = logging.getLogger(__name__)

_FIRST_SECONDS = 0.5
_LAST_SECONDS = 30.0
_KEEP_SECONDS = 3600.0


@dataclass(eq=False)
class Parcel:
    """Something to send.

    Attributes:
        key: What it is about; of several that wait with the same key, one is sent.
        url: Where to.
        send: Sends it; False when that has to be tried again.
        not_before: On the steady clock, in seconds.
    """

    key: str
    url: str
    send: Callable[[], bool]
    not_before: float = 0.0
    put_at: float = field(default_factory=time.monotonic)
    pause: float = _FIRST_SECONDS


class Outbox:
    """Sends parcels on one daemon thread; those to one place never overtake another."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parcels: list[Parcel] = []
        self._thread: threading.Thread | None = None
        self._sending = False
        self._is_closed = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._parcels)

    def put(self, parcel: Parcel) -> None:
        """Send something, unless something with its key waits already."""
        with self._changed:
            if self._is_closed or any(p.key == parcel.key for p in self._parcels):
                return
            self._parcels.append(parcel)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="mplane-outbox", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def hurry(self, key: str) -> None:
        """Send what waits with a key without further delay."""
        with self._changed:
            for parcel in self._parcels:
                if parcel.key == key:
                    parcel.not_before = 0.0
            self._changed.notify_all()

    def close(self, timeout: float = 0.0) -> bool:
        """Send what there is within some seconds, then nothing more.

        Returns:
            Whether all was sent.
        """
        with self._changed:
            for parcel in self._parcels:
                parcel.not_before = 0.0
            self._changed.notify_all()
            is_empty = self._changed.wait_for(
                lambda: not self._parcels and not self._sending, timeout
            )
            self._is_closed = True
            self._parcels.clear()
            self._changed.notify_all()
        return is_empty

    def _run(self) -> None:
        while (parcel := self._next()) is not None:
            try:
                is_sent = parcel.send()
            except Exception:
                log.exception("cannot send to %s", parcel.url)
                is_sent = True  # it will not get better
            with self._changed:
                self._sending = False
                if not is_sent:
                    self._delay(parcel)
                self._changed.notify_all()

    def _delay(self, parcel: Parcel) -> None:
        if time.monotonic() - parcel.put_at > _KEEP_SECONDS:
            log.error("%s was not reached for an hour: a result is lost", parcel.url)
        elif not self._is_closed:
            parcel.not_before = time.monotonic() + parcel.pause
            parcel.pause = min(parcel.pause * 2, _LAST_SECONDS)
            self._parcels.insert(0, parcel)

    def _next(self) -> Parcel | None:
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                places: set[str] = set()
                waits = []
                for parcel in self._parcels:
                    if parcel.url in places:
                        continue
                    places.add(parcel.url)
                    if parcel.not_before <= now:
                        self._parcels.remove(parcel)
                        self._sending = True
                        return parcel
                    waits.append(parcel.not_before - now)
                self._changed.wait(min(waits, default=None))
            self._thread = None
            return None
