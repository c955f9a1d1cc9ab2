"""What magics return shows as text and as HTML, and is data."""

from __future__ import annotations

import pytest

from pilothouse.magics._cells import Cells
from pilothouse.magics._show import Page, Table, text_table


@pytest.fixture
def table():
    rows = [{"name": "a<b>", "n": 1}, {"name": "c", "n": None}]
    return Table(("name", "n"), rows, empty="none here")


def test_a_table_is_a_sequence_of_rows(table):
    assert len(table) == 2
    assert table[0]["n"] == 1
    assert [row["name"] for row in table] == ["a<b>", "c"]
    assert table[1:] == (table[1],)


def test_a_table_shows_aligned_text_and_escaped_html(table):
    assert repr(table) == "name  n\n----  -\na<b>  1\nc"
    assert "a&lt;b&gt;" in table._repr_html_()
    assert "<b>" not in table._repr_html_()


def test_names_stay_on_their_line_and_long_text_breaks():
    row = {"when": "now ... future / 1s", "results": "delay.twoway.icmp.us.min, " * 3}
    page = Table(("when", "results"), [row])._repr_html_()

    assert "nowrap'>now ... future / 1s<" in page
    assert "<td style='text-align:left'>delay" in page


def test_an_empty_table_says_so():
    empty = Table(("name",), [], empty="none <here>")

    assert repr(empty) == "(none <here>)"
    assert empty._repr_html_() == "<em>none &lt;here&gt;</em>"
    assert text_table(("a", "b"), []) == "a  b\n-  -"


def test_a_page_shows_as_its_text():
    assert repr(Page("two\nlines")) == "two\nlines"


SOURCE = "import math\n\ndef action(x):\n    y = x - 1\n    yield 1 / y\n"
TRACEBACK = """Traceback (most recent call last):
  File "<model scorer>", line 5, in action
    yield 1 / y
          ~~^~~
ZeroDivisionError: division by zero"""


def test_a_traceback_moves_to_the_lines_of_the_cell():
    cells = Cells()
    cells.note("scorer", 7, SOURCE)

    assert cells.relocate(TRACEBACK).splitlines() == [
        "Traceback (most recent call last):",
        "  Cell In[7], line 6, in action",
        "          4 def action(x):",
        "          5     y = x - 1",
        "  ---->   6     yield 1 / y",
        "ZeroDivisionError: division by zero",
    ]


def test_a_traceback_of_another_model_stays_as_it_is():
    cells = Cells()
    cells.note("other", 7, SOURCE)

    assert cells.relocate(TRACEBACK) == TRACEBACK


def test_the_cell_counts_only_while_it_holds_the_same_source():
    cells = Cells()
    cells.note("scorer", 7, SOURCE)

    assert cells.get("scorer", SOURCE) is not None
    assert cells.get("scorer", "changed") is None
