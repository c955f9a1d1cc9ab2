"""Each notebook runs top to bottom, repeats what it printed, and can be reopened."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest

from magics.kernels import PATIENCE
from notebooks.last_state import LAST, faults

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem),
]


BOUNDS = PATIENCE | {
    "pilothouse_widgets.dashboard": "CATCH_UP_SECONDS",
    "pilothouse_widgets.dashboard_places": "_ANSWER_SECONDS",
    "pilothouse_widgets.engine": "CATCH_UP_SECONDS",
    "pilothouse_widgets.view": "CATCH_UP_SECONDS",
}
PROFILE = f"""\
c.Pilothouse.progress = "off"
c.Pilothouse.interrupt_timeout = 60
c.InteractiveShellApp.exec_lines = [
    "from importlib import import_module",
    "for name, bound in {BOUNDS}.items():"
    " setattr(import_module(name), bound, 60.0)",
    "del import_module, name, bound",
]
"""
"""No progress is shown: whether it is depends on the machine. Cancels are confirmed,
and views wait for their last state, however busy the services are."""


@pytest.fixture(scope="module")
def env(jupyter_home):
    """A home with a profile for runs that repeat themselves."""
    made = jupyter_home("notebooks")
    profile = Path(made["IPYTHONDIR"]) / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text(PROFILE)
    return made


@contextmanager
def secrets_of_services(env: dict[str, str]) -> Iterator[set[str]]:
    """Collect the secrets of all services that run while the block does.

    A notebook may end what it has started, and then start it again.
    """
    folder, over, found = Path(env["JUPYTER_RUNTIME_DIR"]), threading.Event(), set()

    def look() -> None:
        for file in folder.glob("pilothouse-*.json"):
            with suppress(OSError, ValueError):  # it goes, or is being written
                for service in json.loads(file.read_text("utf-8"))["services"].values():
                    names = ("token", "secret", "password")
                    found.update(service[name] for name in names if service.get(name))

    def watch() -> None:
        while not over.wait(0.1):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
        look()
    finally:
        over.set()
        thread.join()


def committed(path: Path) -> str:
    """Return the notebook as git has it: who ran it here may have saved its outputs."""
    shown = subprocess.run(
        ["git", "show", f":./{path.name}"],
        cwd=path.parent,
        capture_output=True,
        text=True,
    )
    return shown.stdout if shown.returncode == 0 else path.read_text(encoding="utf-8")


def test_it_is_committed_without_outputs(path):
    for cell in nbformat.reads(committed(path), as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def test_it_is_a_story_of_short_cells(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].source.startswith("# ")
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.startswith("%%"):
            assert len(cell.source.splitlines()) <= 12, cell.source


def test_it_runs_and_repeats_itself(path, env, tmp_path, execute, nbval):
    """Under nbclient, then under nbval against that first run.

    It holds no secret, and where there are no widgets the last state of each view.
    """
    with secrets_of_services(env) as secrets:
        notebook = execute(path, env, tmp_path)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            tags = cell.metadata.get("tags", [])
            assert output.output_type != "error" or "raises-exception" in tags
            assert output.get("name") != "stderr", output.text
    saved = tmp_path / path.name
    nbformat.write(notebook, saved)
    assert not faults(nbformat.read(saved, as_version=4), LAST[path.stem])
    assert secrets
    for secret in secrets:
        assert secret not in saved.read_text()

    status, report = nbval(saved, env, "--nbval")

    assert status == 0, report
