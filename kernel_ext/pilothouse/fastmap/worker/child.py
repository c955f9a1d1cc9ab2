"""One worker: takes a function, runs batches; needs Python 3.8 and dill, nothing else.

Started by ``python -I`` as `main` with two descriptors, a socket and a log; it may
touch only its working folder, and holds no key.
Frames go over the socket, in both directions:

    frame  = head-length(4) body-length(8) head body     ; lengths big-endian
    head   = JSON object; "k" tells the kind

    to the worker                            from the worker
    init    {modules, sources, ...} func     hello   {python, dill}
    batch   {plain} gzip or pickle           ready   {bad_modules, warnings}
    preload {modules}                        failed  {exception, traceback, ...}
                                             done    {count, map_seconds, ...} results
                                             error   {exception, traceback, ...} error

What user code prints goes to the log, a file that both sides see; the socket lies
above the limit of open files, where closing "all" descriptors does not reach it. A
fork of user code forgets the socket. When the other side is gone, the worker ends,
with all that it has started.
"""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import importlib
import io
import json
import linecache
import os
import pickle
import reprlib
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import warnings
import zlib
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable  # noqa: UP035  (3.8)

if TYPE_CHECKING:
    Head = dict[str, Any]

__all__ = [
    "Link",
    "LocalSources",
    "Log",
    "Opened",
    "Squeeze",
    "TooLong",
    "Worker",
    "descendants",
    "main",
]

_LENGTHS = struct.Struct(">IQ")
_SOURCE_FOLDER = "<fastmap>/"
_MAX_OPEN_FILES = 16384
_LOG_BYTES = 64 * 1024
_TEXT_CHARACTERS = 4096
_TRACEBACK_CHARACTERS = 64 * 1024
_ITEM_CHARACTERS = 200
_ERROR_BYTES = 64 * 1024
_SHARING = "_pilothouse_sharing"
"""Local module of our own client, with a `dumps` that keeps classes what they are."""

_PROTOCOL = 5
_GZIP = 31
_READ_BYTES = 256 * 1024
_SAMPLE_BYTES = 64 * 1024
_LOST = 70
_NEEDED_SOON = ("dataclasses", "dis", "importlib.metadata", "typing", "uuid", "weakref")
_PR_SET_CHILD_SUBREAPER = 36


class TooLong(Exception):  # noqa: N818  (what it says to the user)
    """Something opens to, or pickles to, more than its bound."""


class Link:
    """Frames to and from whoever has started this process."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._pid = os.getpid()
        os.register_at_fork(after_in_child=self._socket.close)
        watch = threading.Thread(target=self._watch, name="watch", daemon=True)
        watch.start()

    def receive(self) -> tuple[Head, bytearray]:
        """Return the next frame; ends the process when the other side is gone."""
        head_length, body_length = _LENGTHS.unpack(self._exactly(_LENGTHS.size))
        head = json.loads(bytes(self._exactly(head_length)))
        return head, self._exactly(body_length)

    @property
    def has_news(self) -> bool:
        """Whether a frame has begun to come."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def send(self, head: Head, body: bytes = b"") -> None:
        """Send one frame."""
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of user code has come back into the runner
        text = json.dumps(head).encode()
        try:
            self._socket.sendall(_LENGTHS.pack(len(text), len(body)) + text)
            self._socket.sendall(body)
        except OSError:
            _end_all()

    def _exactly(self, length: int) -> bytearray:
        if os.getpid() != self._pid:
            os._exit(0)
        data = bytearray(length)
        view = memoryview(data)
        while view:
            try:
                count = self._socket.recv_into(view)
            except OSError:
                count = 0
            if not count:
                _end_all()
            view = view[count:]
        return data

    def _watch(self) -> None:
        """End with the other side, also while user code runs."""
        poll = select.poll()
        poll.register(self._socket.fileno(), 0)  # hang-ups are always told
        while not poll.poll():
            pass
        _end_all()


class Log:
    """Where descriptors 1 and 2 lead: one file, read and emptied after each batch."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self.attach()

    def attach(self) -> None:
        """Lead the standard streams there, whatever user code did to them."""
        nowhere = os.open(os.devnull, os.O_RDONLY)
        if nowhere != 0:
            os.dup2(nowhere, 0)
            os.close(nowhere)
        for number in (1, 2):
            os.dup2(self._file, number)
        for number, name in ((1, "stdout"), (2, "stderr")):
            if getattr(getattr(sys, name), "closed", True):
                setattr(sys, name, _stream(number))

    def take(self) -> str:
        """Return what was printed, at most 64 KiB of it, and forget it."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # user code may have put anything
                stream.flush()
        size = os.fstat(self._file).st_size
        if not size:
            return ""
        data = os.pread(self._file, _LOG_BYTES, 0)
        if size > _LOG_BYTES:
            half = _LOG_BYTES // 2
            end = os.pread(self._file, half, size - half)
            left_out = f"\n... {size - 2 * half} bytes left out ...\n".encode()
            data = data[:half] + left_out + end
        os.ftruncate(self._file, 0)
        return data.decode("utf-8", "replace")


class LocalSources:
    """Finds and loads the modules that came along as text (``sys.meta_path``)."""

    def __init__(self, sources: dict[str, str]) -> None:
        own = {"dill", "__main__"}
        self._sources = {
            name: text
            for name, text in sources.items()
            if name.partition(".")[0] not in own and not _is_standard(name)
        }
        self._packages = set()
        for name in self._sources:
            while "." in name:
                name = name.rpartition(".")[0]
                self._packages.add(name)

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Return where a module comes from, if it is one of these."""
        is_package = name in self._packages
        if not is_package and name not in self._sources:
            return None
        place = _SOURCE_FOLDER + name.replace(".", "/")
        place += "/__init__.py" if is_package else ".py"
        spec = ModuleSpec(name, self, origin=place, is_package=is_package)  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's text; its lines are known to tracebacks."""
        spec = module.__spec__
        assert spec is not None
        text = self.get_source(spec.name)
        place = str(spec.origin)
        lines = text.splitlines(True)
        linecache.cache[place] = (len(text), None, lines, place)
        exec(compile(text, place, "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name: str) -> str:
        """Return the text of a module, for `inspect`."""
        return self._sources.get(name, "")


class Opened(io.RawIOBase):
    """Opens one gzip member as it is read, and not beyond its bound."""

    def __init__(self, data: bytearray, limit: int) -> None:
        self._rest = memoryview(data)
        self._left = limit
        self._zip = zlib.decompressobj(_GZIP)
        self._tail = b""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        """Fill a buffer, as far as there is something at once."""
        piece = b""
        while not piece and not self._zip.eof and (self._tail or self._rest):
            if not self._tail:
                self._tail = bytes(self._rest[:_READ_BYTES])
                self._rest = self._rest[_READ_BYTES:]
            piece = self._zip.decompress(self._tail, len(buffer))
            self._tail = self._zip.unconsumed_tail
        self._left -= len(piece)
        if self._left < 0:
            raise TooLong("the batch opens to more than is allowed")
        buffer[: len(piece)] = piece
        return len(piece)

    def check_end(self) -> None:
        """Refuse what is cut off, or has something behind it."""
        more = self.read(1)
        if more or not self._zip.eof or self._zip.unused_data or self._rest:
            raise ValueError("the batch is not one whole gzip member")


class Squeeze(io.RawIOBase):
    """Takes a pickle as it is written; gzips it at once, counts, and has a bound."""

    def __init__(self, limit: int, plain: bool) -> None:
        self.raw = 0
        self._limit = limit
        self._plain = plain
        self._pieces: list[bytes] = []
        self._waiting: list[bytes] = []
        self._zip: Any = None

    def write(self, data: Any) -> int:  # noqa: ANN401
        """Take some bytes."""
        size = memoryview(data).nbytes
        self.raw += size
        if self.raw > self._limit:
            raise TooLong(self.raw)
        if self._plain:
            self._pieces.append(bytes(data))
        elif self._zip is not None:
            self._pieces.append(self._zip.compress(data))
        else:
            self._waiting.append(bytes(data))
            if self.raw >= _SAMPLE_BYTES:
                self._begin()
        return size

    def value(self) -> bytes:
        """Return all, gzipped unless it is to be plain."""
        if not self._plain:
            if self._zip is None:
                self._begin()
            self._pieces.append(self._zip.flush())
        return b"".join(self._pieces)

    def _begin(self) -> None:
        """Choose a level: what does not get smaller is only wrapped."""
        data = b"".join(self._waiting)
        sample = data[:_SAMPLE_BYTES]
        is_dense = len(zlib.compress(sample, 1)) > 0.9 * len(sample) > 900
        self._zip = zlib.compressobj(0 if is_dense else 1, zlib.DEFLATED, _GZIP)
        self._pieces = [self._zip.compress(data)]
        self._waiting = []


class Worker:
    """Holds one function; runs batches."""

    def __init__(self, link: Link, log: Log) -> None:
        self._link = link
        self._log = log
        self._function: Callable[[Any], Any] = lambda item: item
        self._bad_modules: list[str] = []
        self._limits: dict[str, int] = {}

    def serve(self) -> None:
        """Answer frames until the other side is gone."""
        while True:
            head, body = self._link.receive()
            self._log.attach()
            if head["k"] == "preload":
                _import_all(head["modules"])
            elif head["k"] == "init":
                self._initialise(head, body)
            else:
                self._run(head, body)

    def _initialise(self, head: Head, body: bytearray) -> None:
        self._limits = head["limits"]
        sys.path[:0] = head["path"]
        _limit_memory(self._limits["memory"])
        sys.meta_path.insert(0, LocalSources(head["sources"]))
        warnings = _unmet(head["requirements"])
        try:
            self._bad_modules = _import_all(head["modules"])
            self._function = _callable(_dill().loads(bytes(body)))
        except BaseException as exc:
            told = {"k": "failed", **self._told(exc), "logs": self._log.take()}
            self._link.send({**told, "warnings": warnings})
            return
        self._link.send(
            {"k": "ready", "bad_modules": self._bad_modules, "warnings": warnings}
        )

    def _run(self, head: Head, body: bytearray) -> None:
        results: list[Any] = []
        seconds = 0.0
        batch: Any = None
        try:
            batch = self._batch(body)
        except BaseException as exc:
            self._report(exc, advice=True)
            return
        started = time.perf_counter()
        try:
            results.extend(map(self._function, batch))
            if len(results) < len(batch):  # a function may end the loop by accident
                _refuse_stop()
        except BaseException as exc:
            self._report(exc, batch, len(results))
            return
        seconds = time.perf_counter() - started
        del batch
        logs = self._log.take()
        answer: dict[str, Any] = {"results": results}
        if logs:
            answer["stdout"] = logs
        try:
            squeezed = self._pickled(answer, head["plain"])
        except BaseException as exc:
            self._report(self._unpicklable(exc, results))
            return
        done = {"count": len(results), "map_seconds": seconds, "raw": squeezed.raw}
        self._link.send({"k": "done", **done, "logs": logs}, squeezed.value())

    def _batch(self, body: bytearray) -> Any:  # noqa: ANN401
        """Return what is to be mapped, with a length and places."""
        if bytes(body[:2]) == b"\x1f\x8b":
            opened = Opened(body, self._limits["batch"])
            batch = _dill().load(io.BufferedReader(opened, _READ_BYTES))
            opened.check_end()
        else:
            batch = _dill().loads(body)
        return batch if type(batch) in (list, tuple, range) else list(batch)

    def _pickled(self, answer: dict[str, Any], plain: bool) -> Squeeze:
        """Return the pickle of an answer: by the fast pickler if that can do it.

        A client that has brought its own way, for the identity of classes, is served
        by that.
        """
        squeeze = Squeeze(self._limits["results"], plain)
        if _SHARING in sys.modules:
            squeeze.write(sys.modules[_SHARING].dumps(answer))
            return squeeze
        try:
            pickle.Pickler(squeeze, _PROTOCOL).dump(answer)
        except TooLong:
            raise
        except Exception:
            squeeze = Squeeze(self._limits["results"], plain)
            _dill().Pickler(squeeze, _PROTOCOL, recurse=True).dump(answer)
        return squeeze

    def _unpicklable(self, exc: BaseException, results: list[Any]) -> BaseException:
        """Return an error that names the first result at fault."""
        if isinstance(exc, TooLong):
            limit = self._limits["results"]
            return pickle.PicklingError(
                f"the results of this batch are longer than {limit} bytes"
            )
        for index, result in enumerate(results):
            try:
                self._pickled({"results": [result]}, True)
            except BaseException as found:
                kind = type(result)
                name = f"{kind.__module__}.{kind.__qualname__}"
                why = f"{type(found).__name__}: {_text(found, str)}"
                error = pickle.PicklingError(
                    f"result {index}, of type {name.replace('builtins.', '')}, "
                    f"cannot be pickled: {why}"
                )
                error.index = index  # type: ignore[attr-defined]
                return error
        return exc

    def _report(
        self,
        exc: BaseException,
        batch: Any = None,  # noqa: ANN401
        index: int | None = None,
        advice: bool = False,
    ) -> None:
        if index is None:
            index = getattr(exc, "index", None)
        _lift_memory_limit()
        told = {"k": "error", **self._told(exc), "index": index, "item": None}
        if batch is not None and index is not None:
            with contextlib.suppress(Exception):  # not everything can be indexed
                told["item"] = _short(batch[index])
        if advice:
            here = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
            told["traceback"] += (
                f"\nThe batch could not be unpickled by {here} with dill "
                f"{_dill().__version__}; are the same modules and versions there?\n"
            )
        told["logs"] = self._log.take()
        self._link.send(told, _pickled_error(exc))
        _limit_memory(self._limits["memory"])

    def _told(self, exc: BaseException) -> Head:
        return {
            "exception": _text(exc, repr),
            "traceback": _traceback(exc),
            "bad_modules": self._bad_modules,
        }


def main(arguments: list[str]) -> None:
    """Serve on the socket that the first argument names, log to the second."""
    sys.modules["_fastmap_worker"] = sys.modules.pop(__name__)
    sys.modules["__main__"] = _new_main()
    sys.argv = [""]
    sys.excepthook = sys.__excepthook__
    descriptor, log = _out_of_reach([int(word) for word in arguments])
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    _adopt_orphans()
    # Of our own thread alone, which holds no lock: user code may fork (Python 3.12).
    warnings.filterwarnings(
        "ignore", ".*multi-threaded, use of fork", category=DeprecationWarning
    )
    faulthandler.enable(log, all_threads=False)
    link = Link(descriptor)
    dill = _dill()
    banner = sys.version.replace("\n", "")
    link.send({"k": "hello", "python": banner, "dill": dill.__version__})
    if not link.has_news:
        _warm_up()
    Worker(link, Log(log)).serve()


def _new_main() -> ModuleType:
    """Return a module for user code alone; extensions import by its built-ins."""
    made = ModuleType("__main__")
    vars(made)["__builtins__"] = builtins
    return made


def _warm_up() -> None:
    """Load what most functions need, while there is nothing else to do."""
    for name in _NEEDED_SOON:
        importlib.import_module(name)
    _dill().loads(_dill().dumps(_warm_up, recurse=True))


def _dill() -> Any:  # noqa: ANN401
    import dill  # where it is used: the rest can be compiled without

    return dill


def _end_all() -> None:
    """End this process and all that user code has started."""
    try:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        os.killpg(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(_LOST)


def descendants(pid: int) -> list[int]:
    """Return all processes below one, where the system tells (Linux)."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        folder = f"/proc/{waiting.pop()}/task"
        with contextlib.suppress(OSError, ValueError):
            for task in os.listdir(folder):  # noqa: PTH208
                with open(f"{folder}/{task}/children", encoding="ascii") as file:  # noqa: PTH123
                    children = [int(word) for word in file.read().split()]
                found += children
                waiting += children
    return found


def _adopt_orphans() -> None:
    """Let what loses its parent below this process become its child (Linux).

    So it is found when the worker ends, also when it has a session of its own.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _out_of_reach(descriptors: list[int]) -> list[int]:
    """Return copies of descriptors, above the limit of open files.

    Closing everything up to that limit, as a daemon does, leaves them open.
    """
    import fcntl
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(soft, _MAX_OPEN_FILES) - len(descriptors)
    copies = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, limit) for each in descriptors]
    for each in descriptors:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return copies


def _stream(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.FileIO(number, "w", closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def _limit_memory(size: int) -> None:
    """Bound the address space; what is above it is a MemoryError in user code."""
    if size > 0:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))


def _lift_memory_limit() -> None:
    """Take the bound away, so that an error can be told."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _is_standard(name: str) -> bool:
    """Tell whether a module belongs to the standard library."""
    top = name.partition(".")[0]
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return top in names
    if top in sys.builtin_module_names:
        return True
    folder = os.path.dirname(os.__file__)  # noqa: PTH120
    inside = [folder, os.path.join(folder, "lib-dynload")]  # noqa: PTH118
    finder: Any = importlib.machinery.PathFinder
    return finder.find_spec(top, inside) is not None


def _refuse_stop() -> None:
    raise RuntimeError("the function raised StopIteration")


def _callable(found: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    if not callable(found):
        raise TypeError(f"{type(found).__name__} is not callable")
    return found  # type: ignore[no-any-return]


def _import_all(names: list[str]) -> list[str]:
    """Import modules; return those that cannot be."""
    bad = []
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException:
            bad.append(name)
    return bad


def _unmet(requirements: dict[str, str]) -> list[str]:
    """Return what is here in another version, or not at all."""
    found: list[str] = []
    if not requirements:
        return found
    from importlib import metadata

    for name, wanted in requirements.items():
        try:
            here = metadata.version(name)
        except Exception:
            found.append(f"{name} {wanted} is not installed here")
            continue
        if wanted and here != wanted:
            found.append(f"{name} is {here} here, {wanted} there")
    return found


def _text(value: object, how: Callable[[object], str]) -> str:
    """Return repr or str of anything, bounded; those of user code may fail too."""
    try:
        text = how(value)
    except BaseException as exc:
        kind = type(value).__name__
        text = f"<{kind} whose text cannot be had: {type(exc).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()[:_TEXT_CHARACTERS]


def _short(item: object) -> str:
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = _ITEM_CHARACTERS
    return _text(item, shortener.repr)[:_ITEM_CHARACTERS]


def _traceback(exc: BaseException) -> str:
    """Return a traceback without frames of the worker, with short paths."""
    try:
        told = traceback.TracebackException.from_exception(exc)
        _cut(told, set())
        text = "".join(told.format())
    except BaseException as failure:
        text = f"{_text(exc, repr)}\n(no traceback: {type(failure).__name__})\n"
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) > _TRACEBACK_CHARACTERS:
        half = _TRACEBACK_CHARACTERS // 2
        text = text[:half] + "\n...\n" + text[-half:]
    return text


def _cut(told: Any, seen: set) -> None:  # type: ignore[type-arg]  # noqa: ANN401
    """Leave the user's frames in an error, its causes and the group it is."""
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    kept = []
    for frame in told.stack:
        if frame.filename == __file__ or frame.filename.startswith("<frozen "):
            continue
        if frame.filename.startswith(_own_folders()):
            continue
        frame.line  # noqa: B018  (read the line while the path is whole)
        frame.filename = _short_path(frame.filename)
        kept.append(frame)
    told.stack[:] = kept
    _cut(told.__cause__, seen)
    _cut(told.__context__, seen)
    for each in getattr(told, "exceptions", None) or ():
        _cut(each, seen)


def _own_folders() -> tuple[str, ...]:
    import pickle as standard

    dill_folder = os.path.join(os.path.dirname(_dill().__file__), "")  # noqa: PTH118, PTH120
    sharing = _SOURCE_FOLDER + _SHARING
    return (dill_folder, sharing, standard.__file__, importlib.__file__ or "<none>")


def _short_path(place: str) -> str:
    """Return a path without the folder that the module search found it in."""
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        if place.startswith(folder + os.sep):
            return place[len(folder) + 1 :]
    return place


def _pickled_error(exc: BaseException) -> bytes:
    """Return the exception itself, if it can be pickled and is not long."""
    squeeze = Squeeze(_ERROR_BYTES, True)
    try:
        exc = exc.with_traceback(None)
        exc.__cause__ = exc.__context__ = None
        if _SHARING in sys.modules:
            squeeze.write(sys.modules[_SHARING].dumps(exc))
        else:
            _dill().Pickler(squeeze, 4, recurse=True).dump(exc)
        return squeeze.value()
    except BaseException:
        return b""
