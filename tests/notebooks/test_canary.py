"""What goes wrong in a notebook must turn both runners red; else their green is empty."""

from __future__ import annotations

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

CANARIES = {
    "a wrong option": "%pilot status --no-such-option",
    "an unknown subcommand": "%engine fly",
    "a broken schema": "%%schema broken\n{",
    "an unknown engine": "%fastscore connect\n%engine engine-77 state",
}


@pytest.fixture(scope="module")
def env(jupyter_home):
    return jupyter_home("canary")


@pytest.mark.parametrize("source", CANARIES.values(), ids=CANARIES)
def test_a_mistake_fails_in_both_runners(source, env, tmp_path, execute, nbval):
    path = tmp_path / "canary.ipynb"
    cells = [
        nbformat.v4.new_code_cell("%load_ext pilothouse"),
        nbformat.v4.new_code_cell(source),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)

    with pytest.raises(CellExecutionError):
        execute(path, env, tmp_path)
    status, report = nbval(path, env, "--nbval-lax")
    assert status == 1
    assert "1 failed, 1 passed" in report
