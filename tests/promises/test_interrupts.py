"""The interrupt of each kind of work: asked for, confirmed or not, soon, and true."""

from __future__ import annotations

import time

import pytest

from magics.kernels import DEADLINE
from promises.works import KINDS, WORKS, begun, error_of, fresh, job_of
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LONG = 900
SOON = 5.0
"""Two seconds for the peer's word, and what a loaded machine needs for the rest."""
WORKING = ("score", "fastmap", "pilothouse-cancel", "pilothouse-waiting")
LISTED = "%pilot jobs shows what became of it"
TELLS_OF_CANCEL = """import sys
def told(*_event):
    if threading.current_thread().name == "pilothouse-cancel":
        pathlib.Path(asked).touch()
    sys.setprofile(None)
threading.setprofile(told)
"""


def left_behind(kernel):
    """Return the threads that move the records of some work still."""
    names = kernel.result("sorted(t.name for t in threading.enumerate())")
    return [name for name in eval(names) if name.startswith(WORKING)]


def goes_on(kernel):
    """The next cell runs, and no thread of the last one is left."""
    assert kernel.result("1 + 1") == "2"
    until(lambda: not left_behind(kernel), DEADLINE, "the end of its threads")


def interrupted(kernel, request):
    """Interrupt the running cell; its error, and how many seconds that took."""
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    error = error_of(kernel.messages(request))
    return error, time.monotonic() - start


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


def finish(kernel, kind):
    """The job can be looked at and stopped, unless the late cancel has ended it."""
    while (listed := kernel.result("%pilot jobs")) != "(no jobs are out there)":
        if "gone" not in listed:
            kernel.run(f"%pilot stop {job_of(kernel, kind)[0]}")


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
