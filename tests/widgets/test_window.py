import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_widgets.window import Window
from widgets.frames import points_of


def added(window, x, *columns):
    window.add(
        np.asarray(x, float), {i: np.asarray(c, float) for i, c in enumerate(columns)}
    )


def test_an_append_holds_what_is_new():
    window = Window(2, points=10)
    added(window, [1, 2], [10, 20], [0.5, 0.25])

    points = points_of(*window.take())

    assert points[0][0] == 0
    assert points[0][1].tolist() == [1, 2]
    assert points[0][2].tolist() == [10, 20]
    assert points[1][2].tolist() == [0.5, 0.25]
    assert not window.waiting


def test_values_that_float32_cannot_hold_travel_as_float64():
    """The browser shows the kernel's own numbers, to the last digit."""
    window = Window(1, points=10)
    added(window, [1, 2], [0.1, 1e300])

    description, data = window.take()

    assert description["blocks"][0][-1] == "d"
    assert points_of(description, data)[0][2].tolist() == [0.1, 1e300]


def test_exact_float32_values_travel_in_half_the_bytes():
    window = Window(1, points=100)
    added(window, np.arange(100), np.arange(100))

    description, data = window.take()

    assert description["blocks"][0][-1] == "f"
    assert len(data) == 800


def test_gaps_survive():
    window = Window(1, points=10)
    added(window, [1, 2, 3], [1, np.nan, 3])

    assert np.isnan(points_of(*window.take())[0][2][1])


def test_several_additions_are_merged_into_one_block():
    window = Window(2, points=100)
    for i in range(5):
        added(window, [i], [i], [i])

    description, data = window.take()

    assert len(description["blocks"]) == 1
    assert points_of(description, data)[1][2].tolist() == [0, 1, 2, 3, 4]


def test_the_window_rolls_by_points():
    window = Window(1, points=5)
    for i in range(23):
        added(window, [i], [i])

    x, y = window.column(0)

    assert x.tolist() == y.tolist() == [18, 19, 20, 21, 22]


def test_the_window_rolls_by_its_span():
    window = Window(1, points=1000, span=10)
    added(window, np.arange(100), np.arange(100))

    x, _ = window.column(0)

    assert (x[0], x[-1]) == (89, 99)


def test_what_nobody_takes_stays_bounded():
    window = Window(1, points=10)
    for i in range(1000):
        added(window, [i], [i])

    assert len(window.take()[1]) <= 10 * 8 + 8


def test_one_addition_longer_than_the_window_keeps_its_end():
    window = Window(1, points=4)
    added(window, np.arange(10), np.arange(10))

    first, _, y = points_of(*window.take())[0]

    assert (first, y.tolist()) == (6, [6, 7, 8, 9])


def test_a_snapshot_numbers_its_points_so_that_appends_overlap_safely():
    window = Window(1, points=10)
    added(window, [1, 2], [1, 2])
    window.take()
    added(window, [3], [3])

    snapshot = window.snapshot()
    data = snapshot.pop("data")

    assert points_of(snapshot, data)[0][0] == 0
    assert points_of(snapshot, data)[0][2].tolist() == [1, 2, 3]
    assert points_of(*window.take())[0][0] == 2


@pytest.mark.parametrize(
    ("series", "points"), [(0, 10), (1, 1)], ids=["no series", "no points"]
)
def test_an_empty_window_is_refused(series, points):
    with pytest.raises(ValueError, match="make no chart"):
        Window(series, points=points)


def test_columns_of_another_length_are_refused():
    with pytest.raises(ValueError, match="series 0 has 2 values for 1 x"):
        added(Window(1, points=10), [1], [1, 2])


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), max_size=30),
    points=st.integers(2, 40),
    take_every=st.integers(1, 5),
)
def test_appends_add_up_to_the_window(sizes, points, take_every):
    """However points come and are taken, a follower ends with the newest of them."""
    window = Window(1, points=points)
    seen: list[float] = []
    at = 0
    for i, size in enumerate(sizes):
        added(window, np.arange(at, at + size), np.arange(at, at + size))
        at += size
        if i % take_every == 0:
            for first, _, y in points_of(*window.take()).values():
                assert first >= len(seen)
                seen += [-1.0] * (first - len(seen)) + y.tolist()
    for first, _, y in points_of(*window.take()).values():
        seen += [-1.0] * (first - len(seen)) + y.tolist()

    assert seen[-points:] == window.column(0)[1].tolist()
