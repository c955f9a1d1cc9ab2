"""Record sets: many records as one object, and back."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.fastscore.runtime.recordsets import (
    from_recordset,
    is_recordset,
    to_recordset,
)
from pilothouse.fastscore.wire.avro import parse_schema

ROW = parse_schema(
    {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "a", "type": "double"},
            {"name": "b", "type": ["null", "double"]},
        ],
    }
)


def test_objects_become_the_rows_of_a_data_frame():
    frame = to_recordset([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


@pytest.mark.parametrize(
    "records",
    [[{"a": 1}, {"b": 2}], [{"a": 1}, {"a": 2, "b": 3}], [{"a": 1, "b": 2}, {"a": 3}]],
)
def test_objects_with_different_fields_leave_gaps(records):
    frame = to_recordset(records)
    pd.testing.assert_frame_equal(frame, pd.DataFrame(records))


def test_arrays_become_the_rows_of_a_matrix():
    matrix = to_recordset([[1, 2], [3, 4], [5, 6]])
    assert isinstance(matrix, np.matrix)
    assert matrix.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert to_recordset([[], []]).shape == (2, 0)


def test_arrays_of_different_lengths_stay_apart():
    ragged = to_recordset([[1, 2], [3]])
    assert ragged.tolist() == [[1, 2], [3]]


def test_scalars_become_the_items_of_a_series():
    pd.testing.assert_series_equal(to_recordset([1, 2]), pd.Series([1, 2]))
    pd.testing.assert_series_equal(to_recordset(["a"]), pd.Series(["a"]))


def test_nothing_becomes_an_empty_data_frame():
    assert isinstance(to_recordset([]), pd.DataFrame)
    assert to_recordset([]).empty
    assert list(to_recordset([], ROW).columns) == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "records"),
    [
        (
            pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
            [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        ),
        (pd.DataFrame({"a": []}), []),
        (pd.DataFrame(index=[0, 1]), [{}, {}]),
        (pd.DataFrame({3: [1]}), [{"3": 1}]),
        (pd.Series([1, 2]), [1, 2]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([[1, 2]]).view(np.matrix), [[1, 2]]),
        (np.array([1.5, 2.5]), [1.5, 2.5]),
        ({"a": 1}, [{"a": 1}]),
        ([1, 2], [[1, 2]]),
        (3, [3]),
        (np.float64(3), [3.0]),
        (None, [None]),
    ],
    ids=repr,
)
def test_outputs_become_records(value, records):
    assert from_recordset(value) == records


def test_values_are_pythons_own():
    (row,) = from_recordset(
        pd.DataFrame({"a": np.array([1], dtype="int8"), "b": [True]})
    )
    assert {key: type(value) for key, value in row.items()} == {"a": int, "b": bool}


def test_a_named_index_is_the_key_of_each_row():
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="who"))
    assert from_recordset(frame) == [{"x": {"a": 1}}, {"y": {"a": 2}}]


def test_columns_of_one_name_are_kept_apart_by_the_last():
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert from_recordset(frame) == [{"a": 2}]


def test_a_missing_value_is_null_where_the_schema_allows_it():
    frame = pd.DataFrame({"a": [1.0, math.nan], "b": [math.nan, 2.0]})
    rows = from_recordset(frame, ROW)
    assert rows[0] == {"a": 1.0, "b": None}
    assert math.isnan(rows[1]["a"])
    assert from_recordset(frame) == [{"a": 1.0, "b": None}, {"a": None, "b": 2.0}]
    (item,) = from_recordset(pd.Series([math.nan]), parse_schema("double"))
    assert math.isnan(item)
    assert from_recordset(pd.Series([math.nan]), parse_schema(["null", "double"])) == [
        None
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pd.DataFrame(), True),
        (pd.Series([1]), True),
        (np.array([1]), True),
        (np.array(1), False),
        (np.float64(1), False),
        ([1], False),
        ({"a": 1}, False),
        (pd.Timestamp("2020-01-01"), False),
        (pd.Index([1]), False),
    ],
    ids=repr,
)
def test_record_sets_are_told_from_records(value, expected):
    assert is_recordset(value) is expected


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "a": st.integers(-(2**63), 2**63 - 1),
                "b": st.text(max_size=3),
                "c": st.booleans(),
            }
        )
    )
)
def test_records_come_back_as_they_were(records):
    assert from_recordset(to_recordset(records)) == records


@given(st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=1))
def test_arrays_come_back_as_they_were(records):
    assert from_recordset(to_recordset(records)) == records
