"""A child process of an AIMM server: it loads plugins and runs one action at a time.

Run as ``python -m pilothouse.services.aimm.child``. Its pipes are moved out of reach of
what plugins print or read; they print to the server's standard error. SIGTERM makes the
running plugin see an exception; the end of the pipe ends the process, whatever it does.
"""

from __future__ import annotations

import hashlib
import os
import queue
import signal
import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from pilothouse.aimm import plugins
from pilothouse.aimm.json_text import from_bytes, size_of, to_pieces
from pilothouse.aimm.juggler import MAX_TEXT
from pilothouse.aimm.plugins import REGISTRY, Kind
from pilothouse.aimm.values import (
    CannotTravelError,
    Codec,
    DataAccess,
    Lossless,
    Plain,
    decode_call,
)

from .aliases import alias_real_package
from .frames import KEPT_INSTANCES, Blob, Frame, read_frame, to_bytes
from .reports import Reports

__all__ = ["failure", "load", "main"]

_MAX_WORDS: Final = 4000
_ROOM_BYTES: Final = 4096
_MAX_TRACEBACK: Final = 20_000


class _Cancelled(BaseException):
    """The server wants the running action to end."""


class _Pipe:
    """The way to the server; any thread may say something."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.is_ours = True

    def say(self, header: dict[str, Any], *blobs: Blob) -> None:
        if not self.is_ours:
            return
        with self._lock:
            for piece in to_bytes(header, *blobs):
                self._stream.write(piece)
            self._stream.flush()


class _Jobs:
    """Runs the actions, and keeps the instances that it has seen last."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._reports = Reports(pipe.say)
        self._instances: OrderedDict[str, Any] = OrderedDict()
        self.is_busy = self.is_cancelled = False

    def run(self, frame: Frame) -> None:
        header = frame.header
        job = header["job"]
        try:
            try:
                self.is_busy = True
                done, *blobs = self._run(header, list(frame.blobs))
            finally:
                self.is_busy = False
                if not self._pipe.is_ours:
                    os._exit(0)  # a copy that the plugin has forked and let go
                self._reports.finish()
        except BaseException as exc:
            if self.is_cancelled:
                # The process has seen an exception in the middle of anything, and a
                # library that was being imported may have made another one of it.
                self._pipe.say({"job": job, "cancelled": True})
                raise SystemExit(0) from None
            self._instances.pop(str(header.get("key")), None)
            self._pipe.say({"job": job, "failed": failure(exc)})
        else:
            self._pipe.say({"job": job, "done": True, **done}, *blobs)

    def _run(self, header: dict[str, Any], blobs: list[bytes]) -> tuple[Any, ...]:
        codec: Codec = Lossless() if header["codec"] == "nd1" else Plain()
        model_type = str(header.get("model_type", ""))
        if header["call"] == "check":
            plugins.exec_deserialize(model_type, blobs[0])
            return {"changed": False, "digest": ""}, b"null"
        data = from_bytes(blobs[0], lift=isinstance(codec, Lossless))["data"]
        args, kwargs = decode_call(codec, data.get("args"), data.get("kwargs"))
        args, kwargs = self._accessed(header["job"], args, kwargs)
        self._pipe.say({"job": header["job"], "progress": "executing"})
        report = self._reports.reporter(header["job"], None)
        if header["call"] == "create_instance":
            instance = plugins.exec_instantiate(model_type, report, *args, **kwargs)
            return self._instance(model_type, instance, "", b"null")
        key = str(header["key"])
        instance = self._taken(key, model_type, header, blobs)
        before = str(header["digest"])
        if header["call"] == "fit":
            instance = plugins.exec_fit(model_type, instance, report, *args, **kwargs)
            return self._instance(model_type, instance, before, b"null", key)
        instance, prediction = plugins.exec_predict(
            model_type, instance, report, *args, **kwargs
        )
        pieces = to_pieces(codec.encode(prediction))
        if size_of(pieces) > MAX_TEXT - _ROOM_BYTES:
            raise CannotTravelError(
                f"a result of {size_of(pieces):,} bytes; {MAX_TEXT:,} may travel",
                hint="a part of it, or fewer digits",
            )
        return self._instance(model_type, instance, before, pieces, key)

    def _taken(
        self, key: str, model_type: str, header: dict[str, Any], blobs: list[bytes]
    ) -> Any:  # noqa: ANN401  the plugin's
        if header["cached"] and key in self._instances:
            self._instances.move_to_end(key)
            return self._instances[key]
        return plugins.exec_deserialize(model_type, blobs[1])

    def _instance(
        self,
        model_type: str,
        instance: Any,  # noqa: ANN401
        before: str,
        result: Blob,
        key: str = "",
    ) -> tuple[Any, ...]:
        data = plugins.exec_serialize(model_type, instance)
        digest = hashlib.sha256(data).hexdigest()
        if key:
            self._instances[key] = instance
            self._instances.move_to_end(key)
            while len(self._instances) > KEPT_INSTANCES:
                self._instances.popitem(last=False)
        if digest == before:
            return {"changed": False, "digest": digest}, result
        return {"changed": True, "digest": digest}, result, data

    def _accessed(
        self, job: int, args: list[Any], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments with the data in the place of each data access."""
        places: list[tuple[str, Any]] = [
            (str(i), value) for i, value in enumerate(args)
        ]
        places += list(kwargs.items())
        if any(isinstance(value, DataAccess) for _, value in places):
            self._pipe.say({"job": job, "progress": "accessing_data"})
        return (
            [self._data(job, str(i), value) for i, value in enumerate(args)],
            {name: self._data(job, name, value) for name, value in kwargs.items()},
        )

    def _data(self, job: int, place: str, value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, DataAccess):
            return value
        args = [self._data(job, place, part) for part in value.args]
        kwargs = {
            name: self._data(job, place, part) for name, part in value.kwargs.items()
        }
        report = self._reports.reporter(job, place)
        return plugins.exec_data_access(value.name, report, *args, **kwargs)


def failure(exc: BaseException) -> dict[str, str]:
    """Return what is told of an exception, cut to the plugin's own lines."""
    here = str(Path(__file__).parents[2])
    frames = [
        frame
        for frame in traceback.extract_tb(exc.__traceback__)
        if not frame.filename.startswith(here) or "<plugin" in frame.filename
    ]
    lines = traceback.format_list(frames) + traceback.format_exception_only(exc)
    message = getattr(exc, "message", None)
    try:
        text = message if isinstance(message, str) else str(exc)
    except Exception:  # the plugin's own __str__
        text = ""
    if isinstance(exc, SystemExit):
        text = f"the plugin wanted to exit with {exc.code!r}"
    return {
        "type": type(exc).__name__,
        "message": (text or type(exc).__name__)[:_MAX_WORDS],
        "traceback": "".join(lines)[-_MAX_TRACEBACK:],
        "hint": str(getattr(exc, "hint", "") or "")[:_MAX_WORDS],
    }


def load(wanted: Mapping[str, Any]) -> dict[str, list[str]]:
    """Load the plugins of a server; return the names that they register."""
    alias_real_package()
    sys.path[:0] = [path for path in wanted["paths"] if path not in sys.path]
    plugins.initialize({"names": list(wanted["names"])})
    for path in wanted["files"]:
        plugins.load_file(Path(path))
    for name, source in wanted["kept"].items():
        try:
            plugins.load_source(name, source)
        except (Exception, SystemExit) as exc:  # what it needs may be gone
            sys.stderr.write(f"the kept plugin {name} is left out: {exc!r}\n")
    for name, source in wanted["sources"].items():
        plugins.load_source(name, source)
    return {
        "data_access": REGISTRY.names(Kind.DATA_ACCESS),
        "model_types": REGISTRY.names(Kind.INSTANTIATE),
    }


def main() -> None:
    """Serve until the pipe ends."""
    inlet, outlet = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    pipe = _Pipe(outlet)
    jobs = _Jobs(pipe)

    def cancel(_number: int, _frame: object) -> None:
        if not jobs.is_busy:
            os._exit(0)
        jobs.is_cancelled = True
        raise _Cancelled

    def part() -> None:
        """Let a copy of this process alone: what it says is not ours."""
        pipe.is_ours = False
        for stream in (inlet, outlet):
            os.dup2(null, stream.fileno())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=part)
    signal.signal(signal.SIGTERM, cancel)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server's to handle
    frames: queue.SimpleQueue[Frame] = queue.SimpleQueue()

    def read() -> None:
        while (frame := read_frame(inlet)) is not None:
            frames.put(frame)
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)  # what the plugins have forked, too
        os._exit(0)

    threading.Thread(target=read, name="pipe", daemon=True).start()
    try:
        names = load(frames.get().header["load"])
    except BaseException as exc:
        pipe.say({"failed": failure(exc)})
        os._exit(1)
    pipe.say({"ready": names})
    while True:
        jobs.run(frames.get())


if __name__ == "__main__":
    main()
