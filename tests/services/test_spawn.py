"""Services as a process: started once, found again, stopped, killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest

import pilothouse
from conftest import raw_call
from pilothouse.errors import ServiceError
from pilothouse.services import launching, spawn
from pilothouse.services.runtime_files import find_records

MM = "/api/1/service/model-manage-1/1"


@pytest.fixture(autouse=True)
def _all_down():
    yield
    for local in pilothouse.status():
        local.down()


def call(local, method, path, body=None):
    headers = {"Authorization": local.fastscore.token}
    return raw_call(local.fastscore.url, method, path, body, headers)


def test_services_come_up_once_and_are_found_again():
    first = pilothouse.up()
    assert first.is_new
    assert call(first, "GET", "/api/1/service/connect/1/health").status == 200
    second = pilothouse.up()
    assert not second.is_new
    assert second.pid == first.pid
    assert second.fastscore.token == first.fastscore.token
    assert [local.pid for local in pilothouse.status()] == [first.pid]
    first.down()
    first.down()
    assert not second.is_alive
    assert pilothouse.status() == []


def test_they_have_a_session_of_their_own_and_write_a_log():
    local = pilothouse.up()
    assert os.getsid(local.pid) == local.pid
    assert local.log is not None
    assert "up: fastscore" in local.log_tail()
    assert local.log.stat().st_mode & 0o777 == 0o600
    assert local.fastscore.token not in local.log.read_text()


def test_the_starting_process_may_end_without_a_warning(tmp_path):
    script = "import pilothouse; print(pilothouse.up().pid)"
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert [local.pid for local in pilothouse.status()] == [int(done.stdout)]


def test_two_starts_at_once_end_up_with_one_process():
    script = "import pilothouse; print(pilothouse.up().pid)"

    def start(_):
        command = [sys.executable, "-c", script]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(start, range(3)))
    assert [one.stderr for one in done] == [""] * 3
    assert len({one.stdout for one in done}) == 1


def test_what_runs_otherwise_than_asked_for_is_told(tmp_path):
    first = pilothouse.up(["fastmap"], data_dir=tmp_path, workers=1)
    port = urlsplit(first.fastmap.url).port
    same = {"workers": 1, "ports": {"fastmap": port}}

    again = pilothouse.up(["fastmap"], data_dir=tmp_path, **same)

    assert again.pid == first.pid
    for other in (
        {"dask": "tcp://127.0.0.1:9"},
        {"workers": 2},
        {"ports": {"fastmap": 9}},
    ):
        with pytest.raises(
            ServiceError, match="runs the local services without"
        ) as told:
            pilothouse.up(["fastmap"], data_dir=tmp_path, **other)
        assert "pilothouse down" in told.value.hint


def test_another_data_folder_is_another_process(tmp_path):
    usual = pilothouse.up()
    other = pilothouse.up(data_dir=tmp_path / "other")
    assert other.pid != usual.pid
    assert pilothouse.up(data_dir=tmp_path / "other").pid == other.pid
    assert pilothouse.up().pid == usual.pid
    assert pilothouse.down(data_dir=tmp_path / "other") == [other.pid]
    assert usual.is_alive


def test_a_killed_process_is_no_longer_found_and_what_it_acknowledged_is_there():
    local = pilothouse.up()
    for number in range(50):
        path = f"{MM}/schema/s{number}"
        assert call(local, "PUT", path, b'"int"').status == 201
    os.kill(local.pid, signal.SIGKILL)
    psutil.Process(local.pid).wait(60)
    assert pilothouse.status() == []
    again = pilothouse.up()
    assert again.is_new
    assert len(json.loads(call(again, "GET", f"{MM}/schema").body)) == 50


def test_down_ends_all_and_tells_which(tmp_path):
    pids = {pilothouse.up().pid, pilothouse.up(data_dir=tmp_path / "b").pid}
    assert set(pilothouse.down()) == pids
    assert pilothouse.down() == []


def test_the_end_is_waited_for_until_all_threads_have_ended(monkeypatch):
    """The main thread may be a zombie while others are still at work."""
    command = [sys.executable, "-c", "input()"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    monkeypatch.setattr(launching, "_children", {child.pid})
    ends = SimpleNamespace(
        monotonic=time.monotonic, sleep=lambda _: child.stdin.close()
    )
    monkeypatch.setattr(spawn, "time", ends)

    assert spawn._wait(SimpleNamespace(pid=child.pid, is_alive=False), 60)

    assert launching._children == set()
    child.wait()


def test_sigterm_removes_the_runtime_file():
    local = pilothouse.up()
    process = psutil.Process(local.pid)
    os.kill(local.pid, signal.SIGTERM)
    process.wait(60)
    assert not list(find_records())


def test_sigterm_lets_uploads_under_way_end_and_they_are_kept():
    local = pilothouse.up()
    headers = {"Content-Type": "application/vnd.fastscore.model-python3"}
    headers["Authorization"] = local.fastscore.token
    raw_call(local.fastscore.url, "PUT", f"{MM}/model/m", b"x", headers)
    parts = urlsplit(local.fastscore.url)
    data = bytes(range(256)) * 4096
    head = (
        f"PUT {MM}/model/m/attachment/a.zip HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {local.fastscore.token}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as sock:
        sock.sendall(head.encode() + data[:1000])
        call(local, "GET", "/api/1/service/connect/1/health")
        os.kill(local.pid, signal.SIGTERM)
        sock.sendall(data[1000:])
        assert sock.recv(65536).startswith(b"HTTP/1.1 201 ")
    psutil.Process(local.pid).wait(60)
    assert "Traceback" not in local.log_tail(1000)
    again = pilothouse.up()
    assert call(again, "GET", f"{MM}/model/m/attachment/a.zip").body == data


def test_sigterm_under_load_leaves_no_traceback():
    local = pilothouse.up()
    paths = [f"{MM}/schema/s", "/api/1/service/engine-1/2/engine/state"]
    refused = []

    def load(number):
        while not refused:
            try:
                call(local, "PUT" if number % 2 else "GET", paths[number % 2], b"1")
            except OSError as exc:
                refused.append(exc)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(load, number) for number in range(4)]
        call(local, "GET", "/api/1/service/connect/1/health")
        os.kill(local.pid, signal.SIGTERM)
        for one in running:
            one.result(30)
    psutil.Process(local.pid).wait(60)
    assert "Traceback" not in local.log_tail(1000)


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path):
    folder = tmp_path / "data"
    (folder / "fastscore").mkdir(parents=True)
    (folder / "fastscore" / "fastscore.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ServiceError, match="not a database") as caught:
        pilothouse.up(data_dir=folder)
    assert "services.log" in caught.value.hint
    assert pilothouse.status() == []


def test_a_start_that_takes_too_long_is_given_up():
    with pytest.raises(ServiceError, match="did not get ready"):
        pilothouse.up(timeout=0)
    assert pilothouse.status() == []


def test_a_process_that_hangs_is_found_to_hang(monkeypatch):
    monkeypatch.setattr(spawn, "_HEALTH_SECONDS", 0.2)
    local = pilothouse.up()
    process = psutil.Process(local.pid)
    process.suspend()
    try:
        with pytest.raises(ServiceError, match="does not answer"):
            pilothouse.up()
        with pytest.raises(ServiceError, match="killed"):
            local.down(timeout=0.2)
    finally:
        if process.is_running():
            process.resume()
    assert pilothouse.status() == []


def test_a_process_that_runs_but_does_not_listen_is_named(monkeypatch):
    from pilothouse.services.runtime_files import own_record

    record = own_record({"fastscore": {"url": "http://127.0.0.1:9"}}, spawn.Path("/d"))
    record.write()
    try:
        with pytest.raises(ServiceError, match="does not answer"):
            pilothouse.up(["fastscore"])
    finally:
        record.remove()


@pytest.mark.parametrize("services", [["nope"], ["fastscore", "nope"]])
def test_an_unknown_service_is_refused(services):
    with pytest.raises(ServiceError, match="no service 'nope'"):
        pilothouse.up(services)


def test_a_handle_shows_addresses_but_no_secret():
    local = pilothouse.up()
    for shown in (repr(local), local._repr_html_()):
        assert local.fastscore.url in shown
        assert local.fastscore.token not in shown
        assert local.fastmap.secret not in shown
    assert local.fastscore.token not in repr(local.services)


def test_a_module_in_the_current_folder_does_not_get_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "platform.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    assert pilothouse.up().is_alive
