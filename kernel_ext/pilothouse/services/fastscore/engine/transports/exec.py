"""Programs: standard output as input, standard input as output.

Off unless the suite allows it: a stream descriptor would otherwise be a way to run
anything. The program runs without a shell; ``Run`` without ``Args`` is split as a
shell would split it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal

from .base import CHUNK_BYTES, Reader, StreamError, Writer

__all__ = ["ExecReader", "ExecWriter"]

_PIPE = asyncio.subprocess.PIPE
_NULL = asyncio.subprocess.DEVNULL


class _Program:
    def __init__(self, run: str, args: tuple[str, ...]) -> None:
        self._words = [run, *args] if args else shlex.split(run)
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, stdin: int, stdout: int) -> None:
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=stdin,
                stdout=stdout,
                stderr=_NULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            raise StreamError(f"cannot run {self._words[0]!r}: {exc}") from exc

    async def finish(self) -> None:
        if self.process is not None and (code := await self.process.wait()):
            raise StreamError(f"{self._words[0]!r} ended with status {code}")

    async def kill(self) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


class ExecReader(Reader):
    """Reads what a program prints; its exit is the end."""

    def __init__(self, run: str, args: tuple[str, ...] = ()) -> None:
        self._program = _Program(run, args)

    async def open(self) -> None:
        """Start the program."""
        await self._program.start(_NULL, _PIPE)

    async def read(self) -> list[bytes] | None:
        """Return the next piece."""
        process = self._program.process
        if process is None or process.stdout is None:
            return None
        if data := await process.stdout.read(CHUNK_BYTES):
            return [data]
        await self._program.finish()
        return None

    async def close(self) -> None:
        """Kill the program if it still runs."""
        await self._program.kill()


class ExecWriter(Writer):
    """Feeds a program."""

    def __init__(self, run: str, args: tuple[str, ...] = ()) -> None:
        self._program = _Program(run, args)

    async def open(self) -> None:
        """Start the program."""
        await self._program.start(_PIPE, _NULL)

    async def write(self, data: bytes) -> None:
        """Write a piece to the program."""
        process = self._program.process
        if process is None or process.stdin is None:
            raise StreamError("the program is not running")
        try:
            process.stdin.write(data)
            await process.stdin.drain()
        except OSError as exc:
            raise StreamError(f"the program does not read: {exc}") from exc

    async def close(self) -> None:
        """Close the program's input and wait for its end."""
        process = self._program.process
        if process is None:
            return
        try:
            if process.stdin is not None and not process.stdin.is_closing():
                process.stdin.close()
            await self._program.finish()
        except asyncio.CancelledError:
            await self._program.kill()
            raise
