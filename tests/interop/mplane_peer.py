"""Programs of mPlane, real ones and ours, each a process with a folder of its own.

    Program     a component, a supervisor: says things, is stopped
    Shell       an mpcli: one line at a time, and what it answers

The real ones are those of ``mplane-sdk`` 0.9.0 (contract §8.1); they get a shim that
lets their crawler work on a Python of this decade, and a ``ping`` that takes the option
by which its ping module names the source (``-S``, as BSD has it).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from free_ports import free_port
from waiting import until

__all__ = [
    "OURS",
    "Program",
    "Real",
    "Shell",
    "ping_for_real_modules",
    "write_configuration",
]

PROMPT = "|mplane| "
_START_S = 30.0
_one_at_a_time = threading.Lock()  # tests start programs from several threads
_STOP_S = 15.0

OURS = {
    "mpcli": (
        sys.executable,
        "-u",
        "-c",
        "import sys; from pilothouse.mplane.shell.main import main; sys.exit(main())",
    ),
    "mpcom": (
        sys.executable,
        "-u",
        "-c",
        "import sys; from pilothouse.mplane.runtime.main import main; sys.exit(main())",
    ),
}
"""How our commands are called."""

_HTML_SHIM = """
    import html.parser

    _made = html.parser.HTMLParser.__init__

    def _make(self, *args, **options):
        options.pop("strict", None)  # went with Python 3.5
        _made(self, *args, **options)

    html.parser.HTMLParser.__init__ = _make
"""

_PING_SHIM = """\
    #!/bin/sh
    # the source is -S to BSD's ping and -I to Linux's
    for word do
        shift
        [ "$word" = -S ] && word=-I
        set -- "$@" "$word"
    done
    exec {ping} "$@"
"""


class Real:
    """The real SDK in its environment.

    Args:
        python: The interpreter of the environment.
        folder: Where the shims go.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self.python = python
        self._shims = folder / "shims"
        self._shims.mkdir(parents=True)
        code = textwrap.dedent(_HTML_SHIM)
        (self._shims / "sitecustomize.py").write_text(code, "utf-8")

    def command(self, name: str) -> tuple[str, ...]:
        """How one of its programs is called."""
        return (str(self.python), "-u", str(self.python.with_name(name)))

    @property
    def environment(self) -> dict[str, str]:
        """What it needs in its environment."""
        return {"PYTHONPATH": str(self._shims)}

    @cached_property
    def components(self) -> Path:
        """Where its component modules lie."""
        asked = "import mplane.components as c; print(list(c.__path__)[0])"
        told = subprocess.run(
            [self.python, "-c", asked], capture_output=True, text=True, check=True
        )
        return Path(told.stdout.strip())


def ping_for_real_modules(folder: Path, ping: str) -> dict[str, str]:
    """Return the environment in which ``ping`` takes ``-S``."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "ping"
    script.write_text(textwrap.dedent(_PING_SHIM).format(ping=ping), "utf-8")
    script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def write_configuration(path: Path, sections: dict[str, dict[str, object]]) -> Path:
    """Write an INI file, as both sides read it."""
    lines = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value}" for key, value in options.items()]
        lines.append("")
    path.write_text("\n".join(lines), "utf-8")
    return path


class Program:
    """A running program; what it writes is kept, and can be waited for.

    Args:
        folder: Its working folder; the log goes there.
        command: Program and words.
        environment: More variables of its environment.
    """

    def __init__(
        self,
        folder: Path,
        command: tuple[str, ...],
        environment: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"said-{free_port()}.txt"
        with self._log.open("wb") as log, _one_at_a_time:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "XDG_STATE_HOME": str(folder / "state"),
                    **(environment or {}),
                },
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def said(self) -> str:
        """All that it has written."""
        return self._log.read_text("utf-8", errors="replace")

    def says(self, text: str, timeout: float = _START_S) -> str:
        """Wait until it has written a text; return all that it has written."""

        def found() -> str:
            said = self.said()
            if text not in said and self._process.poll() is not None:
                raise AssertionError(f"it ended without {text!r}:\n{said}")
            return said if text in said else ""

        try:
            return until(found, timeout, f"{text!r}")
        except AssertionError as exc:
            raise AssertionError(f"{exc}; it said:\n{self.said()}") from None

    def listens(self, port: int) -> Self:
        """Wait until it listens on a port of loopback."""

        def reached() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            until(reached, _START_S, f"a listener on {port}")
        except AssertionError as exc:
            raise AssertionError(f"{exc}; it said:\n{self.said()}") from None
        return self

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        return self._process.wait()


class Shell(Program):
    """An mpcli that is given its lines one at a time."""

    def do(self, line: str, timeout: float = _START_S) -> str:
        """Give it a line; return what it writes until it prompts again."""
        self.says(PROMPT)
        before = self.said()
        self.give(line)

        def answered() -> str:  # its listener may write behind the prompt meanwhile
            new = self.said()[len(before) :]
            return new if PROMPT in new else ""

        try:
            answer = until(answered, timeout, f"an answer to {line!r}")
        except AssertionError as exc:
            raise AssertionError(f"{exc}; it said:\n{self.said()}") from None
        return answer.rpartition(PROMPT)[0]

    def give(self, line: str) -> None:
        """Give it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def listed(self, text: str, timeout: float = _START_S) -> str:
        """List measurements until a text is among them; return the list."""
        return until(
            lambda: said if text in (said := self.do("listmeas")) else "",
            timeout,
            f"{text!r} in the list of measurements",
        )
