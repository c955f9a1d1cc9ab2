"""What the doctor is told by the page itself: what it is, and that it makes widgets."""

import json
import subprocess

import pytest

from waiting import until

MANAGER = "@jupyter-widgets/jupyterlab-manager"
CELL = """%load_ext pilothouse
import json, pathlib
from pilothouse.magics import _doctor
if pathlib.Path("patient").exists():
    _doctor._PAGE_PATIENCE = 60
report = %pilot doctor
print(json.dumps({one.name: [one.state.value, one.found, one.fix]
                  for one in report.checks if one.name in ("front end", "widgets")}))"""


@pytest.fixture
def patient(lab):
    """The kernel waits for answers for as long as a busy machine needs."""
    (lab.root / "patient").touch()
    yield
    (lab.root / "patient").unlink()


def told(opened):
    """Run the cell; return what it said, and see that it left nothing else."""
    opened.run_all()
    until(opened.is_over, 120, "the end of the cell")
    (output,) = opened.save().cells[0].outputs
    checks = json.loads(output.text.splitlines()[-1])
    return {name: tuple(words) for name, words in checks.items()}


@pytest.mark.parametrize(
    ("front_end", "name"), [("lab", "JupyterLab "), ("notebook 7", "Jupyter Notebook ")]
)
@pytest.mark.usefixtures("patient")
def test_the_page_names_itself_and_has_made_a_widget(notebook, front_end, name):
    opened = notebook(CELL)
    if front_end == "notebook 7":
        opened.open_in_notebook_7()

    found = told(opened)

    assert found["front end"][1].startswith(name)
    state, words, _ = found["widgets"]
    assert state == "ok"
    assert words.startswith("the page makes them; its manager 5.")
    assert "anywidget 0." in words


def test_a_page_without_widgets_is_cured_by_the_fix(notebook, lab, request):
    """The second part of the fix, which needs no registry, is run as it is printed."""
    switch(lab, f"jupyter labextension disable {MANAGER}")
    try:
        opened = notebook(CELL)
        state, words, fix = told(opened)["widgets"]

        assert (state, words) == ("FAULT", "the page has made none in 4 s")
        _, command, last = fix.split("; ")
        assert last == "then reload the page"
    finally:
        switch(lab, f"jupyter labextension enable {MANAGER}")
    switch(lab, command)
    opened.reload()
    assert any("jupyterWidgetRegistry" in error for error in opened.errors)
    opened.errors.clear()  # they told of what was switched off
    request.getfixturevalue("patient")
    assert told(opened)["widgets"][0] == "ok"


def switch(lab, command):
    subprocess.run(
        command.split(), env=lab.variables, check=True, capture_output=True, timeout=60
    )
