"""What a model prints: whole lines, thinned when it floods.

At most `MAX_BYTES_PER_SECOND` are read and `MAX_TEXT_PER_SECOND` passed on in one
second. Above that the model waits in ``print``; what is left out is counted and said.
"""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import Callable

__all__ = ["Console"]

MAX_BYTES_PER_SECOND = 1024 * 1024
MAX_TEXT_PER_SECOND = 32 * 1024
_FLUSH_SECONDS = 0.05
_MAX_LINE = 8 * 1024


class Console:
    """Collects the output of one jet.

    Args:
        publish: Takes text of one or several lines, without the last line end.

    Attributes:
        pipe: The transport that is read; it is paused when the model floods.
    """

    def __init__(self, publish: Callable[[str], None]) -> None:
        self.pipe: asyncio.ReadTransport | None = None
        self._publish = publish
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._read = self._passed = self._dropped = 0

    def take(self, data: bytes) -> None:
        """Take bytes as they come."""
        if self._is_closed:
            return
        self._turn_second()
        self._read += len(data)
        if self._passed < MAX_TEXT_PER_SECOND:
            self._passed += len(data)
            self._text += self._decoder.decode(data)
            self._schedule()
        else:
            self._dropped += data.count(b"\n") or 1
        if self._read > MAX_BYTES_PER_SECOND:
            self._pause()

    def flush(self) -> None:
        """Pass on what is there, also a last line without an end."""
        if self._is_closed:
            return
        self._emit(self._text)
        self._text = ""
        self._say_dropped()

    def close(self) -> None:
        """Pass on nothing any more."""
        self._is_closed = True
        self._emit("")

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_FLUSH_SECONDS, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        end = self._text.rfind("\n") + 1
        if not end and len(self._text) > _MAX_LINE:
            end = len(self._text)
        lines, self._text = self._text[:end], self._text[end:]
        self._emit(lines)

    def _emit(self, text: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if text := text.rstrip("\n"):
            self._publish(text[:MAX_TEXT_PER_SECOND])

    def _say_dropped(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._publish(f"[{dropped} lines left out: the model prints too fast]")

    def _turn_second(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._read = self._passed = 0
            self._say_dropped()

    def _pause(self) -> None:
        if self.pipe is None or self.pipe.is_closing():
            return
        self.pipe.pause_reading()
        loop = asyncio.get_running_loop()
        loop.call_later(self._second + 1 - time.monotonic(), self._resume)

    def _resume(self) -> None:
        if self.pipe is not None and not self.pipe.is_closing():
            self.pipe.resume_reading()
