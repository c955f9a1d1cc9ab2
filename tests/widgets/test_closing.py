"""What a closed view leaves behind: nothing."""

from ipywidgets.widgets.widget import _instances

from pilothouse_widgets import LiveChart, Progress


def test_a_closed_view_takes_its_layout_with_it(comms):
    """Else each map and each score would leave a model in the kernel and the page."""
    before = set(_instances)
    view = Progress(10)
    assert len(set(_instances) - before) == 2

    view.finish()
    view.close()

    assert set(_instances) == before
    assert all(comm.closed for comm in comms)


def test_a_hundred_views_leave_as_many_models_as_none():
    before = len(_instances)

    for _ in range(100):
        LiveChart(["a"]).close()

    assert len(_instances) == before
