"""Requirements that are not met, into a folder of their own, if that is allowed.

    FOLDER/<digest of interpreter and requirements>/      ; complete, or not there

Installed by pip of the worker's interpreter; only what the worker has in another
version, or not at all. Nothing of the interpreter's own packages changes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pilothouse.fastmap.worker.outcomes import Cause, Failed

__all__ = ["Installer"]

_INSTALL_SECONDS: Final = 600.0
_SHOWN_CHARACTERS: Final = 4000
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION: Final = re.compile(r"[A-Za-z0-9.+!_-]*")
_UNMET: Final = """
import json, sys
from importlib import metadata
wanted = json.load(sys.stdin)
def is_met(name, version):
    try:
        return not version or metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False
unmet = [f"{n}=={v}" if v else n for n, v in wanted.items() if not is_met(n, v)]
json.dump(unmet, sys.stdout)
"""


class Installer:
    """Installs requirements; blocking calls, for threads.

    Args:
        folder: Nobody else writes there.
        is_allowed: Whether anything is installed.
    """

    def __init__(self, folder: Path, is_allowed: bool) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.is_allowed = is_allowed

    def install(self, python: str, requirements: Mapping[str, str]) -> str | Failed:
        """Return the folder that has what was not met, or why it cannot be had."""
        for name, version in requirements.items():
            if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
                return _failed({name: version}, "this is no name and version")
        said = json.dumps([python, sorted(requirements.items())])
        target = self._folder / hashlib.sha256(said.encode()).hexdigest()[:16]
        with self._lock:
            if target.exists():
                return str(target)
            try:
                self._fill(python, requirements, target)
            except subprocess.CalledProcessError as exc:
                return _failed(requirements, exc.stderr or "")
            except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
                return _failed(requirements, str(exc))
        return str(target)

    def _fill(self, python: str, wanted: Mapping[str, str], target: Path) -> None:
        unmet = json.loads(_said_by([python, "-I", "-c", _UNMET], json.dumps(wanted)))
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        if unmet:
            words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            words += ["--no-deps", "--no-input", "--target", str(partial), *unmet]
            _said_by([python, *words], "")
        partial.rename(target)


def _said_by(command: list[str], said: str) -> str:
    return subprocess.run(
        command,
        input=said,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=True,
    ).stdout


def _failed(requirements: Mapping[str, str], why: str) -> Failed:
    names = ", ".join(f"{n}=={v}" if v else n for n, v in requirements.items())
    return Failed(
        cause=Cause.USER,
        exception=f"requirements cannot be installed: {names}"[:_SHOWN_CHARACTERS],
        traceback=why[-_SHOWN_CHARACTERS:],
    )
