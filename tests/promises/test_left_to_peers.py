"""A score that a second interrupt has left is found again, here and elsewhere.

The way to the engine is broken meanwhile, so that it never hears of the first one.
"""

from __future__ import annotations

import pytest

from faults.proxy import Fault, Proxy
from magics.kernels import DEADLINE
from promises.works import (
    TELLS_OF_CANCEL,
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
    kernel.result("%config Pilothouse.interrupt_timeout = 30")
    asked = home / "asked"
    asked.unlink(missing_ok=True)
    kernel.result(f"asked = {str(asked)!r}\n{TELLS_OF_CANCEL}")
    request = begun(kernel, home, "fastscore", STEPS)
    way.arm(Fault("delay", "up", seconds=3600.0, times=1_000_000))
    kernel.manager.interrupt_kernel()
    until(asked.exists, DEADLINE, "the cancel")
    error, _ = interrupted(kernel, request)
    kernel.result("threading.setprofile(None)")
    way.cut()
    way.disarm()
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
