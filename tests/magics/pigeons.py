"""A kind of remote work that tests send away: carrier pigeons, and their loft."""

from __future__ import annotations

import threading

from pilothouse.magics._jobs import JobKind


class Pigeon:
    """A handle of the only thing that these tests send away."""

    def __init__(self, name):
        self.name = name
        self.over = threading.Event()

    def wait(self, timeout=None):
        return self.over.wait(timeout)

    def result(self):
        return f"{self.name} is back"

    def cancel(self):
        self.over.set()
        return f"cancelled: {self.name} is called back"

    def detach(self):
        return f"detached: {self.name} flies on"


class Loft:
    """A kind of job whose service does what a test says."""

    def __init__(self):
        self.trouble = {}

    def look(self, session, record):
        if record.id in self.trouble:
            raise self.trouble[record.id]
        return "flies"

    def open(self, session, record):
        self.look(session, record)
        return Pigeon(record.id)

    def follow(self, session, handle, out):
        return handle.result()


LOFT = Loft()
PIGEONS = JobKind(LOFT.look, LOFT.open, LOFT.follow)
