"""A Fastmap client in a process of its own, under a hard limit.

The real client starts processes of its own that outlive it when it hangs; so it gets a
process group, and the group is ended in any case.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_JOBS = Path(__file__).parent / "peers" / "map_jobs.py"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LONGEST_S = 120
REAL, OURS = "fastmap", "pilothouse.fastmap"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    Attributes:
        status: Exit status; negative for a signal.
        told: The job's own account; empty when it did not come that far.
        said: All else that it printed, without colours.
    """

    status: int
    told: Mapping[str, Any]
    said: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A client: an interpreter, a library, and where its service is.

    Attributes:
        python: The interpreter.
        library: `REAL` or `OURS`.
        url: Where its service is.
        secret: The token.
        folder: Its current directory.
    """

    python: Path
    library: str
    url: str
    secret: str
    folder: Path

    def does(self, job: str, longest_s: float = _LONGEST_S, **options: Any) -> Outcome:
        """Run a job of ``peers/map_jobs.py`` to its end."""
        with self.doing(job, **options) as process:
            try:
                said, _ = process.communicate(timeout=longest_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                said, _ = process.communicate()
                raise AssertionError(f"{job} does not end:\n{said[-3000:]}") from None
        return outcome_of(process.returncode, said)

    @contextmanager
    def doing(self, job: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A job under way; what is left of it is ended with the block."""
        process = subprocess.Popen(
            [
                str(self.python),
                str(_JOBS),
                self.library,
                self.url,
                self.secret,
                job,
                json.dumps(options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.folder,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()


def outcome_of(status: int, said: str) -> Outcome:
    """Read what a job printed."""
    plain = _ANSI.sub("", said)
    *before, last = plain.rstrip().rsplit("\n", 1)
    if last.startswith("{"):
        return Outcome(status, json.loads(last), "\n".join(before))
    return Outcome(status, {}, plain)


def ours(url: str, secret: str, folder: Path) -> Peer:
    """Our client on the Python that runs the tests."""
    return Peer(Path(sys.executable), OURS, url, secret, folder)
