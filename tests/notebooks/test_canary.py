"""What goes wrong in a notebook turns both runners red; else their green is empty."""

from __future__ import annotations

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from notebooks.last_state import VIEW, faults

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


SHOWN = "engine-1: PAUSED, model root & all"
PAGE = "<div><b>engine-1: PAUSED,</b> model root &amp; all</div><table></table>"
DOCTORED = {
    "the text is missing": {"text/plain": ""},
    "the page is missing": {"text/html": ""},
    "the page says something else": {"text/html": PAGE.replace("PAUSED", "RUNNING")},
    "both are of before": {
        "text/plain": SHOWN.replace("PAUSED", "RUNNING"),
        "text/html": PAGE.replace("PAUSED", "RUNNING"),
    },
    "a part of the page is of before": {"text/html": PAGE + "<p>no data yet</p>"},
    "the view is gone": {VIEW: None},
}


def reopened(data):
    """Return a saved notebook with one output."""
    kept = {kind: form for kind, form in data.items() if form is not None}
    output = nbformat.v4.new_output("display_data", kept)
    cell = nbformat.v4.new_code_cell("monitor", outputs=[output])
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.mark.parametrize("doctored", DOCTORED.values(), ids=DOCTORED.keys())
def test_a_view_that_does_not_show_its_last_state_is_found(doctored):
    saved = {VIEW: {"model_id": "1"}, "text/plain": SHOWN, "text/html": PAGE}
    last = (r"^engine-1: PAUSED",)

    assert not faults(reopened(saved), last)
    assert faults(reopened(saved | doctored), last)
