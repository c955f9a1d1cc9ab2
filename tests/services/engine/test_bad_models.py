"""Models that misbehave take their own jet down, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request

import psutil
import pytest

from services.engine.conftest import CHUNKED, ECHO, GATED, Rig

EXITS = "import os\ndef action(x):\n    os._exit(7)\n"
SYS_EXITS = "import sys\ndef action(x):\n    sys.exit('enough')\n"
SEGFAULTS = "import ctypes\ndef action(x):\n    yield ctypes.string_at(0)\n"
ABORTS = "import os\ndef action(x):\n    os.abort()\n"
LOOPS = "def action(x):\n    while True:\n        pass\n"
SLEEPS = "import time\ndef action(x):\n    time.sleep(1000)\n"
GIL_HELD = "import re\ndef action(x):\n    re.match('(a+)+$', 'a' * 60 + 'b')\n"
YIELDS_FOR_EVER = "def action(x):\n    while True:\n        yield 'x' * 1000\n"
ALLOCATES = "def action(x):\n    h = []\n    while 1:\n        h.append(bytes(10**8))\n"
CLOSES = "import os\ndef action(x):\n    os.closerange(0, 100)\n    yield x\n"
DEEP = "def action(x):\n    action(x)\n"

TOO_LONG = "one record took longer than 1 s"

BAD = [
    pytest.param(EXITS, "exited with status 7", id="os._exit"),
    pytest.param(SYS_EXITS, "SystemExit: enough", id="sys.exit"),
    pytest.param(SEGFAULTS, "killed by SIGSEGV", id="segfault"),
    pytest.param(ABORTS, "killed by SIGABRT", id="abort"),
    pytest.param(LOOPS, TOO_LONG, id="loop"),
    pytest.param(SLEEPS, TOO_LONG, id="sleep"),
    pytest.param(GIL_HELD, TOO_LONG, id="loop in C"),
    pytest.param(ALLOCATES, "MemoryError", id="allocates"),
    pytest.param(CLOSES, "connection", id="closes handles"),
    pytest.param(DEEP, "RecursionError", id="recursion"),
]


@pytest.mark.parametrize(("source", "cause"), BAD)
def test_a_bad_model_is_reported_and_the_rest_goes_on(small_engine, source, cause):
    other = Rig(small_engine.suite, "engine-2")
    other.start(ECHO)
    small_engine.start(source, stream=CHUNKED)

    small_engine.input(b"1\n2\n")

    # Only what hangs has a short limit: a busy machine may be slow with the others.
    with small_engine.limited(record_timeout=1.0 if cause == TOO_LONG else 60.0):
        (error,) = small_engine.wait_for("model-error")
    assert cause in error["console"]
    assert error["input"]["slot"] == 0
    assert error["input"]["data"][0] == "1"
    assert error["input"]["batch_len"] == 2
    small_engine.wait("ERROR")
    assert small_engine.drain() == b""
    other.input(b"3")
    assert other.outputs(1) == [b"3"]
    other.close()
    assert small_engine.reset().status == 204
    small_engine.start(ECHO)
    small_engine.input(b"4")
    assert small_engine.outputs(1) == [b"4"]


def test_a_model_that_yields_for_ever_waits_for_its_reader(small_engine):
    small_engine.start(YIELDS_FOR_EVER, stream=CHUNKED)
    small_engine.input(b"1\n")

    with small_engine.limited(record_timeout=1.0):
        small_engine.wait_for("model-error")

    small_engine.wait("ERROR")
    small_engine.until(lambda: not small_engine.flow.pool.all_jets)


def test_a_model_that_floods_its_output_is_thinned_and_goes_on(engine):
    prints = "    for n in range(x):\n        print('y' * 100)\n"
    source = f"def action(x):\n{prints}    yield x\n"
    engine.start(source)

    engine.input(b"20000")

    assert engine.outputs(1) == [b"20000"]
    engine.until(lambda: any("left out" in m.get("text", "") for m in engine.messages))
    assert sum(len(m["text"]) for m in engine.told("model-console")) < 300_000


def test_a_child_that_a_model_forks_dies_with_its_jet(engine):
    source = (
        "import os, time\n"
        "def action(x):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n        time.sleep(1000)\n"
        "    yield pid\n"
    )
    engine.start(source)
    engine.input(b"1")
    (pid,) = map(int, engine.outputs(1))
    child = psutil.Process(pid)

    engine.reset()

    child.wait(60)


def test_a_fork_that_comes_back_does_not_answer(engine):
    source = "import os\ndef action(x):\n    pid = os.fork()\n    yield x\n"
    engine.start(source)

    for number in (b"1", b"2", b"3"):
        engine.input(number)

    assert [engine.outputs(1)[0] for _ in range(3)] == [b"1", b"2", b"3"]
    assert engine.output().status == 202
    assert engine.state == "running"


def test_a_jet_killed_from_outside_is_replaced_and_nothing_is_lost(engine, tmp_path):
    gate = tmp_path / "gate"
    engine.start(
        GATED.format(count=100, gate=str(gate)),
        stream={**CHUNKED, "Batching": {"Watermark": 50, "NagleTime": 10}},
    )
    (first,) = engine.jets
    engine.input(b"".join(b"%d\n" % n for n in range(2000)))
    head = engine.output()
    while head.status == 202:
        head = engine.output()

    os.kill(first["pid"], signal.SIGKILL)
    engine.wait_for("engine-config", item="jet", op="stop", ref=first["sandbox"])
    gate.touch()

    found = head.body.splitlines()
    found += engine.outputs(2000 - len(found))
    assert found == [b"%d" % n for n in range(2000)]
    assert engine.state == "running"
    (second,) = engine.jets
    assert second["sandbox"] != first["sandbox"]
    (log,) = engine.wait_for("log")
    assert "killed by SIGKILL" in log["text"]


def test_a_batch_that_costs_two_jets_is_an_error(engine):
    source = (
        "import os, signal\ndef action(x):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    engine.start(source)

    engine.input(b"1")

    (error,) = engine.wait_for("model-error")
    assert "killed by SIGKILL" in error["console"]
    assert error["input"]["data"] == ["1"]
    engine.wait("ERROR")
    assert len(engine.told("engine-config", item="jet", op="start")) == 2


def test_a_waiting_roundtrip_is_told_of_the_failure(engine):
    engine.start("def action(x):\n    raise ValueError('no good')\n")

    answer = engine.roundtrip(b"1")

    assert (answer.status, "no good" in answer.text) == (400, True)
    engine.wait("ERROR")
    assert engine.roundtrip(b"1").status == 400


def test_a_model_whose_body_raises_is_an_error_at_the_start(engine):
    engine.start("x = 1 / 0\n" + ECHO)

    (error,) = engine.wait_for("model-error")

    assert error["input"] is None
    assert "ZeroDivisionError" in error["console"]
    engine.wait("ERROR")


def test_a_reset_ends_a_busy_jet_at_once(engine):
    engine.start(LOOPS)
    (jet,) = engine.jets
    process = psutil.Process(jet["pid"])
    engine.input(b"1")

    assert engine.reset().status == 204

    assert engine.state == "init"
    process.wait(60)


def test_a_reset_answers_a_roundtrip_that_waits(engine):
    engine.start(SLEEPS)
    answers = []
    path = "engine-1/2/active/model/roundtrip/0/1?timeout=60000"
    thread = threading.Thread(
        target=lambda: answers.append(engine.suite.call("POST", path, b"1"))
    )
    thread.start()
    engine.until(lambda: any(jet.in_flight for jet in engine.flow.pool.jets))

    engine.reset()
    thread.join()

    assert answers[0].status == 400
    assert "reset" in answers[0].text


def test_stopping_the_service_leaves_no_process(tmp_path, monkeypatch):
    from conftest import LocalSuite, started

    monkeypatch.setattr("pilothouse.services.fastscore.engine.pool.STOP_SECONDS", 60)
    with started(tmp_path / "data") as host:
        rig = Rig(LocalSuite(host))
        rig.start(LOOPS)
        rig.input(b"1")
        process = psutil.Process(rig.jets[0]["pid"])
        rig.leave()

    process.wait(60)
    assert list((tmp_path / "data").rglob("jet-*")) == []


def test_a_model_that_never_starts_is_reported(engine):
    engine.start("def begin():\n    while True:\n        pass\n" + ECHO)

    with engine.limited(begin_timeout=1.0):
        (error,) = engine.wait_for("model-error")

    assert "begin took longer than 1 s" in error["console"]
    engine.wait("ERROR")


def test_a_model_whose_end_never_ends_is_reported(engine):
    engine.load(ECHO + "def end():\n    while True:\n        pass\n")
    engine.attach(1)
    engine.attach(
        0, {"Transport": {"Type": "inline", "Data": ["1"]}, "Encoding": "json"}
    )
    engine.until(lambda: any(jet.is_ending for jet in engine.flow.pool.all_jets))

    with engine.limited(record_timeout=1.0):
        (error,) = engine.wait_for("model-error")

    assert "took longer than 1 s" in error["console"]
    engine.wait("ERROR")
    assert engine.drain() == b"1"


def test_jets_die_with_a_service_that_is_killed(tmp_path):
    command = [sys.executable, "-m", "pilothouse", "up", "--service", "fastscore"]
    service = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "data"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with service:
        info = json.loads(service.stdout.readline())["fastscore"]
        engine = f"{info['url']}/api/1/service/engine-1"
        mime = "application/vnd.fastscore.model-python3"
        names = {"Content-Type": mime, "Content-Disposition": 'x-model; name="m"'}
        put(f"{engine}/1/job/model", LOOPS.encode(), info["token"], names)
        for slot in (0, 1):
            stream = json.dumps(CHUNKED).encode()
            put(f"{engine}/2/active/stream/{slot}", stream, info["token"], {})
        jets = psutil.Process(service.pid).children()
        service.kill()

    assert jets
    assert psutil.wait_procs(jets, 60)[1] == []


def put(url, body, token, headers):
    sent = {"Authorization": token, **headers}
    request = urllib.request.Request(url, body, sent, method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204
