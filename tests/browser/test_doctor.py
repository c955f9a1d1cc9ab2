"""What the doctor says of the front end, in two that a kernel cannot tell apart."""

import pytest

from waiting import until

CELL = """%load_ext pilothouse
report = %pilot doctor
print({one.name: one.found for one in report.checks}["front end"])"""


@pytest.mark.parametrize("front_end", ["lab", "notebook 7"])
def test_both_are_named_where_it_may_be_either(notebook, front_end):
    opened = notebook(CELL)
    if front_end == "notebook 7":
        opened.open_in_notebook_7()
    opened.run_all()
    until(opened.is_over, 120, "the end of the cell")

    (output,) = opened.save().cells[0].outputs
    said = "kernel of a Jupyter server, by JupyterLab or Notebook 7\n"
    assert output.text == said
