"""A Jupyter home of its own for the notebooks, with its own local services."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from magics.kernels import AsyncManager


def isolated(home: Path, python: str) -> dict[str, str]:
    """Return an environment in which nothing outside ``home`` is read or written."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PILOTHOUSE_")}
    for name in ("runtime", "data", "config", "ipython", "tmp"):
        (home / name).mkdir(parents=True, exist_ok=True)
    env.update(
        HOME=str(home),
        TMPDIR=str(home / "tmp"),
        XDG_DATA_HOME=str(home / "data"),
        XDG_CONFIG_HOME=str(home / "config"),
        XDG_STATE_HOME=str(home / "state"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_CONFIG_DIR=str(home / "config"),
        IPYTHONDIR=str(home / "ipython"),
        PATH=f"{Path(python).parent}{os.pathsep}{env['PATH']}",
    )
    env.pop("JUPYTER_PATH", None)
    return env


@pytest.fixture(scope="session")
def jupyter_home(tmp_path_factory):
    """Make environments whose kernels share local services; stop those at the end."""
    made: list[tuple[str, dict[str, str]]] = []

    def make(name: str, python: str = sys.executable) -> dict[str, str]:
        env = isolated(tmp_path_factory.mktemp(name), python)
        made.append((python, env))
        return env

    yield make
    for python, env in made:
        subprocess.run(
            [python, "-m", "pilothouse", "down"], env=env, check=True, timeout=60
        )


@pytest.fixture(scope="session")
def execute():
    """Run a notebook through nbclient in a kernel of its own, and return it."""

    def run(path: Path, env: dict[str, str], cwd: Path) -> nbformat.NotebookNode:
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            kernel_manager_class=AsyncManager,
        )
        client.execute(env=env, cwd=str(cwd))
        return notebook

    return run


@pytest.fixture(scope="session")
def nbval():
    """Run a notebook under nbval, in a pytest of its own."""

    def run(path: Path, env: dict[str, str], *options: str) -> tuple[int, str]:
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"),
                *("-c", os.devnull, "--rootdir", str(path.parent), "-W", "ignore"),
                *("--nbval-cell-timeout=120", "--nbval-current-env"),
                *(*options, str(path)),
            ],
            env=env,
            cwd=path.parent,
            capture_output=True,
            text=True,
            timeout=580,
        )
        return ran.returncode, ran.stdout + ran.stderr

    return run
