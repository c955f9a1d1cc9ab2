"""The system's measuring tools, as child processes whose lines come as they are said.

No shell, a fixed environment, nothing on the input; the output is bounded. The child
is killed when the reader stops, whatever the reason.

It starts processes and imports nothing of the house but this folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import MeasurementError
from .stopping import Stopping

__all__ = ["lines_of", "tool"]

_MAX_OUTPUT_BYTES = 1024 * 1024
_MORE_PLACES = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"
_TAIL_CHARACTERS = 300


def tool(*names: str) -> str | None:
    """Return the path of the first of these tools that the machine has."""
    places = os.pathsep.join((os.environ.get("PATH", ""), _MORE_PLACES))
    for name in names:
        if (found := shutil.which(name, path=places)) is not None:
            return found
    return None


def lines_of(
    command: Sequence[str],
    stopping: Stopping,
    timeout: float,
    accepted: frozenset[int] = frozenset({0}),
) -> Iterator[str]:
    """Run a tool and yield the lines of its output as they come.

    Args:
        command: Path and words.
        stopping: Ends the child when the measurement is asked to stop.
        timeout: Longest run, in seconds; then the child is killed and the lines end.
        accepted: Exit codes that mean no trouble.

    Raises:
        MeasurementError: If the tool cannot be started, or ended with another code;
            the message has its last words.
        Interrupted: If the measurement was asked to stop.
    """
    process = _start(command)
    assert process.stdout is not None
    output, deadline = process.stdout, time.monotonic() + timeout
    try:
        rest, total, is_late = b"", 0, False
        while True:
            left = deadline - time.monotonic()
            if not stopping.until_readable(output.fileno(), left):
                is_late = True
                break
            piece = os.read(output.fileno(), 65536)
            total += len(piece)
            if not piece or total > _MAX_OUTPUT_BYTES:
                break
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
        if rest:
            yield rest.decode("utf-8", "replace")
        if not is_late and total <= _MAX_OUTPUT_BYTES:
            _check(process, command, accepted)
    finally:
        _end(process)


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {"PATH": _MORE_PLACES, "LC_ALL": "C", "LANG": "C"}
    try:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal is for us, not for it
        )
    except OSError as exc:
        raise MeasurementError(
            f"cannot run {command[0]}: {exc.strerror or exc}",
            hint="install it, or let this user run it",
        ) from exc


def _check(
    process: subprocess.Popen[bytes], command: Sequence[str], accepted: frozenset[int]
) -> None:
    assert process.stderr is not None
    said = process.stderr.read(65536).decode("utf-8", "replace").strip()
    code = process.wait(5.0)
    if code in accepted:
        return
    name = Path(command[0]).name
    raise MeasurementError(
        f"{name} to {command[-1]} ended with code {code}: "
        f"{said[-_TAIL_CHARACTERS:] or 'it said nothing'}",
        hint=_remedy(name, said),
    )


def _remedy(name: str, said: str) -> str | None:
    lower = said.lower()
    if "not permitted" in lower or "permission" in lower:
        return (
            f"let this user run {name}: setcap cap_net_raw+ep on its file, or widen "
            "net.ipv4.ping_group_range"
        )
    if "unreachable" in lower or "cannot assign" in lower:
        return "this machine has no route to that address"
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
