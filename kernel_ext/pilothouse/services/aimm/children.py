"""The child processes of an AIMM server: as many as allowed, kept for the next action.

A child that died, was cancelled or has old plugins is not used again. Who waits for a
child gets one in the order of asking; one that still has the wanted instance comes
first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pilothouse.aimm.json_text import Piece
from pilothouse.errors import RemoteError, ServiceError

from .frames import KEPT_INSTANCES, Frame, receive_frame, to_bytes

__all__ = ["Child", "ChildDiedError", "Children", "PluginFailedError", "Plugins"]

log = logging.getLogger(__name__)

_PIPE_BYTES: Final = 1 << 20
_LOAD_SECONDS: Final = 60.0
_EXIT_SECONDS: Final = 5.0


class ChildDiedError(RemoteError):
    """A plugin ended its process."""


class PluginFailedError(RemoteError):
    """A plugin raised; ``failure`` is what its process told."""

    def __init__(self, failure: Mapping[str, str]) -> None:
        super().__init__(str(failure.get("message", "")), protocol="AIMM")
        self.failure = dict(failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """What every child loads.

    Attributes:
        names: Modules to import.
        files: Files to run.
        sources: Modules by name, as source.
        paths: Folders in which modules are looked for first.
        kept: Modules of an earlier start, as source; one that fails is left out.
    """

    names: Sequence[str] = ()
    files: Sequence[str] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    paths: Sequence[str] = ()
    kept: Mapping[str, str] = field(default_factory=dict)

    def with_source(self, name: str, source: str) -> Plugins:
        """Return the same with one module more, or another one of that name."""
        kept = {other: text for other, text in self.kept.items() if other != name}
        return replace(self, sources={**self.sources, name: source}, kept=kept)

    def to_wire(self) -> dict[str, Any]:
        """Return what a child is told."""
        return {
            "names": list(self.names),
            "files": list(self.files),
            "sources": dict(self.sources),
            "paths": list(self.paths),
            "kept": dict(self.kept),
        }


class Child:
    """One child process.

    Attributes:
        plugins: What it has loaded.
        names: What these register: ``data_access`` and ``model_types``.
    """

    def __init__(self, process: asyncio.subprocess.Process, plugins: Plugins) -> None:
        self._process = process
        self.plugins = plugins
        self.names: dict[str, list[str]] = {}
        self._kept: OrderedDict[int, str] = OrderedDict()

    @classmethod
    async def start(cls, plugins: Plugins) -> Child:
        """Start a child and let it load its plugins.

        Raises:
            PluginFailedError: If one of them cannot be loaded.
            ChildDiedError: If the process ended meanwhile.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # -P: a json.py in the folder that the server was started in is not ours.
            *("-P", "-m", "pilothouse.services.aimm.child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_PIPE_BYTES,
            env=_environment(),
            start_new_session=True,  # so that what it forks ends with it
        )
        child = cls(process, plugins)
        for stream in (process.stdin, process.stdout):
            _widen(stream)
        try:
            await child._write({"load": plugins.to_wire()})
            said = await asyncio.wait_for(child._read(), _LOAD_SECONDS)
        except TimeoutError:
            await child.kill()
            raise ServiceError(
                f"the plugins are not loaded after {_LOAD_SECONDS:g} s"
            ) from None
        except BaseException:
            await child.kill()
            raise
        if "failed" in said.header:
            await child.kill()
            raise PluginFailedError(said.header["failed"])
        child.names = said.header["ready"]
        return child

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.returncode is None

    def has(self, number: int, digest: str) -> bool:
        """Tell whether it still has an instance as its bytes say."""
        return self._kept.get(number) == digest

    def keeps(self, number: int, digest: str) -> None:
        """Note an instance that it now has; it drops the oldest as `child` does."""
        self._kept[number] = digest
        self._kept.move_to_end(number)
        while len(self._kept) > KEPT_INSTANCES:
            self._kept.popitem(last=False)

    def drops(self, number: int) -> None:
        """Note that it has an instance no more."""
        self._kept.pop(number, None)

    async def run(
        self,
        header: dict[str, Any],
        blobs: Sequence[Piece],
        on_word: Callable[[dict[str, Any]], None],
    ) -> Frame:
        """Run an action; return its last frame.

        Args:
            header: The job.
            blobs: What goes with it.
            on_word: Called with each report and each word of progress.

        Raises:
            PluginFailedError: If the plugin raised.
            ChildDiedError: If the process ended.
        """
        await self._write(header, *blobs)
        while True:
            frame = await self._read()
            if frame.header.get("job") != header["job"]:
                continue
            if "failed" in frame.header:
                raise PluginFailedError(frame.header["failed"])
            if frame.header.get("done"):
                return frame
            on_word(frame.header)

    async def cancel(self, timeout: float) -> None:
        """Let the plugin see an exception, then end the process.

        Args:
            timeout: Seconds that the plugin has to end by itself.
        """
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            await self.kill()
        else:
            self._end_group()

    async def kill(self) -> None:
        """End the process at once, and what it has forked."""
        if self.is_alive:
            self._end_group()
            await self._process.wait()

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def _write(self, header: dict[str, Any], *blobs: Piece) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            for piece in to_bytes(header, *blobs):
                stream.write(piece)
                await stream.drain()
        except ConnectionError:
            await self._tell_death()

    async def _read(self) -> Frame:
        stream = self._process.stdout
        assert stream is not None
        try:
            frame = await receive_frame(stream)
        except ValueError as exc:
            await self.kill()
            raise ChildDiedError(f"the plugin process said nonsense: {exc}") from None
        if frame is None:
            await self._tell_death()
        return frame  # type: ignore[return-value]

    async def _tell_death(self) -> None:
        try:
            await asyncio.wait_for(self._process.wait(), _EXIT_SECONDS)
        except TimeoutError:
            if self.is_alive:  # else the server was too busy to notice in time
                await self.kill()
                raise ChildDiedError("the plugin closed its process's pipes") from None
        code = self._process.returncode or 0
        self._end_group()
        if code < 0:
            how = f"was ended by {_signal_name(-code)}"
        else:
            how = f"exited with code {code}"
        raise ChildDiedError(f"the plugin process {how}", protocol="AIMM")


class Children:
    """The child processes of one server.

    Args:
        plugins: What they load.
        limit: Most of them at a time.
    """

    def __init__(self, plugins: Plugins, limit: int) -> None:
        self.plugins = plugins
        self.names: dict[str, list[str]] = {"data_access": [], "model_types": []}
        self._limit = max(1, limit)
        self._idle: list[Child] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(self._limit)  # in the order of asking
        self._loading = asyncio.Lock()
        self._is_closed = False

    @property
    def idle(self) -> Sequence[Child]:
        """The children that have nothing to do."""
        return tuple(self._idle)

    async def warm(self) -> None:
        """See that one child is ready.

        Raises:
            PluginFailedError: If the plugins cannot be loaded.
        """
        if not self._idle:
            self.release(await self.take())

    async def take(self, number: int = 0, digest: str = "") -> Child:
        """Return a child that has nothing to do, waiting for one if need be.

        Args:
            number: An instance that it had better have.
            digest: Of that instance's bytes.

        Raises:
            PluginFailedError: If the plugins cannot be loaded.
        """
        await self._turns.acquire()
        try:
            return self._at_hand(number, digest) or await self._start()
        except BaseException:
            self._turns.release()
            raise

    def release(self, child: Child) -> None:
        """Give a child back; one that is of no use any more ends."""
        if child.is_alive and child.plugins is self.plugins and not self._is_closed:
            self._idle.append(child)
        else:
            self._end(child)
        self._turns.release()

    async def load(self, name: str, source: str) -> Mapping[str, list[str]]:
        """Have every child from now on load one module more; return all names.

        One at a time: each is loaded on top of the one before.

        Raises:
            PluginFailedError: If it cannot be loaded; all is then as before.
        """
        async with self._loading:
            wanted = self.plugins.with_source(name, source)
            child = await Child.start(wanted)
            self.plugins, self.names = wanted, child.names
            old, self._idle = self._idle, [child]
            for one in old:
                self._end(one)
        return child.names

    async def close(self) -> None:
        """End every child that has nothing to do; the others end when given back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for child in idle:
            self._end(child)
        await asyncio.gather(*self._ending)

    def _at_hand(self, number: int, digest: str) -> Child | None:
        self._idle = [child for child in self._idle if child.is_alive]
        for child in self._idle:
            if digest and child.has(number, digest):
                self._idle.remove(child)
                return child
        return self._idle.pop() if self._idle else None

    async def _start(self) -> Child:
        child = await Child.start(self.plugins)
        if child.plugins is self.plugins:  # else others were loaded meanwhile
            self.names = child.names
        return child

    def _end(self, child: Child) -> None:
        task = asyncio.ensure_future(child.kill())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _widen(stream: Any) -> None:  # noqa: ANN401  a reader or a writer
    """Let a pipe hold more at a time, where the system can."""
    pipe = stream._transport.get_extra_info("pipe")
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _environment() -> dict[str, str]:
    """Return this process's environment without its secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PILOTHOUSE_")
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
