"""The encoding that real peers read, and what of it only we read."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from pilothouse.aimm.json_text import to_text
from pilothouse.aimm.values import CannotTravelError, DataAccess, Plain
from pilothouse.errors import ProtocolError

CODEC = Plain()


def there_and_back(value):
    return CODEC.decode(json.loads(to_text(CODEC.encode(value))))


@pytest.mark.parametrize(
    ("value", "obj"),
    [
        (
            np.array([[1.5, 2.0]]),
            {
                "type": "numpy_array",
                "dtype": "float64",
                "shape": [1, 2],
                "data": [[1.5, 2.0]],
            },
        ),
        (
            DataAccess("iris_inputs", [1], {"k": DataAccess("inner")}),
            {
                "type": "data_access",
                "name": "iris_inputs",
                "args": [1],
                "kwargs": {
                    "k": {
                        "type": "data_access",
                        "name": "inner",
                        "args": [],
                        "kwargs": {},
                    }
                },
            },
        ),
        ({"a": (1, np.float32(0.5))}, {"a": [1, 0.5]}),
    ],
    ids=["array", "data access", "plain"],
)
def test_values_have_the_form_of_the_document(value, obj):
    assert CODEC.encode(value) == obj


def test_a_frame_has_the_form_of_the_document_and_our_additions():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["r", "s"])

    obj = CODEC.encode(frame)

    assert obj["data"] == {"a": {"r": 1, "s": 2}, "b": {"r": "x", "s": "y"}}
    assert obj["dtypes"] == ["int64", "str"]


def test_a_series_has_the_form_of_the_document():
    assert CODEC.encode(pd.Series([1, 2]))["data"] == [1, 2]


EXACT = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
    npst.unicode_string_dtypes(),
    st.just(np.dtype("<M8[ns]")),
    st.just(np.dtype("<m8[ns]")),
)


@given(npst.arrays(EXACT, npst.array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_arrays_come_back_with_dtype_and_shape(array):
    back = there_and_back(array)

    assert back.shape == array.shape
    assert back.dtype == array.dtype
    assert_array_equal(back, array)


FRAMES = [
    pd.DataFrame({"a": [1, 2], "b": [0.5, math.nan]}),
    pd.DataFrame({"a": [1, 2]}, index=pd.Index([10, 20], name="n")),
    pd.DataFrame({0: [1.5], 1: [-math.inf]}),
    pd.DataFrame({"a": pd.Series([1, None], dtype="Int64")}),
    pd.DataFrame({"a": pd.Series(["x", None], dtype="category")}),
    pd.DataFrame({"a": np.array([1, 2], dtype="int8")}),
    pd.DataFrame(columns=["a", "b"]),
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_frames_come_back_where_the_reader_is_ours(frame):
    assert_frame_equal(there_and_back(frame), frame)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, 2], name="n"),
        pd.Series([0.5, math.nan], index=["a", "b"], dtype="float32"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([], dtype="float64"),
    ],
    ids=range(4),
)
def test_series_come_back_where_the_reader_is_ours(series):
    assert_series_equal(there_and_back(series), series)


def test_a_frame_of_a_real_server_has_integer_labels_again():
    obj = {"type": "pandas_dataframe", "data": {"a": {"0": 1, "1": 2}}}

    assert_frame_equal(CODEC.decode(obj), pd.DataFrame({"a": [1, 2]}, index=[0, 1]))
    assert list(Plain(integer_index=False).decode(obj).index) == ["0", "1"]


@pytest.mark.parametrize("labels", [["01", "1"], ["a", "1"], ["1.0", "2"], [""]])
def test_labels_that_are_not_all_integers_stay_texts(labels):
    obj = {"type": "pandas_dataframe", "data": {"a": dict.fromkeys(labels, 1)}}

    assert list(CODEC.decode(obj).index) == labels


@pytest.mark.parametrize(
    ("obj", "value"),
    [
        ({"type": "numpy_array", "data": [[1, 2]]}, np.array([[1, 2]])),
        ({"type": "numpy_array", "dtype": "int8", "data": [1]}, np.array([1], "int8")),
    ],
    ids=["a result, without dtype", "an argument"],
)
def test_arrays_of_real_peers_are_read(obj, value):
    back = CODEC.decode(obj)

    assert back.dtype == value.dtype
    assert_array_equal(back, value)


def test_a_series_of_a_real_peer_is_read():
    assert_series_equal(
        CODEC.decode({"type": "pandas_series", "data": [1, 2]}), pd.Series([1, 2])
    )


@pytest.mark.parametrize(
    "obj",
    [3, "x", None, [1, {"type": "numpy_array"}], {"type": "other"}, {"type": 3}, {}],
    ids=repr,
)
def test_what_has_no_tag_at_the_top_passes_unchanged(obj):
    assert CODEC.decode(obj) == obj


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (np.array([1j]), ""),
        (np.array([b"x"]), ""),
        (np.zeros(2, dtype=[("a", "i4")]), ""),
        (np.array([1], dtype=np.longdouble), ""),
        (np.array(["2026-01-01"], dtype="M8[D]"), ""),
        ([np.arange(3)], "[0]"),
        ({"a": {"b": pd.Series([1])}}, '["a"]["b"]'),
        ({"type": "numpy_array"}, ""),
        (pd.DataFrame({"a": [1, 2]}, index=["r", "r"]), ".index"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), ".columns"),
        (pd.DataFrame({"a": pd.to_datetime(["2026-01-01"])}), ".columns[0]"),
        (pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])), ".index"),
        (pd.DataFrame({"a": [1]}, index=pd.to_datetime(["2026-01-01"])), ".index"),
        (pd.Series(pd.date_range("2026", periods=1, tz="UTC")), "[0]"),
        (b"", ""),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_what_real_peers_would_lose_is_refused_by_its_place(value, place):
    with pytest.raises(CannotTravelError) as refusal:
        CODEC.encode(value)

    assert refusal.value.path == place
    assert refusal.value.hint


@pytest.mark.parametrize(
    "obj",
    [
        {"type": "numpy_array", "dtype": "zzz", "data": [1]},
        {"type": "numpy_array", "dtype": "int8", "data": ["x"]},
        {"type": "numpy_array", "dtype": "int8"},
        {"type": "numpy_array", "data": [1, 2], "shape": [3]},
        {"type": "pandas_series", "data": {"a": 1}},
        {"type": "pandas_dataframe", "data": [1]},
        {"type": "data_access", "name": "x", "args": "y", "kwargs": {}},
    ],
)
def test_a_tag_that_does_not_fit_is_refused(obj):
    with pytest.raises(ProtocolError):
        CODEC.decode(obj)
