"""Environments of their own for the real peers, made when a test asks for one.

An environment lies in ``.venvs/NAME`` at the top of the repository (ignored by git).
It is used again while it is complete and its list of pins has not changed; a second
process that wants it meanwhile waits at a lock. Packages come from whatever index
``pip`` is configured for on the machine.

From a shell: ``python tests/interop/environments.py fastscore`` makes one and prints
the path of its interpreter; without a name it makes all that the tests ask for, or
says why it cannot. An environment of another Python than the one that runs this needs
an interpreter of that version on the machine.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venvs"
_LONGEST_BUILD_S = 900
_MARKER = "complete.txt"


class BuildError(Exception):
    """An environment could not be made; the text is what pip said last."""


class NoSuchPythonError(BuildError):
    """The machine has no interpreter of the version that an environment wants."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment by name and pins.

    Attributes:
        name: Folder below ``.venvs``.
        pins: What to install, each as ``package==version``.
        alone: What to install after that without what it asks for.
        version: The Python it wants, as ``3.8``; empty for the one that runs this.
        compiled: Whether all modules are compiled at once, for who measures a start;
            most of them are never imported.
    """

    name: str
    pins: tuple[str, ...]
    alone: tuple[str, ...] = ()
    version: str = ""
    compiled: bool = False

    @property
    def folder(self) -> Path:
        """Where it lies, made or not."""
        return ENVIRONMENTS / self.name

    @property
    def python(self) -> Path:
        """Its interpreter, once it is made."""
        return self.folder / "bin" / "python"

    def program(self, name: str) -> Path:
        """A command that it installed."""
        return self.folder / "bin" / name

    def ready(self) -> Path:
        """Make it if need be; return its interpreter.

        Raises:
            BuildError: If pip refused, with the last lines of what it said.
            NoSuchPythonError: If the machine lacks the Python that it wants.
        """
        ENVIRONMENTS.mkdir(exist_ok=True)
        with _locked(ENVIRONMENTS / f"{self.name}.lock"):
            if not self._is_complete():
                self._build()
        return self.python

    @property
    def _content(self) -> str:
        """What the marker of a complete environment says."""
        made_with = self.version or sys.version
        return "\n".join([made_with, *self.pins, *self.alone]) + "\n"

    def _is_complete(self) -> bool:
        marker = self.folder / _MARKER
        return marker.is_file() and marker.read_text("utf-8") == self._content

    def _build(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        _run([interpreter(self.version), "-m", "venv", str(self.folder)])
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check"]
        compiling = "--compile" if self.compiled else "--no-compile"
        install = [*pip, "install", "--quiet", compiling]
        _run([*install, *self.pins])
        if self.alone:
            _run([*install, "--no-deps", *self.alone])
        (self.folder / _MARKER).write_text(self._content, "utf-8")


FASTSCORE = Environment(
    "fastscore",
    (
        "fastscore==1.10.3",
        "fastscore-cli==1.10.3",
        "requests-oauthlib==2.0.0",  # the CLI imports it and does not ask for it
        "avro==1.12.2",
        "iso8601==2.1.0",
        "PyYAML==6.0.3",
        "requests==2.34.2",
        "six==1.17.0",
        "tabulate==0.10.0",
        "urllib3==2.8.0",
        "websocket-client==1.9.2",
    ),
)
_FASTMAP = (
    "fastmap==0.0.6",
    "dill==0.3.9",
    "msgpack==1.0.8",
    "requests==2.32.4",
)
FASTMAP = Environment("fastmap-3.11", _FASTMAP, version="3.11")
FASTMAP_38 = Environment("fastmap-3.8", _FASTMAP, version="3.8")
WORKER_38 = Environment("fastmap-worker-3.8", ("dill==0.3.9",), version="3.8")

_MPLANE = (
    "tornado==4.5.3",  # 5 and later: its listener's thread has no loop
    "urllib3==1.26.20",
    "PyYAML==5.4.1",
)
MPLANE = Environment("mplane-3.6", _MPLANE, alone=("mplane-sdk==0.9.0",), version="3.6")
MPLANE_38 = Environment(
    "mplane-3.8", _MPLANE, alone=("mplane-sdk==0.9.0",), version="3.8"
)

MPLANE_MODEL = Environment(  # the model alone still runs on the Python of today
    "mplane-model",
    ("PyYAML==6.0.3", "urllib3==1.26.20"),
    alone=("mplane-sdk==0.9.0",),
)


_AIMM = (
    "aimm==1.2.dev1",
    "hat-juggler==0.7.1",
    "jsonpatch==1.47",
    "numpy==2.5.5",
    "pandas==3.1.1",
)
AIMM = Environment(  # the state of its server works with this hat-json
    "aimm-3.12", (*_AIMM, "hat-json==0.6.5", "scikit-learn==1.9.1"), version="3.12"
)
AIMM_UNPINNED = Environment(  # and loses its clients at the second change with this
    "aimm-unpinned-3.12", (*_AIMM, "hat-json==0.6.8"), version="3.12"
)


def interpreter(version: str) -> str:
    """A Python of the version ``major.minor``; of none, the one that runs this.

    Raises:
        NoSuchPythonError: If there is none on the path, and none that pyenv has made.
    """
    if not version or version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    made = sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
    for found in (*map(str, made), shutil.which(f"python{version}")):
        if found and _is_of(version, found):
            return found
    raise NoSuchPythonError(f"no Python {version} on this machine")


def _is_of(version: str, python: str) -> bool:
    asked = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    told = subprocess.run(
        [python, "-c", asked], capture_output=True, text=True, timeout=20, check=False
    )
    return told.stdout.strip() == version


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str]) -> None:
    settings = {**os.environ, "PIP_NO_INPUT": "1"}
    settings.pop("PYTHONPATH", None)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_LONGEST_BUILD_S,
        env=settings,
        check=False,
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise BuildError(f"{' '.join(command[1:])}\n{last}")


def main() -> None:
    """Make the environments named on the command line; without a name, all."""
    maps = (FASTMAP, FASTMAP_38, WORKER_38)
    probes = (MPLANE, MPLANE_MODEL)
    instances = (AIMM, AIMM_UNPINNED)
    asked_for = (FASTSCORE, *maps, *probes, *instances)
    known = {one.name: one for one in (*asked_for, MPLANE_38)}
    status = 0
    for name in sys.argv[1:] or [one.name for one in asked_for]:
        try:
            sys.stdout.write(f"{known[name].ready()}\n")
        except BuildError as error:
            sys.stderr.write(f"{name}: {error}\n")
            status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
