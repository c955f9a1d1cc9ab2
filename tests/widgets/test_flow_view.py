"""The view of a plan, by its traits and its snapshot."""

from __future__ import annotations

import threading

import pytest

from pilothouse.flow import Flow
from pilothouse_widgets import FlowView
from waiting import until
from widgets.seeing import seen

SECONDS = 60


class Counted:
    """Work of a peer that counts, with the four verbs."""

    def __init__(self):
        self.over = threading.Event()
        self.progress = self
        self.state, self.total, self.done, self.failed, self.step = (
            "running",
            8,
            2,
            0,
            "",
        )
        self.left = 3.0

    def wait(self, timeout=None):
        return self.over.wait(timeout)

    def result(self):
        return "all of it"

    def cancel(self):
        self.over.set()
        return "the peer has confirmed"

    def detach(self):
        return "it goes on"


@pytest.fixture
def work():
    made = Counted()
    yield made
    made.over.set()


@pytest.fixture
def flow(work):
    plan = Flow("plan", patience=SECONDS)
    plan.step("rows", lambda: [1, 2], title="what <b>there</b> is", line=2)
    plan.step("far", lambda: work, needs=())
    plan.step("wrong", lambda rows: rows / 0)
    plan.step("sum", lambda rows, far: (rows, far))
    plan.step("helper", lambda: abs, is_aside=True)
    return plan


@pytest.fixture
def view(flow):
    made = FlowView(flow.start(), interval=0.01)
    yield made
    made.close()


def rows(view):
    return {row["name"]: row for row in view.rows}


def shows(view, name, state):
    until(lambda: rows(view).get(name, {}).get("state") == state, SECONDS, name)


def test_a_row_for_each_step_with_how_far_its_remote_work_is(view, work):
    shows(view, "wrong", "failed")
    until(lambda: rows(view)["far"]["fraction"] == 0.25, SECONDS, "how far it is")
    seen(view, lambda: view.text == "1 failed", SECONDS, "the failure in words")
    found = rows(view)

    assert list(found) == ["rows", "far", "wrong", "sum"]
    assert found["rows"]["state"] == "done"
    assert found["far"]["text"] == "2 of 8, 3.0 s left"
    assert found["wrong"]["text"].startswith("TypeError: ")
    assert found["sum"]["state"] == "waiting"
    assert found["sum"]["needs"] == ["rows", "far"]
    assert (view.done, view.total, view.unit) == (1, 4, "steps")
    assert view.status == "plan: running; far running; wrong failed"


def test_a_click_cancels_and_the_snapshot_says_who_confirmed(view, flow):
    shows(view, "wrong", "failed")
    shows(view, "far", "running")

    view.asked("cancel", {})

    assert flow.wait(SECONDS)
    until(lambda: view.closed, SECONDS, "the end of the view")
    assert view.state == "cancelled"
    html = view.body_html()
    assert "■ cancelled" in html
    assert "the peer has confirmed" in html
    assert "what &lt;b&gt;there&lt;/b&gt; is" in html
    assert "<b>there" not in html
    assert repr(view).startswith("plan: cancelled: 1 of 4 steps done; far: the peer")


def test_what_was_done_before_has_no_time(work):
    plan = Flow("plan")
    plan.step("rows", lambda: 1)
    plan.step("far", lambda: work, needs=())
    view = FlowView(plan.start({"rows": 1}), interval=0.01)
    shows(view, "far", "running")
    work.over.set()
    until(lambda: view.closed, SECONDS, "the end of the view")

    assert rows(view)["rows"]["before"]
    assert rows(view)["rows"]["start"] is None
    assert "done before" in view.body_html()
    assert view.state == "done"
