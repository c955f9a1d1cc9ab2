"""The interrupt of each kind of work: asked for, confirmed or not, soon, and true."""

from __future__ import annotations

import pytest

from magics.kernels import DEADLINE
from promises.works import (
    KINDS,
    TELLS_OF_CANCEL,
    WORKS,
    begun,
    error_of,
    finish,
    fresh,
    goes_on,
    interrupted,
)
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LONG = 900
SOON = 5.0
"""Two seconds for the peer's word, and what a loaded machine needs for the rest."""
LISTED = "%pilot jobs shows what became of it"


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_that_answers_confirms(kernel, home, kind):
    request = begun(kernel, home, kind, LONG, " -o kept")
    error, took = interrupted(kernel, request)

    work = WORKS[kind]
    assert error["ename"] == work.error
    assert work.confirmed in error["evalue"]
    assert "what came back is in kept" in error["evalue"]
    assert LISTED not in error["evalue"]
    assert took < SOON
    assert int(kernel.result(work.kept)) >= 1
    assert kernel.result("%pilot jobs") == "(no jobs are out there)"
    goes_on(kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_peer_that_is_frozen_it_says_so_and_how_to_look_later(
    kernel, home, services, kind
):
    request = begun(kernel, home, kind, LONG)
    with services.frozen():
        error, took = interrupted(kernel, request)

    assert error["ename"] == WORKS[kind].error
    assert "confirmed" in error["evalue"]
    assert WORKS[kind].confirmed not in error["evalue"]
    assert LISTED in error["evalue"]
    assert took < SOON
    goes_on(kernel)
    finish(kernel, kind)


def test_the_front_ends_message_interrupts_as_the_signal_does(kernel, home):
    request = begun(kernel, home, "aimm", LONG)
    client = kernel.client
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    error = error_of(kernel.messages(request))

    assert error["ename"] == WORKS["aimm"].error
    assert WORKS["aimm"].confirmed in error["evalue"]
    goes_on(kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_interrupt_leaves_it_to_the_peer(kernel, home, services, kind):
    kernel.result("%config Pilothouse.interrupt_timeout = 30")
    asked = home / f"asked-{kind}"
    kernel.result(f"asked = {str(asked)!r}\n{TELLS_OF_CANCEL}")
    request = begun(kernel, home, kind, LONG)
    with services.frozen():
        kernel.manager.interrupt_kernel()
        until(asked.exists, DEADLINE, "the cancel")
        error, took = interrupted(kernel, request)
    kernel.result("%config Pilothouse.interrupt_timeout = 2")
    kernel.result("threading.setprofile(None)")

    assert error["ename"] == WORKS[kind].error
    assert "interrupted twice: the cancel was not confirmed" in error["evalue"]
    assert took < SOON
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
    assert kernel.result("%pilot jobs") == "(no jobs are out there)"
