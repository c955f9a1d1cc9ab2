"""Binder's files, built in a fresh environment by plain pip; the tour runs in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"


def runtime_python() -> str:
    """Return the interpreter that ``runtime.txt`` names."""
    wanted = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    if wanted == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{wanted}")
    assert found, f"binder/runtime.txt names Python {wanted}, which is not installed here"
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tour_runs_in_what_binder_builds(tmp_path, jupyter_home):
    """As repo2docker does: requirements, postBuild, then start with a command."""
    source = tmp_path / "repo"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*venv*", ".git"))
    subprocess.run([runtime_python(), "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    env = jupyter_home("binder", str(python))

    def run(*command: str | Path) -> None:
        done = subprocess.run(
            command,
            cwd=source,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout

    pip_env = {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
    env.update(pip_env)
    run(python, "-m", "pip", "install", "-q", "-r", "binder/requirements.txt")
    run(source / "binder" / "postBuild")
    tour = "notebooks/01_tour.ipynb"
    run(source / "binder" / "start", "jupyter", "execute", "--timeout=120", tour)
