"""The interrupt of each kind of work: asked for, confirmed or not, soon, and true."""

from __future__ import annotations

import pytest

from magics.kernels import DEADLINE
from promises.works import (
    KINDS,
    TELLS_OF_CANCEL,
    WORKS,
    begun,
    counts,
    error_of,
    finish,
    fresh,
    goes_on,
    interrupted,
    patient,
    ticks_of,
)
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LONG = 9_000
TICKS = 45
"""Those of two seconds, and a few for who is late."""
ENDLESS = """
from pilothouse.magics._following import follow
from pilothouse.magics._session import Session
from pilothouse_widgets import run_report
let_go = threading.Event()
class Endless:
    outcome, state = "", "running"
    progress = run_report.Report(state="running", done=0, total=None)
    def wait(self, timeout=None):
        return let_go.wait(timeout)
    def cancel(self):
        let_go.wait()
        return ""
    def partial(self):
        return None
"""
LISTED = "%pilot jobs shows what became of it"


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_that_answers_confirms(kernel, home, kind):
    with patient(kernel):
        request = begun(kernel, home, kind, LONG, " -o kept")
        error = interrupted(kernel, request)

    work = WORKS[kind]
    assert error["ename"] == work.error
    assert work.confirmed in error["evalue"]
    assert "what came back is in kept" in error["evalue"]
    assert LISTED not in error["evalue"]
    assert int(kernel.result(work.kept)) >= 1
    assert kernel.result("%pilot jobs") == "(no jobs are out there)"
    goes_on(kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_peer_that_is_frozen_it_says_so_and_how_to_look_later(
    kernel, home, services, kind
):
    counts(kernel)
    request = begun(kernel, home, kind, LONG)
    with services.frozen():
        error = interrupted(kernel, request)
    ticks = ticks_of(kernel)

    assert error["ename"] == WORKS[kind].error
    assert "confirmed" in error["evalue"]
    assert WORKS[kind].confirmed not in error["evalue"]
    assert LISTED in error["evalue"]
    assert 0 < ticks <= TICKS
    goes_on(kernel)
    finish(kernel, kind)


def test_a_peer_without_bounds_of_its_own_is_waited_for_two_seconds(kernel):
    """Work whose cancel takes for ever, by whoever makes handles of his own."""
    kernel.result(ENDLESS)
    counts(kernel)
    request = kernel.send("follow(Session.of(get_ipython()), Endless(), label='it')")
    kernel.widget(request)
    error = interrupted(kernel, request)
    ticks = ticks_of(kernel)
    kernel.result("let_go.set()")

    assert error["ename"] == "KeyboardInterrupt"
    assert "not confirmed within 2 s: it may still run" in error["evalue"]
    assert 0 < ticks <= TICKS
    goes_on(kernel)


def test_the_front_ends_message_interrupts_as_the_signal_does(kernel, home):
    with patient(kernel):
        request = begun(kernel, home, "aimm", LONG)
        client = kernel.client
        client.control_channel.send(client.session.msg("interrupt_request", {}))
        error = error_of(kernel.messages(request))

    assert error["ename"] == WORKS["aimm"].error
    assert WORKS["aimm"].confirmed in error["evalue"]
    goes_on(kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_interrupt_leaves_it_to_the_peer(kernel, home, services, kind):
    asked = home / f"asked-{kind}"
    with patient(kernel):
        counts(kernel, "_detach")
        kernel.result(f"asked = {str(asked)!r}\n{TELLS_OF_CANCEL}")
        request = begun(kernel, home, kind, LONG)
        with services.frozen():
            kernel.manager.interrupt_kernel()
            until(asked.exists, DEADLINE, "the cancel")
            error = interrupted(kernel, request)
        ticks = ticks_of(kernel)
    kernel.result("threading.setprofile(None)")

    assert error["ename"] == WORKS[kind].error
    assert "interrupted twice: the cancel was not confirmed" in error["evalue"]
    assert ticks <= TICKS
    goes_on(kernel)
    finish(kernel, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_over_was_not_cancelled(kernel, home, kind):
    fresh(kernel, home)
    line = WORKS[kind].line.format(n=2)
    kernel.result(f"handle = {line}" + (" --detach"))
    said = kernel.result(f"handle.wait({DEADLINE})\nhandle.cancel()")

    assert "cancelled" not in said
    assert "interrupted" not in said
    until(lambda: kernel.result("%pilot jobs") == "(no jobs are out there)")
