"""Local services stopped and started from a terminal, under a kernel that used them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from free_ports import free_port
from magics.kernels import environment, started

pytestmark = pytest.mark.timeout(240)

MEASURE = (
    "%mplane runcap tcp-4 --set destination.ip4=127.0.0.1 destination.port=9"
    ' --when "now + 1s / 1s"'
)
LINES = {
    "FastScore": "%engine state",
    "Fastmap": "%fastmap {lambda n: n + 1} {range(3)}",
    "mPlane": MEASURE,
    "AIMM": "%aimm models",
}
SAID = "the local services were started again: {} is at "


@pytest.fixture
def terminal(tmp_path):
    """Run a ``pilothouse`` command of the same user."""

    def terminal(*words):
        return subprocess.run(
            [sys.executable, "-m", "pilothouse", *words],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )

    yield terminal
    terminal("down")


@pytest.fixture
def kernel(tmp_path):
    with started(tmp_path) as kernel:
        kernel.run("%load_ext pilothouse")
        yield kernel


def told(kernel, line):
    """Return what a line displays beside its result; it must not fail."""
    messages = kernel.run(line)
    errors = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert not errors, errors
    shown = [m["content"] for m in messages if m["msg_type"] == "display_data"]
    return "\n".join(each["data"].get("text/plain", "") for each in shown)


def connect(kernel):
    kernel.result("%fastscore connect")
    kernel.result("%engine use engine-2")
    kernel.result("%fastmap connect --policy CLOUD --max-credits 50")
    kernel.result("%mplane getcap")
    kernel.result("%aimm connect")
    kernel.result("m = %aimm create plugins.NearestMean")


def test_each_line_goes_on_with_the_next_start_and_says_so_once(terminal, kernel):
    terminal("up", "--detach")
    connect(kernel)
    kernel.result(f"before = {MEASURE}")
    terminal("down")

    for line in LINES.values():
        error = kernel.error(line)
        assert "the local services are stopped" in error["evalue"], line
        assert "Hint: %pilot up" in error["evalue"]
    assert kernel.result("%fastmap {lambda n: n + 1} [1] --policy LOCAL") == "[2]"

    terminal("up", "--detach")
    for title, line in LINES.items():
        assert told(kernel, line).count(SAID.format(title)) == 1, line
        assert SAID.format(title) not in told(kernel, line)
    assert "engine-2" in kernel.result("%engine")
    assert "policy: CLOUD" in kernel.result("%fastmap")
    assert "NearestMean" in kernel.result("%aimm models")
    assert "tcp-4-0" in kernel.result("%mplane listmeas")
    kernel.run("known = get_ipython().run_line_magic('mplane', 'listcap')")
    kernel.run("labels = [row['capability'] for row in known]")
    assert kernel.result("len(labels) == len(set(labels)) > 3") == "True"


def test_the_same_ports_with_other_secrets_are_another_start(terminal, kernel):
    ports = {name: free_port() for name in ("fastscore", "fastmap", "mplane", "aimm")}
    words = [
        word for name, port in ports.items() for word in ("--port", f"{name}={port}")
    ]
    terminal("up", "--detach", *words)
    connect(kernel)
    terminal("down")
    terminal("up", "--detach", *words)

    for line in LINES.values():
        told(kernel, line)


def test_an_address_of_the_users_own_is_not_left(terminal, kernel):
    """It is told, and the doctor's fix leads on."""
    terminal("up", "--detach")
    found = "from pilothouse import services; there = services.status()[0].services"
    kernel.run(found)
    token = "there['fastscore'].token"
    kernel.run(f"import os; os.environ['PILOTHOUSE_FASTSCORE_TOKEN'] = {token}")
    kernel.run("url = there['fastscore'].url")
    kernel.run("get_ipython().run_line_magic('fastscore', f'connect {url}')")
    kernel.run(
        "get_ipython().run_line_magic('mplane', 'getcap ' + there['mplane'].url)"
    )
    terminal("down")
    terminal("up", "--detach")

    for line in ("%engine state", MEASURE):
        error = kernel.error(line)
        assert "connection refused" in error["evalue"]
        assert "%pilot doctor" in "".join(error["traceback"])
    kernel.run("report = get_ipython().run_line_magic('pilot', 'doctor')")
    kernel.run("fixes = [one.fix for one in report.faults]")
    fixes = kernel.result("fixes")
    assert "%fastscore connect" in fixes
    assert "%mplane getcap" in fixes
    kernel.run("lines = [line for fix in fixes for line in fix.split(', then ')]")
    kernel.run("for line in lines: get_ipython().run_cell(line)")
    for line in ("%engine state", MEASURE):
        kernel.result(line)
