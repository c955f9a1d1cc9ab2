"""What a release would upload, built once; and an environment that has only that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from notebooks.conftest import isolated

ROOT = Path(__file__).parents[2]


NOT_COPIED = shutil.ignore_patterns(
    *(".venv", ".venvs", ".git", ".*_cache", ".hypothesis", "__pycache__"),
    *("build", "dist", "screenshots", ".ipynb_checkpoints"),
)


@dataclass(frozen=True)
class Release:
    """The two files of a release, and the tree that they were built from."""

    tree: Path
    sdist: Path
    wheel: Path


def quietly(*command: str | Path, **options: object) -> str:
    """Run a command; return what it printed, or fail with that."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def release(tmp_path_factory) -> Release:
    """The sdist of this tree, and the wheel that is built from that sdist."""
    folder = tmp_path_factory.mktemp("release")
    tree = folder / "tree"  # a copy: nobody edits it meanwhile
    shutil.copytree(ROOT, tree, ignore=NOT_COPIED)
    quietly(sys.executable, "-m", "build", "--outdir", folder, tree)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return Release(tree, sdist, wheel)


class Installed:
    """The wheel without any extra, in an environment and a home of its own."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        self.cwd = folder / "elsewhere"
        self.cwd.mkdir()
        quietly(sys.executable, "-m", "venv", folder / "env")
        pinned = ("-c", ROOT / "constraints.txt", wheel)
        pip = (self.python, "-m", "pip", "install", "--quiet")
        quietly(*pip, "--disable-pip-version-check", *pinned)
        self.env = isolated(folder / "home", str(self.python))
        self.env.pop("PYTHONPATH", None)

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, far from the checkout."""
        command, *further = words
        return subprocess.run(
            [self.bin / command, *further],
            cwd=self.cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=110,
        )


@pytest.fixture(scope="session")
def installed(release, tmp_path_factory) -> Installed:
    made = Installed(tmp_path_factory.mktemp("installed"), release.wheel)
    yield made
    ended = made.run("pilothouse", "down")
    assert ended.returncode == 0, ended.stderr
