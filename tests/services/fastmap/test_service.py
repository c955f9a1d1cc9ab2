"""The service as a whole: credits, restarts, workers that are warm, warnings."""

import threading
import time

import msgpack
import psutil
import pytest

from interop.raw_map import Raw, batch_of, blob_of, results_of
from pilothouse.errors import ServiceError
from pilothouse.fastmap.wire import token as tokens
from pilothouse.services.host import ServiceHost
from waiting import until


def plus_one(x):
    return x + 1


def hang(x):
    import time

    time.sleep(x)
    return x


def told(reply):
    return msgpack.unpackb(reply.body)


def test_what_is_over_the_credits_is_402_and_what_was_paid_is_collected(started):
    raw, _, _ = started(price_per_core_hour=3600 * 100.0, credits=5.0)
    func_hash = raw.upload(blob_of(hang))
    batch = batch_of([0.1])
    paid = raw.map(func_hash, batch, "run")
    price = float(paid.headers["X-Credits"])
    assert price == pytest.approx(100 * float(paid.headers["X-Map-Seconds"]))

    refused = raw.map(func_hash, [0.2], "run")

    assert (refused.status, refused.word) == (402, "NOT_ENOUGH_CREDITS")
    assert told(refused)["credits_used"] == pytest.approx(5 - price)
    assert results_of(raw.map(func_hash, batch, "run")) == [0.1]
    assert raw.done(func_hash, "run").word == "DONE"


def test_nothing_costs_anything_unless_it_has_a_price(raw, run_id):
    func_hash = raw.upload(blob_of(plus_one))

    reply = raw.map(func_hash, [1], run_id)

    assert float(reply.headers["X-Credits"]) == 0
    seconds = float(reply.headers["X-Application-Seconds"])
    assert seconds >= float(reply.headers["X-Map-Seconds"]) >= 0
    raw.done(func_hash, run_id)


def test_functions_outlive_the_service_and_runs_do_not(tmp_path):
    secret = tokens.new_token()
    options = {"fastmap": {"workers": 1, "secret": secret}}
    with ServiceHost(["fastmap"], data_dir=tmp_path, options=options) as host:
        raw = Raw(host.fastmap.url, host.fastmap.secret, version="1.0")
        func_hash = raw.upload(blob_of(plus_one))
        assert results_of(raw.map(func_hash, [1], "run")) == [2]

    with ServiceHost(["fastmap"], data_dir=tmp_path, options=options) as host:
        raw = Raw(host.fastmap.url, secret, version="1.0")
        assert raw.send("init", func_hash=func_hash).word == "EXISTS"
        assert told(raw.send("runs")) == {"runs": []}
        assert results_of(raw.map(func_hash, [2], "run")) == [3]


def test_folders_of_workers_of_a_killed_service_are_removed(tmp_path):
    left = tmp_path / "fastmap" / "workers" / "worker-abc"
    left.mkdir(parents=True)
    (left / "data").write_text("left")

    with ServiceHost(["fastmap"], data_dir=tmp_path):
        assert not left.exists()


def test_the_end_answers_who_waits_and_leaves_no_process(tmp_path):
    options = {"fastmap": {"start_seconds": 30.0}}
    with ServiceHost(["fastmap"], data_dir=tmp_path, options=options) as host:
        raw = Raw(host.fastmap.url, host.fastmap.secret, version="1.0")
        func_hash = raw.upload(blob_of(hang))
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(raw.map(func_hash, [60], "run"))
        )
        thread.start()
        backend = host.services["fastmap"].backend
        until(lambda: any(run.running for run in host.services["fastmap"].book))
        pids = until(lambda: all(found := pids_of(backend)) and found)
        began = time.monotonic()

    thread.join(60)
    assert time.monotonic() - began < 30
    assert answers[0].word == "NOT_FOUND"
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert list((tmp_path / "fastmap" / "workers").glob("worker-*")) == []


def test_auth_starts_workers_that_the_first_batch_finds_warm(started):
    raw, service, _ = started(workers=2)
    assert service.backend.processes == []

    raw.send("auth")
    pids = until(lambda: warm(service))
    func_hash = raw.upload(blob_of(lambda _: __import__("os").getpid()))
    (pid,) = results_of(raw.map(func_hash, [0], "run"))

    assert pid in pids
    raw.done(func_hash, "run")
    until(lambda: not psutil.pid_exists(pid))
    assert pid not in until(lambda: warm(service)), "a worker serves one run"


def test_warm_workers_import_what_the_last_function_needed(started):
    raw, service, _ = started(workers=2)
    modules = ["colorsys", "no_such_mod"]
    func_hash = raw.upload(blob_of(plus_one, installed_mods=modules))
    assert results_of(raw.map(func_hash, [0], "first")) == [1]

    raw.done(func_hash, "first")

    members = service.backend._members
    wanted = [frozenset(modules)] * 2
    until(lambda: [each.loaded for each in tuple(members)] == wanted)
    assert results_of(raw.map(func_hash, [1], "second")) == [2]


def warm(service):
    pids = pids_of(service.backend)
    return pids if len(pids) == 2 and all(pids) else None


def pids_of(backend):
    """Those of its processes; 0 for one that has not started yet."""
    return [each.pid for each in backend.processes]


def test_requirements_that_differ_are_told_once(raw, run_id):
    requirements = {"dill": "0.0.1", "no-such-dist": "1"}
    func_hash = raw.upload(blob_of(plus_one, requirements=requirements))

    first = raw.map(func_hash, [1], run_id)
    second = raw.map(func_hash, [2], run_id)

    assert "no-such-dist 1 is not installed here" in first.headers["X-Server-Warning"]
    assert "X-Server-Warning" not in second.headers
    raw.done(func_hash, run_id)


def test_a_requirement_that_cannot_be_installed_is_named(started, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    raw, _, _ = started(install=True, start_seconds=30.0)
    requirements = {"no-such-dist": "1.0"}
    func_hash = raw.upload(blob_of(plus_one, requirements=requirements))

    reply = raw.map(func_hash, [1], "run")

    assert reply.word == "INITIALIZATION_ERROR"
    assert "no-such-dist==1.0" in told(reply)["init_error"]
    assert "no-such-dist" in told(reply)["init_tb"]


def test_a_requirement_with_the_name_of_an_option_is_refused(started):
    raw, _, _ = started(install=True, start_seconds=30.0)
    requirements = {"--index-url=http://example.invalid": ""}
    func_hash = raw.upload(blob_of(plus_one, requirements=requirements))

    reply = raw.map(func_hash, [1], "run")

    assert "no name and version" in told(reply)["init_tb"]


def test_a_wheel_is_installed_for_the_run_alone(started, tmp_path, monkeypatch):
    make_wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    raw, _, _ = started(install=True, start_seconds=30.0)

    def use(x):
        import made_here

        return made_here.double(x)

    func_hash = raw.upload(blob_of(use, requirements={"made-here": "1.0"}))

    assert results_of(raw.map(func_hash, [21], "run")) == [42]
    with pytest.raises(ImportError):
        __import__("made_here")


def make_wheel(folder):
    import zipfile

    info = "made_here-1.0.dist-info"
    with zipfile.ZipFile(folder / "made_here-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("made_here.py", "def double(x):\n    return 2 * x\n")
        metadata = "Metadata-Version: 2.1\nName: made-here\nVersion: 1.0\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")


def test_a_batch_that_hangs_is_tried_twice_and_then_told(started):
    raw, _, _ = started(batch_seconds=0.3)
    func_hash = raw.upload(blob_of(hang))
    began = time.monotonic()

    reply = raw.map(func_hash, [60], "run")

    assert reply.word == "PROCESS_ERROR"
    assert told(reply)["exception"].startswith("TimeoutError")
    assert 0.6 <= time.monotonic() - began < 50


def test_all_that_waits_for_a_worker_that_cannot_start_is_told_and_tried_anew(
    started, tmp_path
):
    flag = tmp_path / "flag"
    source = (
        "import pathlib, time\ntime.sleep(0.3)\n"
        f"if not pathlib.Path({str(flag)!r}).exists():\n    raise OSError('no flag')\n"
        "def size(x):\n    return len(x)\n"
    )
    raw, _, _ = started(start_seconds=20.0)
    func_hash = raw.upload(blob_of(b"cneeds_flag\nsize\n.", {"needs_flag": source}))
    answers = []

    def send(number):
        answers.append(raw.map(func_hash, [number], "r"))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {each.word for each in answers} == {"INITIALIZATION_ERROR"}
    assert all("no flag" in told(each)["init_error"] for each in answers)
    flag.touch()
    assert results_of(raw.map(func_hash, [[1, 2]], "r")) == [2]


def test_a_batch_longer_than_the_hold_time_is_waited_for(started, tmp_path):
    def wait_for(path):
        import pathlib
        import time

        while not pathlib.Path(path).exists():
            time.sleep(0.01)
        return "done"

    raw, _, _ = started(hold_seconds=0.2)
    gate, func_hash = tmp_path / "gate", raw.upload(blob_of(wait_for))
    batch = batch_of([str(gate)])

    def step():
        reply = raw.send("map", func_hash=func_hash, batch=batch, run_id="run")
        assert reply.word == "INITIALIZING"
        return told(reply)["init_step"]

    until(lambda: step() == "running")
    gate.touch()

    assert results_of(raw.map(func_hash, batch, "run")) == ["done"]


def test_a_body_that_does_not_come_is_408_in_messagepack(started):
    import socket
    from urllib.parse import urlsplit

    raw, _, _ = started(read_seconds=0.2)
    address = urlsplit(raw.url)
    head = "".join(f"{k}: {v}\r\n" for k, v in raw.headers(b"").items())
    with socket.create_connection((address.hostname, address.port), 10) as peer:
        lines = f"POST /api/v1/auth HTTP/1.1\r\nHost: x\r\n{head}"
        peer.sendall(f"{lines}Content-Length: 5\r\n\r\n".encode() + b"\x80")
        said = peer.recv(65536)

    assert said.startswith(b"HTTP/1.1 408")
    assert b"Content-Type: application/msgpack\r\n" in said
    assert b"X-Status: BAD_REQUEST\r\n" in said


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"secret": "short"}, "64 characters"),
        ({"more_secrets": ("A" * 64,)}, "64 characters"),
        ({"secret": "a" * 64, "more_secrets": ("a" * 63 + "b",)}, "same first half"),
        ({"secret_file": "/no/such/file"}, "cannot be read"),
        ({"vocabulary": "loud"}, "auto, seed or release"),
        ({"workers": -1}, "1 or more"),
        ({"price_per_gib": -1.0}, "negative"),
    ],
)
def test_wrong_options_are_refused_without_showing_a_secret(tmp_path, options, text):
    host = ServiceHost(["fastmap"], data_dir=tmp_path, options={"fastmap": options})

    with pytest.raises(ServiceError, match=text) as caught:
        host.start()

    assert "aaaaaa" not in str(caught.value)


def test_the_secret_may_lie_in_a_file(tmp_path):
    secret = tokens.new_token()
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    options = {"fastmap": {"secret_file": str(file)}}

    with ServiceHost(["fastmap"], data_dir=tmp_path / "d", options=options) as host:
        assert host.fastmap.secret == secret
        assert secret not in repr(host.fastmap)
        assert secret not in repr(host.services["fastmap"].accounts.__dict__)
