"""A jet's end of the socket: whole frames, one thread."""

from __future__ import annotations

import _thread
import mmap
import operator
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from pilothouse.fastscore.wire.values import Value

from .framing import Frame, Frames, pack
from .guard import on_fork

__all__ = ["LOST_STATUS", "Gone", "Link"]

LOST_STATUS = 70
"""With this status a jet exits whose connection is gone."""

_COUNT = struct.Struct("=Q")
_TICK_SECONDS = 0.2
_READ_BYTES = 1024 * 1024


class Gone(BaseException):
    """The engine has closed the connection; no model may catch this by accident."""


class Link:
    """Frames to and from the engine.

    Args:
        socket_fd: The socket.
        page_fd: A page shared with the engine: the number of records begun is
            written there, so that the engine sees a model that hangs.
    """

    def __init__(self, socket_fd: int, page_fd: int) -> None:
        self._socket = socket.socket(fileno=socket_fd)
        self._page = mmap.mmap(page_fd, mmap.PAGESIZE)
        os.close(page_fd)
        self._pid = os.getpid()
        self._frames = Frames()
        self._pending: deque[Frame] = deque()
        self._base = 0
        self._walk: Iterator[Any] | None = None
        on_fork(self._forget)
        _thread.start_new_thread(self._tick, ())

    def receive(self) -> Frame:
        """Return the next frame.

        Raises:
            Gone: If the engine has ended.
        """
        while not self._pending:
            self._read()
        return self._pending.popleft()

    def ask(self, question: dict[str, Any]) -> Value:
        """Ask for a cell or a pool; other frames wait.

        Raises:
            RuntimeError: If the engine refuses.
        """
        self.send({"k": "ask", **question})
        checked = 0
        while True:
            while checked < len(self._pending):
                head = self._pending[checked][0]
                if head.get("k") == "reply":
                    del self._pending[checked]
                    if "error" in head:
                        raise RuntimeError(head["error"])
                    return head.get("value")
                checked += 1
            self._read()

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame; waits while the engine does not read.

        Raises:
            Gone: If the engine has ended.
        """
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the model has come back into the runner
        try:
            self._socket.sendall(pack(head, body))
        except OSError as exc:
            raise Gone from exc

    def walk(self, items: list[Any]) -> Iterator[Any]:
        """Return an iterator over items; the engine sees how far it got."""
        self.step()
        self._walk = iter(items)
        return self._walk

    def step(self) -> None:
        """Count one more piece of work."""
        self._walk = None
        self._base += 1 << 20
        self._write(self._base)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError as exc:
            raise Gone from exc
        if not data:
            raise Gone
        self._pending.extend(self._frames.feed(data))

    def linger(self) -> None:
        """Wait behind the last word until the engine closes, whatever it sends.

        Its next write to an end that is closed would cost it what it has not read yet.
        """
        try:
            while True:
                self._read()
                self._pending.clear()
        except Gone:
            return

    def _forget(self) -> None:
        self._socket.close()

    def _tick(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            walk = self._walk
            if walk is not None:
                # Counting what is left costs the loop over the records nothing.
                self._write(self._base + (1 << 20) - 1 - operator.length_hint(walk))

    def _write(self, count: int) -> None:
        try:
            _COUNT.pack_into(self._page, 0, count & (2**64 - 1))
        except ValueError:  # the page is closed at exit
            return
