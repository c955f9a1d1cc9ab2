"""Jets as child processes: one process, one sandbox folder, one socket each.

A jet runs in a session of its own, so that whatever it forks dies with it; it dies
with the service (Linux: the kernel sees to that). How it ended is told as a `Cause`.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .console import Console
from .jet.framing import Frame, FrameError, Frames, pack
from .jet.link import LOST_STATUS
from .options import EngineOptions
from .pace import Pace

__all__ = ["Cause", "Jet", "JetOwner"]

_ENTRY = "pilothouse.services.fastscore.engine.jet"
_PROGRESS = struct.Struct("=Q")
_READ_BYTES = 1024 * 1024
_FROM_OUTSIDE = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
)
_CLOSING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a jet ended.

    Attributes:
        text: For people: ``"killed by SIGSEGV"``.
        is_external: Somebody else killed it: no fault of the model.
    """

    text: str
    is_external: bool = False


class JetOwner(Protocol):
    """Who is told what a jet does; always on the event loop."""

    def jet_frame(self, jet: Jet, head: dict[str, Any], body: bytes) -> None:
        """Take one frame."""

    def jet_console(self, jet: Jet, text: str) -> None:
        """Take what the model has printed."""

    def jet_ended(self, jet: Jet, cause: Cause) -> None:
        """Note that the jet is gone; not called after `Jet.kill`."""


class Jet:
    """One running instance of a model.

    Args:
        sandbox: Its name, digits only.
        folder: Its working folder; removed when it has ended.
        owner: Who is told what it does.
        options: Bounds.

    Attributes:
        pid: Process id; 0 before `start`.
        is_ready: Whether ``begin`` is done.
        in_flight: What it has been given and has not answered yet, by id.
        pace: How much it is given at once.
    """

    def __init__(
        self, sandbox: str, folder: Path, owner: JetOwner, options: EngineOptions
    ) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.pid = 0
        self.is_ready = False
        self.is_ending = False
        self.in_flight: dict[int, Any] = {}
        self.pace = Pace()
        self.console = Console(lambda text: owner.jet_console(self, text))
        self.started_at = time.monotonic()
        self.gone = asyncio.Event()
        self._owner = owner
        self._options = options
        self._process: asyncio.SubprocessTransport | None = None
        self._socket: asyncio.Transport | None = None
        self._page: mmap.mmap | None = None
        self._seen = (0, time.monotonic())
        self._is_told = False
        self._reason: Cause | None = None
        self._waits_for_reader = False

    async def start(self) -> None:
        """Start the process and connect to it.

        Raises:
            OSError: If no process can be started.
        """
        loop = asyncio.get_running_loop()
        here, there = socket.socketpair()
        page, page_fd = _shared_page()
        self._page = page
        try:
            process, _ = await loop.subprocess_exec(
                lambda: _ProcessEvents(self),
                self._options.python or sys.executable,
                "-P",
                "-m",
                _ENTRY,
                str(there.fileno()),
                str(page_fd),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.folder,
                env=_environment(),
                pass_fds=(there.fileno(), page_fd),
                start_new_session=True,
            )
        except BaseException:
            here.close()
            page.close()
            self.gone.set()
            raise
        finally:
            there.close()
            os.close(page_fd)
        self._process = process
        self.pid = process.get_pid()
        self.console.pipe = process.get_pipe_transport(1)  # type: ignore[assignment]
        here.setblocking(False)
        await loop.create_connection(lambda: _SocketEvents(self), sock=here)
        if self._is_told:
            self._kill_group()

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Send one frame; a jet that has gone takes it silently."""
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(pack(head, body))

    def hold(self, held: bool) -> None:
        """Stop (or go on) reading what the jet sends: it will wait."""
        if held == self._waits_for_reader or self._socket is None:
            return
        self._waits_for_reader = held
        if held:
            self._socket.pause_reading()
        else:
            self._seen = (self._seen[0], time.monotonic())
            self._socket.resume_reading()

    def stalled_seconds(self) -> float:
        """Return for how long the jet has been busy with one record."""
        now = time.monotonic()
        if not self.is_ready:
            return now - self.started_at
        if self._waits_for_reader or not (self.in_flight or self.is_ending):
            self._seen = (self._seen[0], now)
            return 0.0
        count = self._count()
        if count != self._seen[0]:
            self._seen = (count, now)
        return now - self._seen[1]

    def given(self, number: int, item: object) -> None:
        """Note what the jet was given; what an idle one gets is timed from now on."""
        if not self.in_flight:
            self.progressed()
        self.in_flight[number] = item

    def progressed(self) -> None:
        """Note that something came back."""
        self._seen = (self._seen[0], time.monotonic())

    def close(self) -> None:
        """Let an idle jet go; it is killed if it does not."""
        self._is_told = True
        if self._socket is not None:
            self._socket.close()
        if self._process is not None and self._process.get_returncode() is None:
            loop = asyncio.get_running_loop()
            loop.call_later(_CLOSING_SECONDS, self._kill_group)

    def kill(self, cause: Cause | None = None) -> None:
        """End the process and all that it has started, at once.

        Args:
            cause: What the owner is told; without it the owner is not told at all.
        """
        if cause is None:
            self._is_told = True
        elif self._reason is None:
            self._reason = cause
        if self._socket is not None:
            self._socket.abort()
        self._kill_group()

    def give_up(self) -> None:
        """Do not wait for the end of a killed process; it is told no more."""
        self.console.flush()
        self.console.close()
        if self._process is not None:
            self._process.close()

    # -- events

    def connected(self, transport: asyncio.Transport) -> None:
        """Note that the socket is there."""
        self._socket = transport

    def frames_came(self, frames: list[Frame]) -> None:
        """Hand frames on."""
        for head, body in frames:
            if self._is_told:
                return
            self._owner.jet_frame(self, head, body)

    def broke_grammar(self, exc: FrameError) -> None:
        """End a jet that sends nonsense."""
        self.kill(Cause(f"broke its connection to the engine: {exc}"))

    def disconnected(self) -> None:
        """Wait a moment for the end of a process that has closed its socket."""
        if self._process is not None and self._process.get_returncode() is None:
            loop = asyncio.get_running_loop()
            loop.call_later(_CLOSING_SECONDS, self._still_there)

    def _still_there(self) -> None:
        if self._process is None or self._process.get_returncode() is not None:
            return
        if not _has_ended(self.pid):  # else its end is about to be told
            self.kill(Cause("closed its connection to the engine"))

    def exited(self) -> None:
        """Clean up after the process; tell the owner why it ended."""
        code = self._process.get_returncode() if self._process else None
        self._kill_group()
        self.console.flush()
        if self._socket is not None:
            self._socket.abort()
        if self._page is not None:
            self._page.close()
            self._page = None
        if self._process is not None:
            self._process.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.gone.set()
        if not self._is_told:
            self._is_told = True
            self._owner.jet_ended(self, self._reason or _cause_of(code))

    def _kill_group(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _count(self) -> int:
        if self._page is None:
            return 0
        return int(_PROGRESS.unpack_from(self._page)[0])


class _SocketEvents(asyncio.BufferedProtocol):
    """Reads frames of one jet."""

    def __init__(self, jet: Jet) -> None:
        self._jet = jet
        self._frames = Frames()
        self._buffer = bytearray(_READ_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.set_write_buffer_limits(high=16 * _READ_BYTES)
            self._jet.connected(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        try:
            with memoryview(self._buffer) as view:
                frames = list(self._frames.feed(view[:nbytes]))
        except FrameError as exc:
            self._jet.broke_grammar(exc)
            return
        self._jet.frames_came(frames)

    def connection_lost(self, exc: Exception | None) -> None:
        self._jet.disconnected()


class _ProcessEvents(asyncio.SubprocessProtocol):
    """Reads the console of one jet, and notes its end."""

    def __init__(self, jet: Jet) -> None:
        self._jet = jet

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._jet.console.take(data)

    def process_exited(self) -> None:
        # What the process has printed last is read in the next turns of the loop.
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, self._jet.exited)


def _has_ended(pid: int) -> bool:
    """Whether a child has ended, told or not; no where that cannot be asked."""
    if not hasattr(os, "waitid"):
        return False
    asked = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, pid, asked) is not None
    except ChildProcessError:  # somebody has been told already
        return True


def _cause_of(code: int | None) -> Cause:
    if code is None:
        return Cause("ended")
    if code == LOST_STATUS:
        return Cause("lost its connection to the engine")
    if code >= 0:
        return Cause(f"exited with status {code}")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return Cause(f"killed by {name}", is_external=-code in _FROM_OUTSIDE)


def _shared_page() -> tuple[mmap.mmap, int]:
    """Return a page shared with a jet (it counts records there), and its handle."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("pilothouse-jet")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, mmap.PAGESIZE)
    return mmap.mmap(fd, mmap.PAGESIZE), fd


def _environment() -> dict[str, str]:
    """Return the environment of a jet: that of the service without its own names."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PILOTHOUSE_")}
    return {**kept, "PYTHONIOENCODING": "utf-8:backslashreplace"}
