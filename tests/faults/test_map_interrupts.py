"""The user's interrupt, at each stage of a map: the run ends soon, and frees all.

A relay between client and service holds the stage: the request of that stage is not
answered until the interrupt was sent. The client is a process of its own, which tells
what it was left with.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from faults.processes import is_running
from interop.raw_map import Raw
from interop.relay import Exchange, Relay, Reply, relaying
from interop.suite_process import FastmapProcess
from waiting import until

pytestmark = pytest.mark.faults

SCRIPT = """\
import json, signal, sys, threading, time
from importlib import import_module
from pilothouse import fastmap

import_module("pilothouse.fastmap.run")._END_SECONDS = 15.0
url, secret, how, policy = sys.argv[1:]
total = 4000 if policy == "ADAPTIVE" else 400
signal.signal(signal.SIGINT, signal.default_int_handler)


def slow(number, started=time.time()):  # so that it is another one each time
    import time
    time.sleep(0.05)
    return number


def numbers():
    for number in range(total):
        if how == "generator" and number == 30:
            sys.stdout.write("generating\\n")
            sys.stdout.flush()
            threading.Event().wait(30)
        yield number


config = fastmap.init(
    cloud_url=url, secret=secret, exec_policy=policy, verbosity="SILENT",
    max_local_workers=2,
)
came, run, ended = [], None, "not interrupted"
try:
    if how == "result":
        run = config.submit(slow, range(400))
        run.result()
    else:
        for value in config.fastmap(slow, numbers()):
            came.append(value)
except KeyboardInterrupt:
    interrupted = time.monotonic()
    ended = "interrupted"
    if run is not None:
        run.cancel()
    took = time.monotonic() - interrupted
    kept = came if run is None else run.partial()
    again = list(fastmap.init(exec_policy="LOCAL", verbosity="SILENT").fastmap(
        abs, [-1, -2]))
    time_of_end = time.monotonic()
    while time.monotonic() < time_of_end + 60:
        left = [t.name for t in threading.enumerate() if t.name.startswith("fastmap")]
        if not left:
            break
        time.sleep(0.01)
    told = {"took": took, "kept": kept, "left": left, "again": again, "total": total}
    sys.stdout.write(json.dumps(told) + "\\n")
sys.stdout.write(ended + "\\n")
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastmapProcess]:
    folder = tmp_path_factory.mktemp("fastmap")
    with FastmapProcess(folder, "--workers", "2") as running:
        yield running
        assert "Traceback" not in running.said(), running.said()


class Stage:
    """Holds one request of a call, which the service then never sees."""

    def __init__(self, relay: Relay, call: str, number: int = 1) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self._call = call
        self._left = number
        relay.answer = self._answer

    def _answer(self, exchange: Exchange) -> Reply | None:
        if exchange.call == self._call:
            self._left -= 1
            if self._left == 0:
                self.reached.set()
                assert self.go_on.wait(30)
                return Reply(503, {"Content-Type": "application/msgpack"}, b"\x80")
        return None


def busy_runs(service: FastmapProcess) -> list[str]:
    """Runs that hold workers."""
    raw = Raw(service.url, service.secret, version=None)
    runs = raw.post("runs", b"\x80").told["runs"]
    return [run["run_id"] for run in runs if run["state"] in ("starting", "ready")]


def interrupted(
    relay: Relay,
    service: FastmapProcess,
    stage: Stage | None,
    how: str,
    policy: str = "CLOUD",
) -> dict:
    """Run the script to the stage, interrupt it there; what it told."""
    words = [relay.url, service.secret, how, policy]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        if how == "generator":
            assert process.stdout.readline() == "generating\n"
        elif stage is not None:
            assert stage.reached.wait(60), process.poll()
        else:
            until(lambda: len(relay.words("map")) > 8 or policy == "LOCAL")
            if policy == "LOCAL":
                own = psutil.Process(process.pid)
                until(lambda: len(own.children()) >= 2, 60, "workers here")
                time.sleep(0.3)
        children = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        if policy != "LOCAL":
            until(lambda: not busy_runs(service), 60, "the service to be free")
        freed = time.monotonic() - began
        if stage is not None:
            stage.go_on.set()
        said, trouble = process.communicate(timeout=90)
        assert process.returncode == 0, trouble
        assert not trouble, trouble
        told, ended = said.strip().split("\n")[-2:]
        assert ended == "interrupted"
        until(lambda: not any(is_running(one) for one in children))
    finally:
        if stage is not None:
            stage.go_on.set()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    return {**json.loads(told), "freed": freed}


def check(told: dict, kept_at_least: int = 0) -> None:
    """It was soon over, with what had come, and another map works."""
    assert told["freed"] < 20
    assert told["took"] < 20
    assert told["left"] == []
    assert told["again"] == [1, 2]
    assert told["kept"] == sorted(set(told["kept"]))  # (partial() may have gaps)
    assert kept_at_least <= len(told["kept"]) < told["total"]


@pytest.mark.parametrize(
    ("how", "call", "number"),
    [
        ("iterate", "auth", 1),
        ("iterate", "init", 1),
        ("iterate", "init", 2),
        ("iterate", "map", 1),
        ("result", "auth", 1),
        ("result", "init", 2),
        ("result", "map", 6),
    ],
)
def test_an_interrupt_while_a_call_waits(
    how: str, call: str, number: int, service: FastmapProcess
):
    with relaying(service.url) as relay:
        stage = Stage(relay, call, number)
        told = interrupted(relay, service, stage, how)
        check(told)
        if call == "map" and number > 1:
            until(lambda: relay.words("done"), 60, "the end to be told")


@pytest.mark.parametrize(
    ("policy", "how"),
    [
        ("CLOUD", "iterate"),
        ("CLOUD", "result"),
        ("CLOUD", "generator"),
        ("ADAPTIVE", "iterate"),
    ],
)
def test_an_interrupt_while_results_come(
    policy: str, how: str, service: FastmapProcess
):
    """Scenario 12: at a part of the items; also while the user's generator waits."""
    with relaying(service.url) as relay:
        told = interrupted(relay, service, None, how, policy)
        check(told, kept_at_least=1)
        until(lambda: relay.words("done"), 60, "the end to be told")
        assert set(relay.words("done")) == {"DONE"}  # again after a late request


def test_an_interrupt_without_a_service(service: FastmapProcess):
    with relaying(service.url) as relay:
        check(interrupted(relay, service, None, "iterate", "LOCAL"))
        assert relay.calls() == []


def test_the_end_of_python_ends_the_run(service: FastmapProcess, tmp_path: Path):
    """Also a script that does not wait for its run: nobody's workers go on."""
    script = (
        "import sys, time\n"
        "from pilothouse import fastmap\n"
        "config = fastmap.init(exec_policy='LOCAL', verbosity='SILENT',\n"
        "    max_local_workers=2)\n"
        "def nap(n):\n"
        "    import os, time\n"
        f"    open({str(tmp_path)!r} + f'/{{os.getpid()}}', 'w').close()\n"
        "    time.sleep(600)\n"
        "run = config.submit(nap, range(4))\n"
        "import pathlib\n"
        f"while len(list(pathlib.Path({str(tmp_path)!r}).iterdir())) < 2:\n"
        "    time.sleep(0.01)\n"
        "print('begun', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "begun\n"
        began = time.monotonic()
        _, trouble = process.communicate(timeout=60)
        took = time.monotonic() - began
    assert process.returncode == 0, trouble
    assert took < 15
    pids = [int(one.name) for one in tmp_path.iterdir()]
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids), 60, "workers to end")
