"""Explicit models, and the module that a model imports as ``fastscore``."""

import sys
import textwrap
import types

import pandas as pd
import pytest

from pilothouse.fastscore.runtime.callbacks import ModelSourceError, OutputError
from pilothouse.fastscore.runtime.explicit import ListSlots, run_explicit
from pilothouse.fastscore.runtime.module import Slot, installed, model_module
from pilothouse.fastscore.runtime.state import Cell, LocalState
from pilothouse.fastscore.wire.annotations import parse_options


def run(source, inputs, state=None):
    source = "# fastscore.action: unused\n" + textwrap.dedent(source)
    options = parse_options(source, "python3")
    assert options.explicit
    slots = ListSlots(options, inputs)
    run_explicit(source, name="m", slots=slots, state=state or LocalState())
    return slots.outputs


@pytest.mark.parametrize(
    "source",
    [
        "from fastscore.io import Slot\nfor x in Slot(0):\n    Slot(1).write(x * 2)",
        """
        import fastscore.io
        source, sink = fastscore.io.Slot(0), fastscore.io.Slot(1)
        while (x := source.read(format="pandas.standard")) is not None:
            sink.write(x * 2)
        """,
        """
        import fastscore
        for x in fastscore.io.Slot(0):
            fastscore.io.Slot(1).write(x * 2)
        """,
    ],
)
def test_a_script_reads_and_writes_its_slots(source):
    assert run(source, {0: [1, 2, 3]}) == [(1, 2), (1, 4), (1, 6)]


def test_a_slot_with_record_sets_gives_frames():
    frames = [pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [3]})]
    source = """
    # fastscore.recordsets.0: yes
    from fastscore.io import Slot
    for frame in Slot(0):
        Slot(1).write(int(frame["a"].sum()))
    """
    assert run(source, {0: frames}) == [(1, 3), (1, 3)]


def test_numbers_come_along_where_they_are_wanted():
    source = """
    # fastscore.recordsets.0: yes
    from fastscore.io import Slot
    slot = Slot(0)
    while (pair := slot.read(with_seqno=True)) is not None:
        Slot(1).write(pair[1])
    """
    assert run(source, {0: [[1, 2], [3]]}) == [(1, 2), (1, 3)]


def test_a_script_may_stop_before_its_input_does():
    source = """
    import sys
    from fastscore.io import Slot
    Slot(1).write(Slot(0).read())
    sys.exit()
    """
    assert run(source, {0: [1, 2, 3]}) == [(1, 1)]


def test_a_script_that_exits_with_an_error_has_failed():
    with pytest.raises(SystemExit):
        run("import sys\nsys.exit(3)", {})


def test_cells_are_shared_between_runs():
    state = LocalState()
    source = """
    import fastscore
    for x in fastscore.io.Slot(0):
        fastscore.cells("sum").update(lambda n: (n or 0) + x)
        fastscore.pools("seen").set(x, True)
    """
    run(source, {0: [1, 2]}, state)
    run(source, {0: [3]}, state)
    assert Cell(state, "sum").value == 6


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("Slot(3).write(1)", OutputError),
        ("Slot(2).read()", OutputError),
        ("Slot(0).write(1)", ValueError),
        ("Slot(1).read()", ValueError),
        ("Slot(0).read(format='csv')", ValueError),
        ("Slot(-1)", ValueError),
        ("Slot('0')", ValueError),
        ("Slot(True)", ValueError),
    ],
)
def test_slots_are_used_as_they_are_meant(line, error):
    with pytest.raises(error):
        run(f"from fastscore.io import Slot\n{line}", {0: [1]})


def test_what_is_no_python_is_refused():
    with pytest.raises(ModelSourceError):
        run("for", {})


def test_a_callback_model_has_no_business_with_slots():
    with pytest.raises(RuntimeError, match=r"fastscore\.action: unused"):
        Slot(0).read()
    with pytest.raises(RuntimeError, match=r"fastscore\.action: unused"):
        Slot(1).write(1)


def test_afterwards_the_name_means_what_it_meant_before(monkeypatch):
    """The client library of a user may be called fastscore as well."""
    theirs = types.ModuleType("fastscore")
    inner = types.ModuleType("fastscore.suite")
    monkeypatch.setitem(sys.modules, "fastscore", theirs)
    monkeypatch.setitem(sys.modules, "fastscore.suite", inner)
    with installed(model_module(LocalState())):
        import fastscore

        assert fastscore is not theirs
        assert "fastscore.suite" not in sys.modules
        assert repr(fastscore.io.Slot(3)) == "Slot(3)"
    assert sys.modules["fastscore"] is theirs
    assert sys.modules["fastscore.suite"] is inner
    assert "fastscore.io" not in sys.modules


def test_it_is_restored_after_a_failure_too():
    before = sys.modules.get("fastscore")
    with pytest.raises(ZeroDivisionError):
        run("import fastscore\n1 / 0", {})
    assert sys.modules.get("fastscore") is before
