"""The interrupt of each kind of work whose peer has died: soon, true, and no harm."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import pytest

from interop.suite_process import ServicesProcess
from magics.kernels import DEADLINE, environment, started
from promises.works import (
    KINDS,
    TELLS_OF_CANCEL,
    WORKS,
    begun,
    error_of,
    install,
    job_of,
    prepare,
)
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LONG = 9_000


@pytest.fixture
def four(home):
    """A kernel for each kind of work."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(started(home)) for kind in KINDS}


@pytest.fixture
def services(home, four):
    """Those of one test, which kills them; all four kernels know them."""
    with ServicesProcess(home, environment=environment(home)) as running:
        for kernel in four.values():
            prepare(kernel, running)
        install(four["fastscore"])
        four["aimm"].result("m = %aimm create promised.Slow")
        yield running


def all_begun(four, home):
    return {kind: begun(four[kind], home, kind, LONG) for kind in reversed(KINDS)}


def tells_the_truth(kernel, kind, request):
    """The cell ends, as interrupted or by its broken connection; confirmed is none."""
    error = error_of(kernel.messages(request))
    told = error["evalue"]
    broken = ("connection" in told and "broke" in told) or "no connection to" in told
    assert error["ename"] == WORKS[kind].error or broken, error
    assert WORKS[kind].confirmed not in told
    assert kernel.result("1 + 1") == "2"


def test_killed_before_the_interrupt(four, home, services):
    requests = all_begun(four, home)
    services.kill()
    for kind, request in requests.items():
        four[kind].manager.interrupt_kernel()
        tells_the_truth(four[kind], kind, request)

    def looked():
        _, line = job_of(four["fastscore"], "aimm")
        return "no password" in line

    until(looked, DEADLINE, "a look at another's job that stops to ask nobody")


def test_killed_before_it_confirms(four, home, services):
    asked = {kind: home / f"asked-{kind}" for kind in KINDS}
    for kind, kernel in four.items():
        kernel.result("%config Pilothouse.interrupt_timeout = 30")
        kernel.result(f"asked = {str(asked[kind])!r}\n{TELLS_OF_CANCEL}")
    requests = all_begun(four, home)
    os.kill(services.pid, signal.SIGSTOP)
    for kind, kernel in four.items():
        kernel.manager.interrupt_kernel()
        until(asked[kind].exists, DEADLINE, f"the cancel of {kind}")
    services.kill()
    for kind, request in requests.items():
        tells_the_truth(four[kind], kind, request)
