"""Measurements in real kernels: interrupted, clicked at, killed, and found again."""

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
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("mplane-kernel")


@pytest.fixture
def kernels(home, endless):
    """Return a function that starts a kernel of one user that knows the component."""
    with endless_ones.kernels_that_know(endless, home) as start:
        yield start


RUN = '%mplane runcap endless mine --when "now ... future"'


def begun(kernel, endless, line=RUN):
    """Send a line, wait until its view is shown and rows have come; the request."""
    request = kernel.send(line)
    comm_id = kernel.widget(request)
    assert endless.reported.wait(DEADLINE)
    return request, comm_id


def the_error(messages):
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    return error


def test_an_interrupt_stops_the_measurement_and_keeps_its_rows(kernels, endless):
    kernel = kernels()
    request, _ = begun(kernel, endless, f"{RUN} -o found")
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    messages = kernel.messages(request)
    took = time.monotonic() - start

    error = the_error(messages)
    assert error["ename"] == "MeasurementInterrupt"
    assert "interrupted: the component confirmed, 2 rows" in error["evalue"]
    assert "what came back is in found" in error["evalue"]
    assert took < 20
    assert kernel.result("list(found.result_column('rtt.us'))") == "[7, 8]"
    until(lambda: kernel.result("%pilot jobs") == "(no jobs are out there)")
    static = [m for m in messages if m["msg_type"] == "update_display_data"]
    assert "interrupted" in static[-1]["content"]["data"]["text/plain"]
    assert VIEW not in static[-1]["content"]["data"]


ANSWERED = """
from pilothouse.mplane.client import HttpInitiatorClient
interrupt = HttpInitiatorClient.interrupt
HttpInitiatorClient.interrupt = lambda client, one, _: interrupt(client, one, 60)
"""
"""The component's answer to an interrupt is waited for on a busy machine too."""


def test_an_interrupt_is_bounded_and_says_when_nothing_was_confirmed(kernels, endless):
    kernel = kernels()
    kernel.result(ANSWERED)
    kernel.result("from pilothouse.mplane import measurement")
    kernel.result("measurement._CANCEL_SECONDS = 6")
    kernel.result("%config Pilothouse.interrupt_timeout = 30")
    endless.is_deaf = True
    request, _ = begun(kernel, endless)
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    error = the_error(kernel.messages(request))
    took = time.monotonic() - start

    assert took < 20
    assert "has not stopped yet" in error["evalue"]
    assert kernel.result("list(_partial.result_column('rtt.us'))") == "[7, 8]"
    assert "mine" in kernel.result("%pilot jobs")


def test_a_second_interrupt_leaves_it_to_the_component(kernels, endless):
    kernel = kernels()
    patient(kernel, 600)
    endless.is_deaf = True
    request, _ = begun(kernel, endless)
    kernel.manager.interrupt_kernel()
    until(lambda: endless.was_asked, DEADLINE, "the component's first interrupt")
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    error = the_error(kernel.messages(request))

    assert time.monotonic() - start < 20
    assert "interrupted twice" in error["evalue"]
    assert "goes on at the component" in error["evalue"]
    listed = kernel.result("%pilot jobs")
    assert "mine" in listed
    endless.end.set()
    job = listed.splitlines()[-1].split()[0]
    assert "p/m/r(r) 0/0/1(2)" in kernel.result(f"%pilot attach {job}")


def test_a_click_on_stop_does_not_wait_for_the_cell(kernels, endless):
    kernel = kernels()
    request, comm_id = begun(kernel, endless)
    kernel.click(comm_id, "stop")
    messages = kernel.messages(request)

    shown = [m for m in messages if m["msg_type"] == "execute_result"]
    assert "p/m/r(r) 0/0/1(2)" in shown[0]["content"]["data"]["text/plain"]


def test_a_killed_kernel_leaves_its_measurement_to_the_next_one(kernels, endless):
    first = kernels()
    first.send(RUN)
    assert endless.reported.wait(DEADLINE)
    first.manager.signal_kernel(9)
    until(lambda: not first.manager.is_alive(), DEADLINE, "the end of the kernel")

    second = kernels()
    listed = second.result("%pilot jobs")
    assert "mine, now ... future" in listed
    assert "measuring, until it is stopped" in listed
    job = listed.splitlines()[-1].split()[0]
    request, _ = begun(second, endless, f"found = %pilot attach {job}")
    endless.end.set()
    messages = second.messages(request)

    assert not [m for m in messages if m["msg_type"] == "error"]
    assert second.result("list(found.result_column('rtt.us'))") == "[7, 8]"
    assert second.result("found.get_label()") == "'mine'"
    assert second.result("%pilot jobs") == "(no jobs are out there)"


def test_completion_comes_through_the_protocol(kernels, endless):
    kernel = kernels()

    offered = kernel.complete("x = %mplane runcap end")

    words = offered["endless"].replace("\xa0", " ")
    assert words == "capability: no parameters"
