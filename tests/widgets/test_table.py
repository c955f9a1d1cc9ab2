import json

import numpy as np
import pytest

from pilothouse_widgets import Column, LiveTable
from pilothouse_widgets.feed import the_feed


@pytest.fixture
def table():
    return LiveTable(
        [
            "name",
            Column("size", kind="size"),
            Column("rate", unit="1/s", kind="number"),
        ],
        [("a", 10, 0.5), ("b", 2048, 1.5)],
        key="name",
        title="Things",
    )


def deltas(widget, comms):
    assert the_feed().flush(60)
    found = next(c for c in comms if c.comm_id == widget.model_id)
    return [content["delta"] for content, _ in found.custom if "delta" in content]


def test_the_whole_is_there_for_later_views(table):
    assert the_feed().flush(60)
    assert table.get_state("_whole")["_whole"] == {
        "seq": 1,
        "rows": [[0, "a", 10, 0.5], [1, "b", 2048, 1.5]],
    }


def test_only_changed_cells_are_sent(table, comms):
    deltas(table, comms)
    table.set([("a", 10, 0.75), ("b", 2048, 1.5)])

    assert deltas(table, comms)[-1] == {"seq": 2, "cells": [[0, 2, 0.75]]}


def test_nothing_is_sent_when_nothing_changed(table, comms):
    before = len(deltas(table, comms))
    table.set([("a", 10, 0.5), ("b", 2048, 1.5)])

    assert len(deltas(table, comms)) == before


def test_rows_come_and_go(table, comms):
    deltas(table, comms)
    table.set([("b", 2048, 1.5), ("c", 1, 1.0)])

    assert deltas(table, comms)[-1] == {
        "seq": 2,
        "rows": [[2, "c", 1, 1.0]],
        "gone": [0],
    }
    assert [row["name"] for row in table.rows()] == ["b", "c"]


def test_update_keeps_the_other_rows_and_remove_takes_some(table):
    table.update([{"name": "b", "size": 1, "rate": 0.0}])
    table.remove(["a", "unknown"])

    assert table.rows() == [{"name": "b", "size": 1, "rate": 0.0}]


def test_changes_are_merged_between_two_messages(table, comms):
    deltas(table, comms)
    with table._lock:
        for i in range(100):
            table.update([("a", i, 0.0)])

    found = deltas(table, comms)
    assert found[-1]["cells"][0][:3] == [0, 1, 99]
    assert len(found) == 2


def test_a_whole_is_not_overtaken_by_what_is_newer(table, comms, monkeypatch):
    """A change amid an answer to the browser follows behind that."""
    deltas(table, comms)
    table._sight.seen = True
    usual = table._numbered_whole

    def and_then_it_changes():
        found = usual()
        table.update([("a", 11, 0.5)])
        table._deltas.flush(0.2)
        return found

    monkeypatch.setattr(table, "_numbered_whole", and_then_it_changes)
    table._send_whole()
    assert the_feed().flush(60)

    found = next(c for c in comms if c.comm_id == table.model_id)
    sent = [content.popitem() for content, _ in found.custom]
    assert [kind for kind, _ in sent][-2:] == ["whole", "delta"]
    assert [said["seq"] for _, said in sent] == sorted(said["seq"] for _, said in sent)


def test_numbers_of_numpy_and_numbers_that_json_has_not():
    table = LiveTable(["a", "b", "c"], [(np.int64(3), np.float32(0.5), float("nan"))])

    assert table.rows() == [{"a": 3, "b": 0.5, "c": None}]
    json.dumps(table.get_state("_whole"), allow_nan=False)


def test_sixty_changed_cells_take_less_than_two_kilobytes(comms):
    """500 rows, 20 changed with 3 cells each: the content and 900 of envelope."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(500, 8)).round(3)
    table = LiveTable(list("abcdefgh"), rows.tolist())
    deltas(table, comms)
    chosen = rng.choice(500, 20, replace=False)
    for row in chosen:
        rows[row, rng.choice(8, 3, replace=False)] = rng.normal(size=3).round(3)
    table.set(rows.tolist())

    delta = deltas(table, comms)[-1]

    assert sum(len(row) // 2 for row in delta["cells"]) == 60
    assert len(json.dumps(delta)) + 900 < 1900


def test_ten_thousand_rows_are_one_message(comms):
    table = LiveTable(["i", "text"], [(i, f"row {i}") for i in range(10_000)])

    assert len(deltas(table, comms)) == 1
    assert len(table.rows()) == 10_000


def test_the_static_snapshot_is_formatted_and_tells_what_is_cut(table):
    html = table._repr_mimebundle_()[0]["text/html"]
    assert "2 KiB" in html
    assert "rate (1/s)" in html

    long = LiveTable(["i"], [(i,) for i in range(120)])
    assert "and 70 more" in long._repr_mimebundle_()[0]["text/html"]


def test_markup_in_a_cell_stays_text():
    table = LiveTable(["text"], [("<img src=x onerror=alert(1)>",)])

    assert "<img" not in table._repr_mimebundle_()[0]["text/html"]


@pytest.mark.parametrize(
    ("columns", "options"),
    [([], {}), (["a"], {"key": "b"})],
    ids=["no columns", "unknown key"],
)
def test_a_table_that_cannot_be_is_refused(columns, options):
    with pytest.raises(ValueError, match="key"):
        LiveTable(columns, **options)


def test_a_row_of_another_length_is_refused(table):
    with pytest.raises(ValueError, match="2 values for 3 columns"):
        table.set([("a", 1)])


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind 'colour'"):
        Column("a", kind="colour")
