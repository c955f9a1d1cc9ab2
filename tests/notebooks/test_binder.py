"""Binder's files, built in a fresh environment by plain pip; the tour runs in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from browser.lab import LabServer, NotebookPage, a_chromium
from free_ports import free_port
from waiting import until

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
TOUR = "notebooks/01_tour.ipynb"
DASHBOARD = "notebooks/06_dashboard.ipynb"
SCREENSHOTS = ROOT / "screenshots"

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


@pytest.fixture(scope="module")
def launched(image, jupyter_home):
    """The image at work: `start` with the command and the address that Binder gives."""
    env = jupyter_home("binder", str(image.python))
    image.run(image.repo / "binder" / "postBuild", env=env)
    log = (image.repo / "launch.log").open("wb")
    port = free_port()
    at = "/user/pilothouse-4f2k9/"
    server = subprocess.Popen(
        [
            *(image.repo / "binder" / "start", "jupyter", "lab", "--no-browser"),
            *("--allow-root", "--ip=127.0.0.1", f"--port={port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.base_url={at}"),
            *("--IdentityProvider.token=", "--expose-app-in-browser"),
            "--ServerApp.disable_check_xsrf=True",
        ],
        cwd=image.repo,
        env=env,
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}{at.rstrip('/')}"
    lab = LabServer(url, image.repo, image.repo / "launch.log", env)
    try:
        until(lambda: server.poll() is not None or lab.answers(), 90, "the server")
        assert server.poll() is None, lab.log.read_text()
        yield lab
    finally:
        server.terminate()
        server.wait(30)
        log.close()


@pytest.fixture
def page(launched):
    """A page of a browser that finds this machine only; it has asked nobody else."""
    with a_chromium() as browser:
        opened = NotebookPage(
            browser.new_page(), launched, launched.root / TOUR, SCREENSHOTS
        )
        yield opened
        opened.page.close()
    launched.end_sessions()
    assert not opened.outside, opened.outside
    assert not opened.errors, opened.errors


def test_the_tour_runs_where_its_link_leads(page, launched):
    page.page.goto(f"{launched.url}/{urlpath(TOUR)}")
    page.wait_for_kernel()
    page.run_all()

    monitor = page.find(".ph-engine")
    monitor.wait_for(timeout=120_000)
    until(lambda: monitor.get_attribute("data-state") == "RUNNING")
    plot = monitor.locator(".ph-plot")
    seen = int(plot.get_attribute("data-seq") or 0)
    until(lambda: int(plot.get_attribute("data-seq") or 0) > seen, 60, "a live value")
    page.shoot("binder-tour")
    until(page.is_over, 180, "the end of the tour")
    page.save()
    assert "seen so far: " in page.path.read_text(encoding="utf-8")


def test_the_dashboard_lives_where_its_link_leads(page, launched):
    page.page.goto(f"{launched.url}/{urlpath(DASHBOARD, 'voila/render')}")

    board = page.page.locator(".ph-dashboard")
    board.wait_for(timeout=120_000)
    until(lambda: board.get_attribute("data-up") == "4", 60, "four services")
    seen = int(board.get_attribute("data-seq") or 0)
    until(lambda: int(board.get_attribute("data-seq") or 0) > seen, 60, "a live value")
    page.shoot("binder-dashboard")


def links(page: Path) -> list[str]:
    """Return what the links of a page open in the image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    source = urlsplit(project["project"]["urls"]["Source"])
    launch = f"https://mybinder.org/v2/gh{source.path}/HEAD?urlpath="
    found = re.findall(r"https://mybinder\.org/v2[^\s)`]+", page.read_text("utf-8"))
    assert [link for link in found if not link.startswith(launch)] == []
    return [link.removeprefix(launch) for link in found]


def urlpath(notebook: str, opened_by: str = "lab/tree") -> str:
    """Return what the link of the README opens, once it is there."""
    wanted = f"{opened_by}/{notebook}"
    assert wanted in links(ROOT / "README.md")
    return wanted


def test_the_readme_has_a_link_for_each_story_and_the_dashboard():
    stories = sorted((ROOT / "notebooks").glob("*.ipynb"))

    assert sorted(links(ROOT / "README.md")) == sorted(
        [
            *(f"lab/tree/notebooks/{path.name}" for path in stories),
            f"voila/render/{DASHBOARD}",
        ]
    )
    assert (ROOT / DASHBOARD).is_file()
    assert "OWNER/REPOSITORY" not in (ROOT / "README.md").read_text(encoding="utf-8")
