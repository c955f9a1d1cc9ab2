"""What goes wrong in a notebook turns both runners red; else their green is empty."""

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


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    """A notebook in which every cell but the first is wrong."""
    path = tmp_path_factory.mktemp("canary") / "canary.ipynb"
    sources = ["%load_ext pilothouse", *CANARIES.values()]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_nbclient_stops_at_the_first_mistake(canary, env, execute):
    with pytest.raises(CellExecutionError):
        execute(canary, env, canary.parent)


def test_nbval_fails_each_mistake(canary, env, nbval):
    status, report = nbval(canary, env, "--nbval-lax")

    assert status == 1
    assert f"{len(CANARIES)} failed, 1 passed" in report
