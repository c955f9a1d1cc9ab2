"""The local services as a user starts them: ``python -m pilothouse up`` in a process.

Used wherever a test needs the process itself (its signals, its log, its start), and not
only what it serves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

_START_S = 30
_STOP_S = 60


class ServicesProcess:
    """One running process of local services.

    Args:
        folder: Where its data, its log and its runtime files go.
        options: More words for ``up``.
        wrap: A command that starts the services as its last words.
        environment: More variables of its environment.

    Attributes:
        pid: Its process id.
        told: Its one line of JSON, by service.
    """

    names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        folder: Path,
        *options: str,
        wrap: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.log = folder / "services.log"
        runtime = folder / "runtime"
        runtime.mkdir(parents=True, exist_ok=True)
        words = self._words()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*wrap, sys.executable, "-m", "pilothouse", *words, *options],
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                env={
                    **os.environ,
                    "JUPYTER_RUNTIME_DIR": str(runtime),
                    **(environment or {}),
                },
            )
        self.told: dict[str, Any] = self._first_line()
        self.pid: int = self.told["pid"]

    def _words(self) -> list[str]:
        """What the command is to do."""
        named = [word for name in self.names for word in ("--service", name)]
        return ["up", "--json", *named, "--data-dir", str(self.folder / "data")]

    def _first_line(self) -> dict:
        assert self._process.stdout is not None
        late = threading.Timer(_START_S, self._process.kill)
        late.start()
        line = self._process.stdout.readline()
        late.cancel()
        if not line:
            self._process.wait()
            self._close()
            raise AssertionError(f"the services did not start:\n{self.said()}")
        return json.loads(line)

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", "replace")

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it by SIGKILL, as the kernel would when memory runs out."""
        self._process.kill()
        self._process.wait(_STOP_S)
        self._close()

    def stop(self) -> int:
        """End it in order; return its exit status."""
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"SIGTERM did not end it:\n{self.said()}") from None
        finally:
            self._close()

    def _close(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class SuiteProcess(ServicesProcess):
    """One running process of local services, with a FastScore suite."""

    names = ("fastscore",)

    @property
    def url(self) -> str:
        """The proxy of the suite."""
        return self.told["fastscore"]["url"]

    @property
    def token(self) -> str:
        """The secret of this start."""
        return self.told["fastscore"]["token"]


class FastmapProcess(ServicesProcess):
    """One running process of local services, with Fastmap."""

    names = ("fastmap",)

    @property
    def url(self) -> str:
        """Where its endpoints begin."""
        return self.told["fastmap"]["url"]

    @property
    def secret(self) -> str:
        """The token of this start, both halves."""
        return self.told["fastmap"]["secret"]


class ServedFastmap(FastmapProcess):
    """Fastmap from a file of settings: with a token and a port that stay.

    Args:
        folder: As `ServicesProcess`; with ``data``, which outlives the process.
        port: Where it listens.
        token: Both halves.
        settings: More keys of the file.
    """

    def __init__(
        self, folder: Path, port: int, token: str, **settings: int | float | str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        secret_file = folder / "secret"
        secret_file.write_text(token)
        secret_file.chmod(0o600)
        kept = {"data_dir": "data", "port": port, "secret_file": "secret"}
        lines = [f"{key}: {value}\n" for key, value in {**kept, **settings}.items()]
        (folder / "fastmap.yaml").write_text("".join(lines))
        super().__init__(folder)

    def _words(self) -> list[str]:
        file = str(self.folder / "fastmap.yaml")
        return ["serve", "fastmap", "--json", "--conf", file]
