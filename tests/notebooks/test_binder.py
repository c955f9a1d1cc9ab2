"""Binder's files, built in a fresh environment by plain pip; the tour runs in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
TOUR = "notebooks/01_tour.ipynb"

NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "screenshots", "__pycache__")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def runtime_python() -> str:
    """Return the interpreter that ``runtime.txt`` names, or this one if it is not here.

    Binder has all of them; a developer's machine has at least this one.
    """
    wanted = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    if wanted == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    return shutil.which(f"python{wanted}") or sys.executable


class Image:
    """What repo2docker makes of the repository, without the container.

    It runs all steps in the repository's folder: ``pip install -r
    binder/requirements.txt``, which comes after the copying since the file names other
    local files, then ``binder/postBuild``, and ``binder/start COMMAND`` at each launch.
    """

    def __init__(self, folder: Path) -> None:
        self.repo = folder / "repo"
        self.python = folder / "env" / "bin" / "python"

    def run(self, *command: str | Path, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=self.repo,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    """The image, built with the pip settings and the pip cache of the user."""
    built = Image(tmp_path_factory.mktemp("binder"))
    shutil.copytree(ROOT, built.repo, ignore=NOT_COPIED)
    built.run(runtime_python(), "-m", "venv", built.python.parents[1])
    requirements = ("-r", "binder/requirements.txt")
    built.run(built.python, "-m", "pip", "install", "--quiet", *requirements)
    return built


def test_all_that_is_installed_is_pinned(image):
    frozen = image.run(image.python, "-m", "pip", "freeze", "--exclude", "pilothouse")
    pinned = (ROOT / "constraints.txt").read_text().lower().splitlines()

    found = [line.lower() for line in frozen.splitlines() if "==" in line]

    assert len(found) > 50
    assert not set(found) - set(pinned)


def test_the_tour_runs_in_what_binder_builds(image, jupyter_home):
    env = jupyter_home("binder", str(image.python))
    image.run(image.repo / "binder" / "postBuild", env=env)

    image.run(
        image.repo / "binder" / "start",
        *("jupyter", "execute", "--timeout=120", "--output=ran.ipynb", TOUR),
        env=env,
    )

    assert "seen so far" in (image.repo / "notebooks" / "ran.ipynb").read_text()


def test_the_links_of_the_readmes_open_the_tour():
    for page in (ROOT / "README.md", BINDER / "README.md"):
        assert f"urlpath=lab/tree/{TOUR}" in page.read_text()
    assert (ROOT / TOUR).is_file()
