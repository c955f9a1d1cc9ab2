"""Each notebook runs top to bottom, and repeats what it printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem),
]


@pytest.fixture(scope="module")
def env(jupyter_home):
    """A home in which no progress is shown: whether it is depends on the machine."""
    made = jupyter_home("notebooks")
    profile = Path(made["IPYTHONDIR"]) / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text('c.Pilothouse.progress = "off"\n')
    return made


def secrets_of_services(env: dict[str, str]) -> list[str]:
    """Return the secrets of the services that the notebook has started."""
    status = subprocess.run(
        [sys.executable, "-m", "pilothouse", "status", "--json"],
        env=env,
        check=True,
        capture_output=True,
        timeout=60,
    )
    endpoints = [
        endpoint
        for running in json.loads(status.stdout)
        for endpoint in running.values()
        if isinstance(endpoint, dict)
    ]
    names = ("token", "secret", "password")
    found = [each[name] for each in endpoints for name in names if each.get(name)]
    assert found
    return found


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
    """Under nbclient, then under nbval against that first run; it holds no secret."""
    notebook = execute(path, env, tmp_path)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            tags = cell.metadata.get("tags", [])
            assert output.output_type != "error" or "raises-exception" in tags
            assert output.get("name") != "stderr", output.text
    saved = tmp_path / path.name
    nbformat.write(notebook, saved)
    for secret in secrets_of_services(env):
        assert secret not in saved.read_text()

    status, report = nbval(saved, env, "--nbval")

    assert status == 0, report
