"""Between our own two ends every value that travels comes back as it was."""

import datetime
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.extra import pandas as pdst
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from pilothouse.aimm.json_text import to_text
from pilothouse.aimm.values import CannotTravelError, DataAccess, Lossless
from pilothouse.errors import ProtocolError

CODEC = Lossless()
DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
    npst.complex_number_dtypes(sizes=(64, 128)),
    npst.datetime64_dtypes(endianness="?"),
    npst.timedelta64_dtypes(endianness="?"),
    npst.byte_string_dtypes(),
    npst.unicode_string_dtypes(),
)


def there_and_back(value):
    return CODEC.decode(json.loads(to_text(CODEC.encode(value))))


@given(npst.arrays(DTYPES, npst.array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_arrays_come_back_bit_for_bit(array):
    back = there_and_back(array)

    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize(
    "dtype",
    [
        [("a", "<f8"), ("b", ">i2")],
        [("a", [("x", "<U3"), ("y", "?")]), ("b", "<f4", (2, 3))],
    ],
    ids=["fields", "nested fields"],
)
def test_structured_arrays_come_back_bit_for_bit(dtype):
    array = np.zeros((2, 3), dtype=dtype)

    back = there_and_back(array)

    assert back.dtype == array.dtype
    assert_array_equal(back, array)


def test_arrays_of_objects_keep_their_scalars():
    array = np.array([[1, "a", None], [True, 2.5, 10**30]], dtype=object)

    back = there_and_back(array)

    assert back.dtype == object
    assert back.tolist() == array.tolist()


COLUMNS = [
    pd.Series([1, 2, 3]),
    pd.Series([1.5, math.nan, -math.inf], dtype="float32"),
    pd.Series(["a", None, "é\u2028"]),
    pd.Series(["a", None, "c"], dtype="string"),
    pd.Series([1, "a", None], dtype=object),
    pd.Series([True, False, None], dtype="boolean"),
    pd.Series([1, None, 2**62], dtype="Int64"),
    pd.Series([1, None, 255], dtype="UInt8"),
    pd.Series([1.5, None, 3], dtype="Float64"),
    pd.Series(["x", "y", None], dtype="category"),
    pd.Series(
        pd.Categorical([3, 1, None], categories=[3, 2, 1], ordered=True), name="grade"
    ),
    pd.Series(pd.to_datetime(["2026-01-01", None, "1969-07-20"])),
    pd.Series(pd.to_datetime(["2026-03-29T00:59", "2026-03-29T01:01", None], utc=True)),
    pd.Series(pd.date_range("2026-03-28", periods=3, tz="Europe/Prague")),
    pd.Series(pd.date_range("2026-03-28", periods=3, tz="Asia/Kolkata").as_unit("s")),
    pd.Series(pd.to_timedelta([1, None, 3], unit="s")),
    pd.Series(pd.period_range("2026-01", periods=3, freq="M")),
]
names = [f"{column.dtype}" for column in COLUMNS]


@pytest.mark.parametrize("column", COLUMNS, ids=names)
def test_columns_keep_their_type_and_their_missing_values(column):
    assert_series_equal(there_and_back(column), column)


@pytest.mark.parametrize("column", COLUMNS, ids=names)
def test_columns_without_rows_keep_their_type(column):
    assert_series_equal(there_and_back(column.iloc[:0]), column.iloc[:0])


INDEXES = [
    pd.RangeIndex(3),
    pd.RangeIndex(5, -1, -2, name="down"),
    pd.Index([1, 2, 3]),
    pd.Index(["a", "a", "b"], name=("two", 3)),
    pd.Index([0.5, math.nan, 2.0]),
    pd.Index([1, "a", None], dtype=object),
    pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC", name="when"),
    pd.date_range("2026-01-01", periods=3, freq="MS"),
    pd.timedelta_range("1s", periods=3, freq="5s"),
    pd.period_range("2026", periods=3, freq="D"),
    pd.CategoricalIndex(["a", "b", "a"], categories=["b", "a"], ordered=True),
    pd.MultiIndex.from_product([["a", "b", "c"], [1]], names=["letter", None]),
    pd.MultiIndex.from_tuples([(1, None), (1, "x"), (2, "x")]),
]


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: type(index).__name__)
def test_labels_of_rows_come_back(index):
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=index)

    assert_frame_equal(there_and_back(frame), frame, check_freq=True)


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: type(index).__name__)
def test_labels_of_columns_come_back(index):
    frame = pd.DataFrame([[1, 2.5, "x"], [3, 4.5, None]])
    frame.columns = index

    assert_frame_equal(there_and_back(frame), frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame(columns=["a", "b"]),
        pd.DataFrame(dict(enumerate(COLUMNS))),
    ],
    ids=["nothing", "no columns", "no rows", "a column of each type"],
)
def test_frames_of_any_shape_come_back(frame):
    assert_frame_equal(there_and_back(frame), frame)


@given(
    pdst.data_frames(
        columns=[
            pdst.column("a", dtype=float),
            pdst.column(3, dtype="int16"),
            pdst.column("", elements=st.text(max_size=4) | st.none(), dtype=object),
            pdst.column("when", dtype="datetime64[ns]"),
        ],
        index=pdst.range_indexes(max_size=5)
        | pdst.indexes(elements=st.text(max_size=3), max_size=5),
    )
)
def test_made_up_frames_come_back(frame):
    assert_frame_equal(there_and_back(frame), frame)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "value", "name"]) | st.text(max_size=4),
            inner | st.sampled_from(["numpy_array", "json", "data_access"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_plain_values_come_back_also_those_that_look_like_tags(value):
    assert there_and_back(value) == value


def test_arrays_travel_at_any_depth():
    value = {"a": [1, {"b": np.arange(3)}], "type": "json"}

    back = there_and_back(value)

    assert_array_equal(back["a"][1]["b"], np.arange(3))
    assert back["type"] == "json"


def test_data_access_travels_nested_with_arrays_inside():
    value = DataAccess("outer", [DataAccess("inner", ["x"])], {"k": np.arange(2)})

    back = there_and_back(value)

    assert back.args == (DataAccess("inner", ["x"]),)
    assert_array_equal(back.kwargs["k"], np.arange(2))


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ((1, 2), [1, 2]),
        (np.float64(0.1), 0.1),
        (np.int64(-3), -3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (datetime.datetime.resolution.days, 0),
    ],
)
def test_what_is_nearly_plain_becomes_plain(value, back):
    found = there_and_back(value)

    assert (found, type(found)) == (back, type(back))


SCALARS = [
    np.datetime64(5, "ns"),
    np.datetime64("2026-01-01", "D"),
    np.datetime64("NaT", "us"),
    np.timedelta64(5, "ns"),
    np.complex64(1 + 2j),
    np.bytes_(b"a"),
    np.array([(1, 2.5)], dtype=[("a", "<i2"), ("b", ">f8")])[0],
]


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: str(value.dtype))
def test_scalars_that_python_has_no_plain_value_for_stay_what_they_are(value):
    back = there_and_back([value])[0]

    assert type(back) is type(value)
    assert (back.dtype, back.tobytes()) == (value.dtype, value.tobytes())


def test_categories_keep_their_type_and_freq():
    texts = pd.Index(["a", "b"], dtype=object)
    days = pd.date_range("2026-03-28", periods=3, tz="Europe/Prague")
    frame = pd.DataFrame(
        {"text": pd.Categorical(["a", "b", None], texts), "day": pd.Categorical(days)}
    )

    back = there_and_back(frame)

    assert_frame_equal(back, frame)
    assert back["text"].cat.categories.dtype == object
    assert back["day"].cat.categories.freq == days.freq


@pytest.mark.parametrize(
    "index",
    [
        pd.bdate_range("2026-01-01", periods=3, freq="C", holidays=["2026-01-02"]),
        pd.date_range("2026", periods=3, freq=pd.DateOffset(months=1, days=2)),
        pd.date_range(
            "2026", periods=3, freq=pd.offsets.BusinessHour(start="11:00", end="20:00")
        ),
    ],
    ids=["holidays", "offset", "hours"],
)
def test_a_freq_that_no_text_tells_is_left_out_and_the_moments_travel(index):
    back = there_and_back(pd.Series([1, 2, 3], index=index))

    assert back.index.equals(index)
    assert back.index.freq is None


@pytest.mark.parametrize(
    "zone",
    [
        "dateutil/Europe/Prague",
        datetime.timezone(datetime.timedelta(hours=1), "CET"),
        datetime.timezone(datetime.timedelta(hours=1, seconds=1)),
    ],
    ids=["dateutil", "another of that name", "seconds"],
)
def test_a_zone_that_its_name_does_not_tell_is_refused_here_not_there(zone):
    moments = pd.Series(pd.date_range("2026", periods=2, tz=zone))

    with pytest.raises(CannotTravelError, match="name does not tell") as refusal:
        CODEC.encode(pd.DataFrame({"when": moments}))

    assert refusal.value.path == ".columns[0]"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({1: 2}, ""),
        (b"bytes", ""),
        ([1, {2}], "[1]"),
        ({"a": [object()]}, '["a"][0]'),
        (np.array([1, object()], dtype=object), "[1]"),
        (np.array([1, np.datetime64(5, "ns")], dtype=object), "[1]"),
        (pd.Series([1], name=np.datetime64(5, "ns")), ".name"),
        (np.ma.masked_array([1]), ""),
        (np.array([1], dtype=np.longdouble), ""),
        (pd.DataFrame({"x": [1], "y": [{1}]}), ".columns[1][0]"),
        (
            pd.DataFrame({"x": pd.arrays.IntervalArray.from_breaks([0, 1])}),
            ".columns[0]",
        ),
        (pd.Series([1], name=datetime.date(2026, 1, 1)), ".name"),
        (pd.Series([1], index=[datetime.date(2026, 1, 1)]), ".index[0]"),
        (DataAccess("d", [b""]), "DataAccess('d')[0]"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_what_cannot_travel_is_refused_by_its_place(value, place):
    with pytest.raises(CannotTravelError) as refusal:
        CODEC.encode(value)

    assert refusal.value.path == place


def test_a_value_that_holds_itself_is_refused():
    value = []
    value.append(value)

    with pytest.raises(CannotTravelError, match="deeper than 100"):
        CODEC.encode(value)


@pytest.mark.parametrize(
    "obj",
    [
        {"type": "numpy_array"},
        {"type": "numpy_array", "dtype": "<f8", "shape": [2], "b64": "AAAA"},
        {"type": "numpy_array", "dtype": "<f8", "shape": [-1], "b64": ""},
        {"type": "numpy_array", "dtype": "<f8", "shape": [True], "b64": ""},
        {"type": "numpy_array", "dtype": "<f8", "shape": [1], "b64": "no base64!"},
        {"type": "numpy_array", "dtype": "zzz", "shape": [], "b64": ""},
        {"type": "numpy_array", "dtype": [["a", "|O"]], "shape": [], "b64": ""},
        {"type": "numpy_array", "dtype": "<f8", "shape": [10**12], "b64": ""},
        {"type": "numpy_array", "dtype": "|O", "shape": [2], "list": [1]},
        {"type": "numpy_array", "dtype": "|O", "shape": [1], "list": [[1, 2]]},
        {"type": "numpy_array", "dtype": "|O", "shape": [0, 10**30], "list": []},
        {"type": "numpy_array", "dtype": "<f8", "shape": [0, 10**30], "b64": ""},
        {"type": "numpy_array", "dtype": "(2,3)f8", "shape": [1], "b64": "A" * 64},
        {
            "type": "pandas_series",
            "name": None,
            "index": {"kind": "range", "start": 0, "stop": 10**30, "step": 1},
            "values": {"type": "numpy_array", "dtype": "<i8", "shape": [0], "b64": ""},
        },
        {
            "type": "pandas_dataframe",
            "columns": {"kind": "range", "start": 0, "stop": 1, "step": 1},
            "index": {"kind": "range", "start": 0, "stop": 1, "step": 1},
            "values": [
                {
                    "type": "numpy_array",
                    "dtype": "<f8,<i4",
                    "shape": [1],
                    "b64": "A" * 16,
                }
            ],
        },
        {"type": "pandas_series", "index": None, "values": None, "name": None},
        {"type": "pandas_dataframe", "columns": {}, "index": {}, "values": []},
        {"type": "data_access", "name": "x"},
        {"type": "json", "value": 3},
    ],
)
def test_a_tag_that_does_not_fit_is_refused(obj):
    with pytest.raises(ProtocolError):
        CODEC.decode(obj)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                [
                    "numpy_array",
                    "pandas_series",
                    "pandas_dataframe",
                    "data_access",
                    "json",
                ]
            )
        },
        optional=dict.fromkeys(
            ("dtype", "shape", "b64", "list", "index", "columns", "values"),
            json_values,
        ),
    )
)
def test_made_up_tags_give_a_value_or_a_protocol_error(obj):
    try:
        CODEC.decode(obj)
    except ProtocolError:
        return


def test_a_large_array_is_a_third_larger_on_the_wire():
    array = np.random.default_rng(0).random(100_000)

    assert len(to_text(CODEC.encode(array))) < array.nbytes * 1.34
