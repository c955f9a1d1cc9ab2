"""A model run here, without any engine."""

from __future__ import annotations

import os
import sys

import numpy as np
import pandas as pd
import pytest

from pilothouse import errors
from pilothouse.fastscore import FastScoreError, Model, ModelError, Schema
from pilothouse.fastscore.results import RejectedWarning

from .conftest import CUBE, ECHO

POINT = {
    "type": "record",
    "name": "P",
    "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "double"}],
}


def python(source, **options):
    return Model("m", "python3", source, **options)


def test_begin_action_and_end_are_run_in_order():
    source = (
        "log = []\n"
        "def begin():\n    log.append('begin')\n"
        "def action(x, slot, seqno):\n    log.append(x)\n"
        "    yield [slot, seqno, len(log)]\n"
        "def end():\n    print(log + ['end'])\n"
    )
    assert python(source).score([7, 8]) == [[0, 1, 2], [0, 2, 3]]


def test_end_is_left_out_where_more_is_to_come(capsys):
    source = "def action(x):\n    yield x\ndef end():\n    print('ended')\n"
    python(source).score([1], complete=False)
    assert capsys.readouterr().out == ""
    python(source).score([1])
    assert capsys.readouterr().out == "ended\n"


def test_results_are_typed_by_the_output_schema():
    source = "# fastscore.schema.1: out\ndef action(x):\n    yield {'x': x, 'y': 1}\n"
    frame = python(source, schemas={"out": POINT}).score([1, 2])
    assert list(frame.columns) == ["x", "y"]
    assert frame.x.dtype == frame.y.dtype == np.float64
    rows = python(source, schemas={"out": POINT}).score([1], as_frame=False)
    assert rows == [{"x": 1, "y": 1}]
    scalars = python("# fastscore.schema.1: s\n" + CUBE, schemas=[Schema("s", "int")])
    assert scalars.score([2]).value.dtype == np.int32
    assert python(CUBE).score([2]) == [8]


def test_a_frame_goes_in_and_comes_out():
    source = "def action(r):\n    yield {'s': r['x'] + r['y']}\n"
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})
    assert list(python(source).score(frame).s) == [4.0, 6.0]
    assert list(python(source).score(frame.iloc[:0]).columns) == ["value"]


def test_rows_of_a_frame_look_as_they_do_on_an_engine():
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-01-02"]), "x": [np.nan]})
    assert python(ECHO).score(frame, as_frame=False) == [
        {"at": "2026-01-02T00:00:00", "x": None}
    ]


def test_what_does_not_fit_its_schema_is_rejected_on_both_sides():
    source = (
        "# fastscore.schema.0: in\n# fastscore.schema.1: out\n"
        "def action(x):\n    yield x if x < 3 else 'large'\n"
    )
    model = python(source, schemas={"in": "int", "out": "int"})
    with pytest.warns(RejectedWarning, match="2 of 4 records rejected"):
        result = model.score([1, "a", 2, 3])
    assert list(result.value) == [1, 2]
    first, second = result.attrs["rejected"]
    assert (first.slot, first.index) == (0, 1)
    assert first.reason == 'Int expected, not "a"'
    assert (second.slot, second.index, second.record) == (1, None, "large")
    assert "output" in str(second)


def test_a_missing_schema_is_named_and_may_come_from_model_manage(mm):
    model = python("# fastscore.schema.0: nowhere\n" + ECHO)
    with pytest.raises(errors.NotFoundError, match="'nowhere'") as caught:
        model.score([1])
    assert isinstance(caught.value, FastScoreError)
    assert model.score([1], schemas={"nowhere": "int"}) == [1]
    model.update(mm)
    Schema("nowhere", "int").update(mm)
    assert mm.models["m"].score([1]) == [1]


def test_an_exception_is_told_on_the_lines_of_the_source():
    source = "def half(x):\n    return 1 / x\n\ndef action(x):\n    yield half(x)\n"
    with pytest.raises(ModelError, match="ZeroDivisionError") as caught:
        python(source).score([1, 0])
    error = caught.value
    assert error.lines == (5, 2)
    assert error.record == "0"
    assert "return 1 / x" in error.console
    assert isinstance(error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def action(x:\n", 1),
        ("x = 1\n", None),
        ("def action(x):\n    yield (1, 2, 3\n", 2),
    ],
)
def test_a_source_that_cannot_be_loaded_says_where(source, line):
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        python(source).score([1])
    assert caught.value.lines == (() if line is None else (line,))


def test_record_sets_go_in_and_out_as_frames():
    source = (
        "# fastscore.recordsets.$all: yes\n"
        "def action(frame):\n    frame['z'] = frame.x + 1\n    yield frame\n"
    )
    assert python(source).score([{"x": 1}, {"x": 2}]) == [
        {"x": 1, "z": 2},
        {"x": 2, "z": 3},
    ]
    scalar = "# fastscore.recordsets.0: yes\ndef action(s):\n    yield s.sum()\n"
    assert python(scalar).score([1, 2, 3]) == [6]


def test_an_explicit_model_reads_and_writes_its_slots():
    source = (
        "# fastscore.action: unused\n# fastscore.recordsets.0: yes\n"
        "from fastscore.io import Slot\n"
        "for frame in Slot(0):\n    Slot(1).write(frame.x.sum().item())\n"
    )
    assert python(source).score([{"x": 1}, {"x": 2}]) == [3]


def test_several_slots_are_fed_and_read():
    source = (
        "# fastscore.slot.2: in-use\n# fastscore.slot.3: in-use\n"
        "# fastscore.action.2: right\n"
        "def action(x):\n    yield x\n"
        "def right(x):\n    yield (3, -x)\n"
    )
    model = python(source)
    assert model.score([(0, 1), (2, 2), (0, 3)], multi_stream=True) == [
        (1, 1),
        (3, -2),
        (1, 3),
    ]
    assert model.score([5], input_slot=2, output_slot=3) == [-5]
    with pytest.raises(FastScoreError, match="slot 7 is not in use"):
        model.score([5], input_slot=7)


def test_json_texts_go_in_and_out():
    assert python(ECHO).score(['{"x": 1}', "2"], encoding="json") == ['{"x":1}', "2"]
    with pytest.raises(FastScoreError, match="encoding"):
        python(ECHO).score([1], encoding="xml")


def test_cells_and_pools_are_there_and_begin_afresh():
    source = (
        "import fastscore\ndef action(x):\n"
        "    yield fastscore.cells('n').update(lambda n: (n or 0) + x)\n"
    )
    model = python(source)
    assert model.score([1, 2]) == [1, 3]
    assert model.score([1]) == [1]
    assert "fastscore" not in sys.modules


def test_attachments_lie_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = (
        "from pathlib import Path\nimport words_of_this_test\n"
        "def action(x):\n"
        "    yield Path('words.txt').read_text() + words_of_this_test.word\n"
    )
    for word in ("you", "me"):
        model = python(source)
        model.attach(
            {"words.txt": "hello ", "words_of_this_test.py": f"word = '{word}'"}
        )
        assert model.score([1]) == [f"hello {word}"]
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109
    assert not any("pilothouse-" in entry for entry in sys.path)


def test_only_python_runs_here():
    with pytest.raises(FastScoreError, match="cannot run here"):
        Model("m", "R", "action <- 1").score([1])
    with pytest.raises(FastScoreError, match="collection"):
        python(ECHO).score("text")


def test_options_say_what_the_annotations_say():
    options = python("# fastscore.schema.0: a\n# fastscore.snapshots: eof\n").options
    assert options.slots[0].schema_name == "a"
    assert options.snapshots == "eof"
    with pytest.raises(FastScoreError, match="line 1"):
        _ = python("# fastscore.snapshots: now\n").options


def test_schemas_of_two_models_do_not_mix():
    one, other = python(ECHO), python(ECHO)
    one.schemas["a"] = Schema("a", "int")
    assert other.schemas == {}
