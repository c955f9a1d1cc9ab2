"""One client's websocket: frames in, requests side by side, answers and state out.

What goes out leaves in one order, by one task. The state is flushed before the answer
of whatever changed it, so that a client that has its answer sees what it did; else a
change waits for others, a fifth of a second by default. A client that reads slowly gets
fewer and larger patches, never a queue of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import WSMsgType, web

from pilothouse.aimm.extensions import HEADER, LARGE_PAYLOAD, SEGMENTS
from pilothouse.aimm.juggler import MAX_TEXT, Request, ServerConnection, Wire
from pilothouse.errors import (
    ConnectionLostError,
    PilothouseError,
    ProtocolError,
    RemoteError,
)

from .control import Control, LoginRefusedError, Session, refusal_of

__all__ = ["Connection", "Timing"]

log = logging.getLogger(__name__)

_MAX_FRAME_BYTES: Final = 4 << 20
_MAX_RUNNING: Final = 1000
_MAX_UNSENT_BYTES: Final = 64 << 20
_MAX_STRANGERS_BYTES: Final = 1 << 20
_GUESS_AFTER: Final = 0.2
_IN_ORDER: Final = frozenset({"login", "logout"})  # what follows depends on them
_SEND_SECONDS: Final = 60.0
_TOGETHER_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a connection waits for, in seconds.

    Attributes:
        autoflush_delay: How long a change waits for others; None: for an answer.
        ping_delay: Silence after which the client is asked for a sign.
        ping_timeout: How long it then has.
    """

    autoflush_delay: float | None = 0.2
    ping_delay: float = 30.0
    ping_timeout: float = 30.0


class Connection:
    """One client from its handshake to its end."""

    def __init__(self, control: Control, timing: Timing) -> None:
        self._control = control
        self._timing = timing
        self._session = Session(self._notify)
        self._ws = web.WebSocketResponse(
            max_msg_size=_MAX_FRAME_BYTES,
            compress=False,
            autoclose=True,
            decode_text=False,
        )
        self._machine: ServerConnection
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._flush: asyncio.TimerHandle | None = None
        self._is_late = False
        self._is_ending = False

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Shake hands, and talk until either side ends it."""
        if request.headers.get(HEADER) == Wire.SEGMENTED.value:
            self._ws.headers[HEADER] = Wire.SEGMENTED.value
            wire: Wire | None = Wire.SEGMENTED
        else:
            wire = None
        await self._ws.prepare(request)
        self._machine = ServerConnection(
            now=time.monotonic(),
            wire=wire,
            ping_delay=self._timing.ping_delay,
            ping_timeout=self._timing.ping_timeout,
            max_text=_MAX_STRANGERS_BYTES,
        )
        unsubscribe = self._control.engine.subscribe(self._mark)
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._send(), self._greet(), self._watch())
        ]
        try:
            await self._read()
        finally:
            unsubscribe()
            self._end(tasks)
            await asyncio.gather(*tasks, *self._running, return_exceptions=True)
            with contextlib.suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(self._ws.close(), 1.0)
        return self._ws

    async def close(self) -> None:
        """End the connection: the server is stopping."""
        await self._ws.close()

    def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        self._is_ending = True
        if self._flush is not None:
            self._flush.cancel()
        for task in [*tasks, *self._running]:
            task.cancel()

    # What comes in.

    async def _read(self) -> None:
        async for message in self._ws:
            if message.type is not WSMsgType.TEXT:
                return
            if self._is_ending:  # what is to be told still leaves, then it closes
                continue
            try:
                events = self._machine.receive(message.data, time.monotonic())
            except ProtocolError as exc:
                log.info("an AIMM client broke the protocol: %s", exc.message)
                return
            self._take_outgoing()
            for event in events:
                assert isinstance(event, Request)
                if event.name == "":
                    self._respond(event, event.data)
                    continue
                if event.name in _IN_ORDER:
                    await self._answer(event)
                    continue
                while not self._has_room:
                    self._room.clear()
                    await self._room.wait()
                task = asyncio.ensure_future(self._answer(event))
                self._running.add(task)
                task.add_done_callback(self._forget)

    @property
    def _has_room(self) -> bool:
        """Whether one more request may be taken; else the client has to wait."""
        return (
            len(self._running) < _MAX_RUNNING and self._unsent_bytes < _MAX_UNSENT_BYTES
        )

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()

    async def _answer(self, request: Request) -> None:
        session = self._session
        had_view = session.view
        try:
            data: Any = await self._control.answer(session, request)
        except LoginRefusedError as exc:
            self._respond(request, exc.message, success=False)
            self._is_ending = True
            self._wake.set()
            return
        except PilothouseError as exc:
            self._respond(request, refusal_of(session, exc), success=False)
            return
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            log.exception("the AIMM action %s failed on our side", request.name[:80])
            failed = RemoteError(f"the server failed: {type(exc).__name__}")
            self._respond(request, refusal_of(session, failed), success=False)
            return
        if session.view is not had_view:
            known = session.view is not None
            self._machine.max_text = MAX_TEXT if known else _MAX_STRANGERS_BYTES
            if session.view is None:
                self._machine.change([{"op": "replace", "path": "", "value": {}}])
            else:
                if SEGMENTS in session.extensions:
                    self._machine.max_payload = LARGE_PAYLOAD
                self._machine.change(session.view.whole())
            self._take_outgoing()
        self._respond(request, data)

    # What goes out.

    def _respond(self, request: Request, data: Any, *, success: bool = True) -> None:  # noqa: ANN401
        self._put_state()
        self._machine.respond(request.id, data, success=success)
        self._take_outgoing()

    def _notify(self, name: str, data: Any) -> None:  # noqa: ANN401  any JSON
        self._machine.notify(name, data)
        self._take_outgoing()

    def _mark(self, kind: str, number: int) -> None:
        view = self._session.view
        if view is None:
            return
        view.mark(kind, number)
        delay = self._timing.autoflush_delay
        if self._flush is None and delay is not None:
            loop = asyncio.get_running_loop()
            self._flush = loop.call_later(delay, self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        if self._unsent:  # when the client has taken what there is
            self._is_late = True
        else:
            self._put_state()

    def _put_state(self) -> None:
        view = self._session.view
        if view is not None and view.is_stale and (diff := view.patch()):
            self._machine.change(diff)
            self._take_outgoing()

    def _take_outgoing(self) -> None:
        frames = self._machine.take_outgoing()
        if not frames:
            return
        self._unsent.extend(frames)
        self._unsent_bytes += sum(map(len, frames))
        self._wake.set()

    async def _send(self) -> None:
        """Send what there is; end a connection whose client reads nothing."""
        try:
            while True:
                while self._unsent:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await self._send_some()
                self._room.set()
                if self._is_late:
                    self._is_late = False
                    self._put_state()
                    continue
                if self._is_ending:
                    break
                self._wake.clear()
                await self._wake.wait()
        except (TimeoutError, ConnectionError):
            log.info("an AIMM client reads nothing, or is gone")
        await self._drop()

    async def _send_some(self) -> None:
        """Send many short frames, or a long one; one timeout is enough for them."""
        size = 0
        while self._unsent and size < _TOGETHER_BYTES:
            frame = self._unsent.popleft()
            size += len(frame)
            self._unsent_bytes -= len(frame)
            await self._ws.send_frame(frame, WSMsgType.TEXT)

    async def _drop(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._ws.close(), 1.0)

    async def _greet(self) -> None:
        """Send the first state once the wire is known, or taken for the newest."""
        deadline = time.monotonic() + _GUESS_AFTER
        while self._machine.wire is None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._machine.wire is None:
            self._machine.wire = Wire.SEGMENTED
        if self._session.view is None and not self._is_ending:
            self._machine.change([{"op": "replace", "path": "", "value": {}}])
            self._take_outgoing()

    async def _watch(self) -> None:
        """Ask a silent client for a sign; end the connection of one that is gone."""
        try:
            while True:
                due = self._machine.tick(time.monotonic())
                self._take_outgoing()
                now = time.monotonic()
                await asyncio.sleep(1.0 if due is None else max(due - now, 0.01))
        except ConnectionLostError as exc:
            log.info("an AIMM client is gone: %s", exc.message)
            await self._drop()
