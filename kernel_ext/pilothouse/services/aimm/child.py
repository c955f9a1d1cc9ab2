"""A child process of an AIMM server: it loads plugins and runs one action at a time.

Run as ``python -m pilothouse.services.aimm.child``. Its pipes are moved out of reach of
what plugins print or read; they print to the server's standard error. SIGTERM makes the
running plugin see an exception; the end of the pipe ends the process, whatever it does.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from pilothouse.aimm import plugins
from pilothouse.aimm.json_text import to_text
from pilothouse.aimm.plugins import REGISTRY, Kind
from pilothouse.aimm.values import Codec, DataAccess, Lossless, Plain, decode_call

from .aliases import alias_real_package
from .frames import KEPT_INSTANCES, Frame, read_frame, to_bytes

__all__ = ["as_json", "failure", "load", "main"]

_MAX_TEXT: Final = 4000
_MAX_TRACEBACK: Final = 20_000


class _Cancelled(BaseException):
    """The server wants the running action to end."""


class _Pipe:
    """The way to the server; any thread may say something."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def say(self, header: dict[str, Any], *blobs: bytes) -> None:
        with self._lock:
            for piece in to_bytes(Frame(header, blobs)):
                self._stream.write(piece)
            self._stream.flush()


class _Jobs:
    """Runs the actions, and keeps the instances that it has seen last."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._instances: OrderedDict[str, Any] = OrderedDict()
        self.is_busy = False

    def run(self, frame: Frame) -> None:
        header = frame.header
        job = header["job"]
        try:
            try:
                self.is_busy = True
                done, *blobs = self._run(header, list(frame.blobs))
            finally:
                self.is_busy = False
        except _Cancelled:
            # The process has seen an exception in the middle of anything: it ends.
            self._pipe.say({"job": job, "cancelled": True})
            raise SystemExit(0) from None
        except BaseException as exc:
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
        data = json.loads(blobs[0].decode("ascii"))["data"]
        args, kwargs = decode_call(codec, data.get("args"), data.get("kwargs"))
        args, kwargs = self._accessed(header["job"], args, kwargs)
        self._pipe.say({"job": header["job"], "progress": "executing"})
        report = self._reporter(header["job"], None)
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
        text = to_text(codec.encode(prediction)).encode("ascii")
        return self._instance(model_type, instance, before, text, key)

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
        result: bytes,
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
        report = self._reporter(job, place)
        return plugins.exec_data_access(value.name, report, *args, **kwargs)

    def _reporter(self, job: int, place: str | None) -> Callable[[Any], None]:
        def report(state: Any) -> None:  # noqa: ANN401  any JSON, it is hoped
            self._pipe.say({"job": job, "report": as_json(state), "place": place})

        return report


def as_json(state: Any) -> Any:  # noqa: ANN401  anything to any JSON
    """Return what a plugin reports, or its ``repr`` when that is no JSON."""
    try:
        json.dumps(state, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        if isinstance(state, Mapping) and all(isinstance(key, str) for key in state):
            return {key: as_json(value) for key, value in state.items()}
        return _number(state)
    return state


def _number(state: Any) -> Any:  # noqa: ANN401
    item = getattr(state, "item", None)
    if callable(item) and getattr(state, "shape", None) == ():
        found = item()
        if isinstance(found, int | float | str):
            return found
    return repr(state)[:_MAX_TEXT]


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
    text = message if isinstance(message, str) else str(exc)
    if isinstance(exc, SystemExit):
        text = f"the plugin wanted to exit with {exc.code!r}"
    return {
        "type": type(exc).__name__,
        "message": (text or type(exc).__name__)[:_MAX_TEXT],
        "traceback": "".join(lines)[-_MAX_TRACEBACK:],
        "hint": str(getattr(exc, "hint", "") or "")[:_MAX_TEXT],
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
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    pipe = _Pipe(outlet)
    jobs = _Jobs(pipe)

    def cancel(_number: int, _frame: object) -> None:
        if not jobs.is_busy:
            os._exit(0)
        raise _Cancelled

    signal.signal(signal.SIGTERM, cancel)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server's to handle
    frames: queue.SimpleQueue[Frame] = queue.SimpleQueue()

    def read() -> None:
        while (frame := read_frame(inlet)) is not None:
            frames.put(frame)
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
