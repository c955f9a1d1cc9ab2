"""Cells and pools: shared, atomic, saved."""

import json
import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.runtime.state import Cell, LocalState, Pool, pack, unpack


def test_a_fresh_cell_is_none_and_keeps_what_is_set():
    state = LocalState()
    cell = Cell(state, "a")
    assert cell.value is None
    cell.set({"n": 1})
    assert Cell(state, "a").value == {"n": 1}
    cell.value = 3
    assert cell.get() == 3
    assert cell.update(lambda n: n + 1) == 4
    assert Cell(state, "b").value is None
    assert repr(cell) == "cells('a')"


def test_a_pool_holds_values_by_keys():
    state = LocalState()
    pool = Pool(state, "p")
    assert pool.get("x") is None
    pool.set("x", [1])
    assert pool.update("x", lambda items: [*items, 2]) == [1, 2]
    assert Pool(state, "p").get("x") == [1, 2]
    assert Pool(state, "q").get("x") is None
    pool.set(7, "seven")
    assert pool.get(7) == pool.get("7") == "seven"
    assert Cell(state, "x").value is None


def test_what_was_read_can_be_changed_without_changing_the_cell():
    cell = Cell(LocalState(), "a")
    cell.set([1])
    cell.value.append(2)
    assert cell.value == [1]


def test_updates_from_many_threads_are_not_lost():
    cell = Cell(LocalState(), "n")
    cell.set(0)

    def count():
        for _ in range(200):
            cell.update(lambda n: n + 1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cell.value == 1600


def test_an_update_that_fails_changes_nothing():
    cell = Cell(LocalState(), "n")
    cell.set(1)
    with pytest.raises(ZeroDivisionError):
        cell.update(lambda n: n / 0)
    assert cell.value == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner)
        | st.just({"$pickle": "x"})
    ),
    max_leaves=6,
)


@given(VALUES)
def test_any_value_comes_back_with_its_types(value):
    again = unpack(pack(value))
    assert again == value
    assert repr(again) == repr(value)


def test_plain_values_are_readable_json():
    assert json.loads(pack({"n": [1, 2.5, None, "x"]})) == {"n": [1, 2.5, None, "x"]}
    assert math.isnan(unpack(pack(math.nan)))
    assert unpack(None) is None


def test_a_value_that_cannot_be_pickled_is_refused():
    with pytest.raises(TypeError, match="cannot be shared"):
        pack(lambda: 1)


@given(
    st.dictionaries(st.text(max_size=3), VALUES),
    st.dictionaries(st.text(max_size=3), VALUES),
)
def test_a_snapshot_is_text_and_holds_everything(cells, pool):
    state = LocalState()
    for name, value in cells.items():
        Cell(state, name).set(value)
    for key, value in pool.items():
        Pool(state, "p").set(key, value)
    blob = state.to_blob()
    blob.decode()
    restored = LocalState()
    Cell(restored, "old").set(1)
    restored.replace(LocalState.from_blob(blob))
    assert restored.to_blob() == blob
    assert {name: Cell(restored, name).value for name in cells} == cells
    assert {key: Pool(restored, "p").get(key) for key in pool} == pool
    if "old" not in cells:
        assert Cell(restored, "old").value is None


def test_a_cleared_state_is_empty():
    state = LocalState()
    Cell(state, "a").set(1)
    Pool(state, "p").set("k", 1)
    state.clear()
    assert state.to_blob() == LocalState().to_blob()


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"format": "other", "cells": {}, "pools": {}}',
        b'{"format": "pilothouse-state-1", "cells": {}}',
        b'{"format": "pilothouse-state-1", "cells": {"a": 1}, "pools": {}}',
        b'{"format": "pilothouse-state-1", "cells": {}, "pools": {"p": []}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_snapshot_is_refused(blob):
    with pytest.raises(ProtocolError):
        LocalState.from_blob(blob)
