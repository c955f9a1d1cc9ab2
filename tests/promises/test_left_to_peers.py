"""A score that a second interrupt has left is found again, here and elsewhere.

The way to the engine is broken meanwhile, so that it never hears of the first one.
"""

from __future__ import annotations

import pytest

from faults.proxy import Fault, Proxy
from magics.kernels import DEADLINE
from promises.works import (
    WORKS,
    begun,
    goes_on,
    interrupted,
    job_of,
)
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = 150
WORK = WORKS["fastscore"]
NONE = "(no jobs are out there)"
CONNECT = """import os
os.environ["PILOTHOUSE_FASTSCORE_TOKEN"] = {token!r}
%fastscore connect {url}
%engine use engine-1
"""
CANCEL_LASTS = """from pilothouse.fastscore.score_flow import ChunkFlow
drop, is_left = ChunkFlow._drop, threading.Event()
def lasting(flow, seconds):
    drop(flow, seconds)
    if (thread := threading.current_thread()).name == "pilothouse-cancel":
        cancels.append(thread)
        pathlib.Path(asked).touch()
        is_left.wait(60)
cancels, ChunkFlow._drop = [], lasting
"""
CANCEL_ENDS = """ChunkFlow._drop = drop
is_left.set()
for cancel in cancels:
    cancel.join(60)
"""


@pytest.fixture(scope="module")
def way(services):
    """A proxy before the suite."""
    with Proxy(services.told["fastscore"]["url"]) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def two(kernels, services, way):
    """Two kernels that reach the suite by way of the proxy."""
    found = kernels(), kernels()
    token = services.told["fastscore"]["token"]
    for kernel in found:
        kernel.result(CONNECT.format(token=token, url=way.url))
    return found


def left(kernel, home, way):
    """Interrupt a score twice while nothing gets to its engine; what that has said."""
    kernel.result("%config Pilothouse.interrupt_timeout = 60")
    asked, hold = home / "asked", home / "hold"
    asked.unlink(missing_ok=True)
    kernel.result(f"asked = {str(asked)!r}\n{CANCEL_LASTS}")
    hold.touch()  # the model waits at its third record
    request = begun(kernel, home, "fastscore", STEPS, is_held=True)
    way.arm(Fault("delay", "up", seconds=3600.0, times=1_000_000))
    kernel.manager.interrupt_kernel()
    until(asked.exists, DEADLINE, "the cancel")
    error = interrupted(kernel, request)
    kernel.result(CANCEL_ENDS)
    way.disarm()  # first: what connects behind the cut is not held up
    way.cut()
    hold.unlink()
    return error


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_it_is_listed_and_attached_to(two, home, way, where):
    kernel = two[0]
    error = left(kernel, home, way)
    assert error["ename"] == WORK.error
    assert "interrupted twice: the cancel was not confirmed" in error["evalue"]
    assert WORK.confirmed not in error["evalue"]
    assert "%pilot jobs" in error["evalue"]

    then = kernel if where == "here" else two[1]
    name, line = job_of(then, "fastscore")
    assert WORK.listed.format(n=STEPS) in line
    messages = then.run(f"%pilot attach {name} -o found")

    assert not [m for m in messages if m["msg_type"] == "error"], messages
    assert then.result(WORK.value.format(n=STEPS)) == WORK.expected
    assert then.result("%pilot jobs") == NONE
    goes_on(kernel)
