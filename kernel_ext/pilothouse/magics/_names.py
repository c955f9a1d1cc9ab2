"""Live names for completion: fetched in the background, read without waiting.

A service that is connected brings a source: one function that asks for all its names.
`Names.get` returns what is known and starts a thread that asks again when that is old,
so a Tab never waits for a network and never runs a user's text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Name", "Names", "Source"]


@dataclass(frozen=True, slots=True)
class Name:
    """One live name.

    Attributes:
        text: What is typed.
        help: What it is, in a few words; may be empty.
    """

    text: str
    help: str = ""


Source = Callable[[], Mapping[str, Sequence[Name]]]
"""Asks a service for its names, by kind; a kind that is missing keeps its old ones."""


class Names:
    """The known names by kind, from every connected service.

    Args:
        max_age: Returns the age in seconds at which names are asked for again.
        clock: Seconds that only grow; for tests.
    """

    def __init__(
        self,
        max_age: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._known: dict[str, dict[str, tuple[Name, ...]]] = {}
        self._added: list[tuple[str, str, Name]] = []
        self._asked: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self.errors: dict[str, Exception] = {}

    def watch(self, service: str, source: Source) -> None:
        """Take the names of ``service`` from ``source``, beginning now."""
        with self._lock:
            self._sources[service] = source
            self._known.pop(service, None)
            self._asked.pop(service, None)
        self.refresh()

    def forget(self, service: str) -> None:
        """Drop the source and the names of ``service``."""
        with self._lock:
            self._sources.pop(service, None)
            self._known.pop(service, None)
            self.errors.pop(service, None)

    def get(self, kind: str) -> tuple[Name, ...]:
        """Return the names of a kind that are known now; never waits."""
        if any(self._is_old(service) for service in list(self._sources)):
            self.refresh()
        return tuple(
            name for known in list(self._known.values()) for name in known.get(kind, ())
        )

    def add(self, service: str, kind: str, name: Name) -> None:
        """Note a name that was just made, without asking the service."""
        with self._lock:
            _put(self._known.setdefault(service, {}), kind, name)
            self._added.append((service, kind, name))

    def refresh(self) -> threading.Thread | None:
        """Ask again in the background; returns the thread, to wait for it."""
        with self._lock:
            if not self._sources or (self._thread and self._thread.is_alive()):
                return self._thread
            for service in self._sources:
                self._asked[service] = self._clock()
            self._thread = threading.Thread(
                target=self._ask, name="pilothouse-names", daemon=True
            )
            self._thread.start()
            return self._thread

    def close(self) -> None:
        """Forget everything and wait for the thread, at most five seconds."""
        with self._lock:
            self._sources.clear()
            self._known.clear()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5.0)

    def _is_old(self, service: str) -> bool:
        asked = self._asked.get(service)
        return asked is None or self._clock() - asked >= self._max_age()

    def _ask(self) -> None:
        with self._lock:
            sources = dict(self._sources)
        for service, source in sources.items():
            with self._lock:
                self._added.clear()  # only what comes from now on may be missing
            try:
                fetched = {kind: tuple(names) for kind, names in source().items()}
            except Exception as exc:  # nobody waits for it: the old names stay
                self.errors[service] = exc
                continue
            with self._lock:
                if self._sources.get(service) is source:
                    known = {**self._known.get(service, {}), **fetched}
                    for of, kind, name in self._added:
                        if of == service:
                            _put(known, kind, name)
                    self._known[service] = known
                    self.errors.pop(service, None)


def _put(known: dict[str, tuple[Name, ...]], kind: str, name: Name) -> None:
    """Put a name behind the others of its kind, in the place of one that was there."""
    others = tuple(one for one in known.get(kind, ()) if one.text != name.text)
    known[kind] = (*others, name)
