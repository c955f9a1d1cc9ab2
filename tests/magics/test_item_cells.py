"""A cell is the function of one item: its last expression is the result."""

from __future__ import annotations

import traceback

import dill
import pytest

from pilothouse.errors import LineError
from pilothouse.magics._item_cells import function_of
from pilothouse.magics._session import Session


@pytest.fixture
def session(shell):
    return Session.of(shell)


def test_the_last_expression_is_the_result(session):
    function = function_of(session, "twice = item * 2\ntwice + 1\n")

    assert [function(n) for n in (1, 2)] == [3, 5]


def test_names_of_the_notebook_are_seen_and_local_ones_stay_inside(session, run):
    run("factor = 10")
    function = function_of(session, "local = item * factor\nlocal")

    assert function(2) == 20
    assert "local" not in session.shell.user_ns


def test_definitions_and_imports_inside_the_cell_work(session):
    cell = (
        "import math\ndef half(x):\n    return x / 2\n[half(n) for n in (item, math.e)]"
    )

    assert function_of(session, cell)(4)[0] == 2


def test_a_return_somewhere_will_do_too(session):
    function = function_of(
        session, "if item:\n    return 'yes'\nelse:\n    return 'no'"
    )

    assert (function(1), function(0)) == ("yes", "no")


def test_the_function_can_travel_with_what_it_names(session, run):
    run("factor = 10")
    function = function_of(session, "item * factor")

    sent = dill.dumps(function, recurse=True)

    assert dill.loads(sent)(3) == 30


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("# nothing", "the cell is empty"),
        ("x = item", "line 2 of the cell is the last one, and no expression"),
        ("1 +", "line 2: invalid syntax"),
        ("item\nfor", "line 3: invalid syntax"),
    ],
)
def test_what_is_no_function_is_said_with_the_cells_line(session, cell, said):
    with pytest.raises(LineError, match=said):
        function_of(session, cell)


def test_an_error_inside_is_on_the_line_of_the_cell(session):
    function = function_of(session, "x = item\n1 / x")

    try:
        function(0)
    except ZeroDivisionError:
        text = session.cells.relocate(traceback.format_exc())

    assert "Cell In[1], line 3, in cell_1" in text
    assert "---->   3 1 / x" in text
