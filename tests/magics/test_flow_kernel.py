"""Plans in real kernels: interrupted once and twice, clicked at, killed, resumed."""

from __future__ import annotations

import time

import pytest

from magics import endless as endless_ones
from magics.kernels import DEADLINE, VIEW, patient
from waiting import until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def endless(monkeypatch):
    """The component; what is deaf to an interrupt is not ended by it either."""
    monkeypatch.setattr("pilothouse.mplane.scheduler.job._ASKED_SECONDS", 600)
    with endless_ones.served() as service:
        yield service


@pytest.fixture
def kernels(tmp_path, endless):
    """Return a function that starts a kernel of one user that knows the component."""
    with endless_ones.kernels_that_know(endless, tmp_path) as start:
        yield start


PLAN = """%%pilot flow plan
rows = [1, 2, 3]
far = %mplane runcap endless mine --when "now ... future"
total = sum(rows)
after = far.count_result_rows() + total
"""


def has_done_the_near(state):
    rows = state.get("rows", ())
    return {"rows", "total"} <= {row["name"] for row in rows if row["state"] == "done"}


def running(kernel, endless, cell=PLAN):
    """Run a plan until its view shows all done but the far step, which is at work."""
    request = kernel.send(cell)
    view = kernel.working_widget(request, has_done_the_near)
    assert endless.reported.wait(DEADLINE)
    return request, view


def the_error(messages):
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    return error


def test_an_interrupt_cancels_what_runs_keeps_the_rest_and_is_resumed(kernels, endless):
    kernel = kernels()
    request, _ = running(kernel, endless)
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    messages = kernel.messages(request)
    took = time.monotonic() - start

    error = the_error(messages)
    assert error["ename"] == "FlowInterrupt"
    assert "cancelled: 2 of 4 steps done" in error["evalue"]
    assert "far: interrupted: the component confirmed, 2 rows" in error["evalue"]
    assert took < 20
    assert kernel.result("total, list(_partial['far'].result_column('rtt.us'))") == (
        "(6, [7, 8])"
    )
    until(lambda: kernel.result("%pilot jobs") == "(no jobs are out there)")
    static = [m for m in messages if m["msg_type"] == "update_display_data"]
    assert "cancelled" in static[-1]["content"]["data"]["text/plain"]
    assert VIEW not in static[-1]["content"]["data"]

    endless.end.set()
    shown = kernel.result(PLAN.replace("flow plan", "flow plan --resume"))
    assert shown == "<Flow plan: done: 4 steps>"
    assert kernel.result("after") == "8"


def test_a_second_interrupt_leaves_the_work_to_its_peer(kernels, endless):
    kernel = kernels()
    patient(kernel, 600)
    endless.is_deaf = True
    request, _ = running(kernel, endless)
    kernel.manager.interrupt_kernel()
    until(lambda: endless.was_asked, DEADLINE, "the component's first interrupt")
    kernel.manager.interrupt_kernel()
    error = the_error(kernel.messages(request))

    assert error["ename"] == "FlowInterrupt"
    assert "interrupted twice: the cancel was not confirmed" in error["evalue"]
    assert "far: detached: mine goes on at the component" in error["evalue"]
    assert "mine" in kernel.result("%pilot jobs")


def test_steps_complete_and_a_click_cancels_while_the_cell_waits(kernels, endless):
    kernel = kernels()
    offered = kernel.complete("%%pilot flow\nrows = [1]\nx = %fastmap len ro")
    assert offered["rows"].replace("\xa0", " ") == "step of this plan"
    request, view = running(kernel, endless)
    kernel.click(view, "cancel")
    error = the_error(kernel.messages(request))

    assert error["ename"] == "FlowError"
    assert "far: interrupted: the component confirmed" in error["evalue"]
    assert kernel.result("total") == "6"


def test_a_killed_kernel_leaves_its_steps_to_the_next_one(kernels, endless):
    first = kernels()
    running(first, endless)
    first.manager.signal_kernel(9)
    until(lambda: not first.manager.is_alive(), DEADLINE, "the end of the kernel")

    second = kernels()
    listed = second.result("%pilot jobs")
    assert "mine, now ... future" in listed
    job = listed.splitlines()[-1].split()[0]
    endless.end.set()
    second.result(f"found = %pilot attach {job}")

    assert second.result("list(found.result_column('rtt.us'))") == "[7, 8]"
    assert second.result("%pilot jobs") == "(no jobs are out there)"
