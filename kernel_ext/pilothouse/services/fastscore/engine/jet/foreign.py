"""Models in C, Java, R and Octave: one line protocol for all.

The jet starts the model as a child of its own and talks to it over two named pipes in
the working folder (C and Java: two handles):

    to the model    begin / end / action SLOT SEQNO DATA     ; one line each
    from the model  emit SLOT JSON      a record
                    rows SLOT JSON      a record set
                    ask JSON            [op, pool, key, [value]]: a cell or a pool;
                                        one line with the value comes back
                    error JSON          a text: the model has failed
                    done                the request is done

DATA is JSON text, for R an expression of R. Folder ``harness`` has what surrounds the
model in each language, and says what the model may call. Functions:

    c        void action(const char *json, int slot, long seqno); emit(slot, json)
    java     static String action(String json[, int slot[, long seqno]])
    R        action(data[, slot[, seqno]]); emit(value[, slot]); Cell, Pool, ...
    octave   action(data[, slot[, seqno]]); emit(value[, slot]); finish() is its end
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from pilothouse.fastscore.runtime.callbacks import ModelFailure
from pilothouse.fastscore.runtime.state import pack, unpack
from pilothouse.fastscore.wire.values import Value

from .guard import die_with_parent, lift_memory_limit
from .languages import FIFOS, ForeignError, built, write_source
from .link import Link
from .r_values import r_expression
from .state import EngineBackend

__all__ = ["ForeignScorer"]

WATCH_SECONDS = 0.2
DEATH_SECONDS = 10.0
READ_BYTES = 1024 * 1024


class ForeignScorer:
    """A model in another language.

    Args:
        head: Head of the ``start`` frame.
        link: To the engine.
    """

    def __init__(self, head: dict[str, Any], link: Link) -> None:
        self._mtype: str = head["mtype"]
        self._source: str = head["source"]
        self._memory: int = head.get("memory", 0)
        self._actions = {
            form["slot"]: form["action"] for form in head["slots"] if form["action"]
        }
        self._outputs = {form["slot"] for form in head["slots"] if form["slot"] % 2}
        self._link = link
        self._backend = EngineBackend(link)
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: IO[bytes] | None = None
        self._replies = -1
        # Octave looks at the character behind a line before it returns the line.
        self._line_end = b"\n " if self._mtype == "octave" else b"\n"
        self._unread = bytearray()

    def begin(self) -> None:
        """Build the model, start it, and run its ``begin``."""
        folder = Path.cwd()
        write_source(self._mtype, self._source, folder)
        command = built(self._mtype, self._source, self._actions, self._memory)
        if self._mtype == "java":
            # The JVM reserves far more than it uses; -Xmx bounds it instead.
            lift_memory_limit()
        if self._mtype in ("c", "java"):
            self._start_on_handles(command)
        else:
            self._start_on_fifos(command)
        self._exchange("begin", {})

    def score(
        self, slot: int, values: Sequence[Any], seqno: int
    ) -> dict[int, list[Any]]:
        """Run the action for each record."""
        outputs: dict[int, list[Any]] = {}
        index = 0
        try:
            for index, value in enumerate(self._link.walk(list(values))):
                text = self._text(value)
                self._exchange(f"action {slot} {seqno + index} {text}", outputs)
        except Exception as exc:
            raise ModelFailure(index, outputs) from exc
        return outputs

    def end(self) -> None:
        """Run the model's end, and let it go."""
        self._exchange("end", {})
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            self._process.wait()

    # -- the process

    def _start_on_handles(self, command: list[str]) -> None:
        their_in, our_out = os.pipe()
        our_in, their_out = os.pipe()
        handles = {"IN": str(their_in), "OUT": str(their_out)}
        self._process = subprocess.Popen(
            [handles.get(word, word) for word in command],
            stdin=subprocess.DEVNULL,
            pass_fds=(their_in, their_out),
            preexec_fn=die_with_parent,
        )
        os.close(their_in)
        os.close(their_out)
        self._requests = os.fdopen(our_out, "wb")
        self._replies = our_in

    def _start_on_fifos(self, command: list[str]) -> None:
        for name in FIFOS:
            os.mkfifo(name, 0o600)
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        # Opened for both directions, so that a child that dies at once blocks nobody.
        writing = os.open(FIFOS[0], os.O_RDWR)
        reading = os.open(FIFOS[1], os.O_RDWR)
        self._requests = os.fdopen(writing, "wb")
        self._replies = reading

    # -- the protocol

    def _exchange(self, request: str, outputs: dict[int, list[Any]]) -> None:
        """Send one request and take what comes until it is done."""
        self._write(request)
        while True:
            line = self._read()
            word, _, rest = line.partition(" ")
            if word == "done":
                return
            if word in ("emit", "rows"):
                self._take(word, rest, outputs)
            elif word == "ask":
                self._write(self._text(self._asked(*orjson.loads(rest))))
            elif word == "error":
                raise ForeignError(orjson.loads(rest))
            else:
                raise ForeignError(f"the model broke its protocol: {line[:200]!r}")

    def _take(self, word: str, rest: str, outputs: dict[int, list[Any]]) -> None:
        number, _, text = rest.partition(" ")
        slot = int(number)
        if slot not in self._outputs:
            raise ForeignError(f"output to slot {slot}, which is not in use")
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise ForeignError(f"output is not JSON: {text[:200]!r}: {exc}") from exc
        if word == "rows":
            import pandas as pd

            value = pd.DataFrame(value)
        outputs.setdefault(slot, []).append(value)

    def _asked(self, operation: str, pool: str, key: str, given: list[Any]) -> Value:
        where = pool or None
        if operation == "get":
            return unpack(self._backend.get(where, key))
        if operation == "set":
            self._backend.set(where, key, pack(given[0]))
            return None
        if operation in ("hold", "put", "drop"):
            packed = pack(given[0]) if given else None
            return unpack(self._backend.raw(operation, where, key, value=packed))
        raise ForeignError(f"unknown operation {operation!r}")

    def _text(self, value: Value) -> str:
        if self._mtype == "R":
            return r_expression(value)
        if hasattr(value, "to_dict"):  # a record set
            value = value.to_dict("records")
        return orjson.dumps(value, default=_plain).decode()

    def _write(self, line: str) -> None:
        if self._requests is None:
            raise ForeignError("the model is not running")
        try:
            self._requests.write(line.encode() + self._line_end)
            self._requests.flush()
        except OSError as exc:
            raise self._death() from exc

    def _read(self) -> str:
        """Return the next line; a fifo has no end, so the child is watched too."""
        while (end := self._unread.find(b"\n")) < 0:
            while not select.select([self._replies], [], [], WATCH_SECONDS)[0]:
                if self._process is not None and self._process.poll() is not None:
                    raise self._death()
            data = os.read(self._replies, READ_BYTES)
            if not data:
                raise self._death()
            self._unread += data
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line.decode("utf-8", "replace")

    def _death(self) -> ForeignError:
        if self._process is None:
            return ForeignError("the model is not running")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DEATH_SECONDS)
        code = self._process.poll()
        if code is None:
            return ForeignError("the model closed its connection")
        if code < 0:
            return ForeignError(f"the model was killed by {signal.Signals(-code).name}")
        return ForeignError(f"the model exited with status {code}")


def _plain(value: Value) -> Value:
    if isinstance(value, bytes | bytearray):
        return value.decode("latin-1")
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
