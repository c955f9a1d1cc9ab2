"""What a closed view leaves behind: nothing."""

import queue
import threading

from ipywidgets.widgets.widget import _instances

from pilothouse_widgets import LiveChart, Progress
from pilothouse_widgets.errands import Errands


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


def test_an_errand_that_was_taken_is_done_before_the_end():
    done, errands = [], Errands("errands")
    closing = threading.Thread(target=errands.close)

    class Slow(queue.SimpleQueue):
        def put(self, errand):
            if errand is not None:
                closing.start()
                closing.join(0.2)
            super().put(errand)

    errands._waiting = Slow()
    errands.add(lambda: done.append(1))
    closing.join(60)

    assert done == [1]
