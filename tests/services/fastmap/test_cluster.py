"""The same maps on a Dask cluster: a real scheduler, workers on several addresses."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import msgpack
import psutil
import pytest

from interop.raw_map import Raw, batch_of, blob_of, results_of
from pilothouse.errors import ServiceError
from pilothouse.services.fastmap.cluster import Cluster
from pilothouse.services.fastmap.options import FastmapOptions
from pilothouse.services.host import ServiceHost
from services.fastmap.dask_machines import Machines, is_running
from waiting import until

OPTIONS = {"start_seconds": 1.0, "hold_seconds": 60.0}


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    found = Machines(tmp_path_factory.mktemp("dask"))
    try:
        found.add_worker()
        found.add_worker()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def cluster(machines, tmp_path_factory):
    """A caller of a service whose batches go to the cluster, and that service."""
    options = {"fastmap": {**OPTIONS, "dask": machines.address}}
    folder = tmp_path_factory.mktemp("fastmap")
    with ServiceHost(["fastmap"], data_dir=folder, options=options) as host:
        yield (
            Raw(host.fastmap.url, host.fastmap.secret, version="1.0"),
            host.services["fastmap"],
            host,
        )


@pytest.fixture(scope="module")
def far(cluster):
    return cluster[0]


@pytest.fixture
def near(raw):
    return raw


def told(reply):
    return msgpack.unpackb(reply.body)


def plus_one(x):
    return x + 1


def invert(x):
    return 1 / (x - 2)


def leave(x):
    raise SystemExit(x)


def stream(x):
    return (i for i in range(x))


def die(x):
    import os

    os._exit(x)


def say(x):
    print("heard", x)  # noqa: T201
    return x


def needs_module(x):
    import helper_of_ours

    return helper_of_ours.double(x)


SOURCES = {"helper_of_ours": "def double(x):\n    return 2 * x\n"}


@pytest.mark.parametrize(
    ("function", "items", "sources"),
    [
        (plus_one, list(range(1000)), None),
        (plus_one, [], None),
        (invert, [1, 2, 3], None),
        (leave, [3], None),
        (stream, [3], None),
        (die, [3], None),
        (say, [1], None),
        (needs_module, [4], SOURCES),
        (needs_module, [4], {"helper_of_ours": "def double(x:\n"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_results_and_errors_are_those_of_local_workers(
    near, far, function, items, sources, run_id
):
    answers = []
    for caller in (near, far):
        func_hash = caller.upload(blob_of(function, sources))
        answers.append(caller.map(func_hash, items, run_id))
        caller.done(func_hash, run_id)

    here, there = answers
    assert (there.status, there.word) == (here.status, here.word)
    if there.word == "BATCH_PROCESSED":
        assert results_of(there) == results_of(here)
        assert there.headers["X-Service-Id"].startswith("dask-w")
    else:
        cut = {key: value for key, value in told(here).items() if key != "exception"}
        for key in set(cut) - {"traceback", "error"}:
            assert told(there)[key] == cut[key], key
        start = told(here)["exception"].partition(";")[0]
        assert told(there)["exception"].startswith(start)


def test_a_function_that_cannot_be_taken_is_told_as_locally(near, far, run_id):
    answers = []
    for caller in (near, far):
        func_hash = caller.upload(blob_of(b"\x80\x04cno_such_mod\nf\n."))
        answers.append(caller.map(func_hash, [1], run_id))
        caller.done(func_hash, run_id)

    assert [each.word for each in answers] == ["INITIALIZATION_ERROR"] * 2
    assert "no_such_mod" in told(answers[1])["init_error"]


def test_requirements_that_differ_are_told(far, run_id):
    func_hash = far.upload(blob_of(plus_one, requirements={"no-such-dist": "1"}))

    warning = far.map(func_hash, [1], run_id).headers["X-Server-Warning"]

    assert warning == "no-such-dist 1 is not installed here"
    far.done(func_hash, run_id)


def where(x):
    import socket
    import time

    time.sleep(x)
    return [address[4][0] for address in socket.getaddrinfo(socket.gethostname(), 0)]


def test_both_machines_work_at_a_time(far, machines, run_id):
    func_hash = far.upload(blob_of(where))
    answers = []

    def send(number):
        batch = batch_of([0.3, 0.0, number / 1e6])
        answers.append(far.map(func_hash, batch, run_id))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    names = {each.headers["X-Service-Id"].removeprefix("dask-") for each in answers}
    assert names == set(machines.workers)
    assert len({machines.addresses[name] for name in names}) == 2
    far.done(func_hash, run_id)


def mark_and_hang(path):
    import os
    import pathlib
    import time

    with pathlib.Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while pathlib.Path(path + ".hold").exists():
        time.sleep(0.01)
    return "done"


def held(far, tmp_path, run_id):
    """Start a batch that goes on until a file is gone; its marks and its answer."""
    path = tmp_path / "mark"
    hold = tmp_path / "mark.hold"
    hold.touch()
    func_hash = far.upload(blob_of(mark_and_hang))
    answers = []
    batch = batch_of([str(path)])
    thread = threading.Thread(
        target=lambda: answers.append(far.map(func_hash, batch, run_id, index=0)),
        daemon=True,
    )
    thread.start()
    until(lambda: path.exists() and path.read_text())
    return path, hold, thread, answers, func_hash


def pids_of(path):
    return [int(word) for word in path.read_text().split()]


def test_done_reaches_the_cluster_within_two_seconds(far, tmp_path, run_id):
    path, _, thread, answers, func_hash = held(far, tmp_path, run_id)
    began = time.monotonic()

    assert far.done(func_hash, run_id).word == "DONE"
    thread.join(60)

    assert answers[0].word == "NOT_FOUND"
    until(lambda: not any(is_running(pid) for pid in pids_of(path)))
    assert time.monotonic() - began < 20


def plugins(machines):
    """Our plugins on the workers."""
    from distributed import Client

    with Client(machines.address, set_as_default=False) as client:
        known = client.run(lambda dask_worker: list(dask_worker.plugins))
    return [name for names in known.values() for name in names if "fastmap" in name]


def test_functions_are_taken_back_from_the_cluster(far, cluster, machines):
    _, _, host = cluster
    until(lambda: not list(host.services["fastmap"].book))
    until(lambda: not plugins(machines))


def test_a_kept_run_goes_on_beside_another_of_its_function(far, run_id):
    other, func_hash = f"{run_id}-other", far.upload(blob_of(plus_one))
    for each in (run_id, other):
        assert results_of(far.map(func_hash, [1], each, index=0)) == [2]
    far.send("done", func_hash=func_hash, run_id=run_id, keep=True)

    assert results_of(far.map(func_hash, [2], run_id, index=1)) == [3]
    for each in (run_id, other):
        far.done(func_hash, each)


@pytest.mark.parametrize("step", ["register_plugin", "scatter"])
def test_a_run_that_ends_while_something_is_on_the_way_there_begins_nothing(
    step, far, cluster, machines, tmp_path, run_id, monkeypatch
):
    client = cluster[1].backend._client
    real, is_there, go_on = getattr(client, step), threading.Event(), threading.Event()

    async def late(*args, **more):
        given = await real(*args, **more)
        is_there.set()
        await asyncio.to_thread(go_on.wait, 60)
        return given

    monkeypatch.setattr(client, step, late)
    path = tmp_path / "mark"

    def touch(item):
        __import__("pathlib").Path(item[0]).touch()

    func_hash = far.upload(blob_of(touch))
    batch = batch_of([[str(path), os.urandom(2 * 2**20)]])
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(far.map(func_hash, batch, run_id, index=0))
    )
    thread.start()
    assert is_there.wait(60)

    assert far.send("done", func_hash=func_hash, run_id=run_id).word == "DONE"
    go_on.set()
    thread.join(60)

    assert answers[0].word == "NOT_FOUND"
    until(lambda: not plugins(machines))
    assert not path.exists()


def test_another_python_is_refused_before_anything_is_sent(far, run_id, tmp_path):
    old = Raw(far.url, far.secret, version="1.0", python="3.8.18 (default)")
    canary = tmp_path / "canary"
    func = b"cposix\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    blob = blob_of(func)

    refused = old.send("init", func_hash="0" * 16, func=blob)
    func_hash = far.upload(blob_of(plus_one))
    answer = old.map(func_hash, [1], run_id)

    assert refused.status == 400
    assert "3.8" in told(refused)["reason"]
    assert answer.word == "INITIALIZATION_ERROR"
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert own in told(answer)["init_error"]
    assert not canary.exists()


def test_a_lost_dask_worker_loses_nothing(far, machines, tmp_path, run_id):
    path, hold, thread, answers, func_hash = held(far, tmp_path, run_id)
    (pid,) = pids_of(path)
    victim = next(
        name
        for name, process in machines.workers.items()
        if pid
        in {each.pid for each in psutil.Process(process.pid).children(recursive=True)}
    )

    machines.kill_worker(victim)
    until(lambda: len(pids_of(path)) >= 2, 60, "the batch runs elsewhere")
    hold.unlink()
    thread.join(60)

    assert results_of(answers[0]) == ["done"]
    assert not is_running(pid)
    machines.add_worker()
    far.done(func_hash, run_id)


def test_a_lost_scheduler_loses_nothing(far, machines, tmp_path, run_id):
    path, hold, thread, answers, func_hash = held(far, tmp_path, run_id)

    machines.restart_scheduler()
    machines.add_worker()
    until(lambda: len(pids_of(path)) >= 2, 60, "the batch is sent again")
    hold.unlink()
    thread.join(60)

    assert results_of(answers[0]) == ["done"]
    far.done(func_hash, run_id)


def test_a_function_stays_in_mind_until_the_scheduler_has_taken_it_back():
    asked = []

    class Mapping:
        account = SimpleNamespace(name="a")
        func_hash = "f"

    class Client:
        status = "running"

        async def nthreads(self):
            return {}

        async def unregister_worker_plugin(self, name):
            asked.append(name)
            if len(asked) == 1:
                raise OSError("the connection is lost")

    run = Mapping()

    async def main():
        cluster = Cluster(None, FastmapOptions(dask="tcp://127.0.0.1:9"))
        cluster._client = Client()
        name = cluster._plugin_of(run)
        cluster._registered.add(name)
        await cluster.end(run)
        await cluster._look()
        await cluster._look()
        return name

    assert [asyncio.run(main())] * 2 == asked


def test_without_a_dask_worker_a_batch_waits_and_says_so(far, machines, run_id):
    for name in list(machines.workers):
        machines.kill_worker(name)
    func_hash = far.upload(blob_of(plus_one))
    fields = {"func_hash": func_hash, "batch": batch_of([1]), "run_id": run_id}

    def step():
        reply = far.send("map", **fields)
        return reply.word == "INITIALIZING" and told(reply)["init_step"]

    assert until(lambda: step() == "waiting for a Dask worker")

    machines.add_worker()
    assert results_of(far.map(func_hash, fields["batch"], run_id)) == [2]
    far.done(func_hash, run_id)


def test_a_cluster_of_our_own_maps_and_ends_with_the_service(tmp_path):
    options = {"fastmap": {"dask": "local", "workers": 1}}
    with ServiceHost(["fastmap"], data_dir=tmp_path, options=options) as host:
        raw = Raw(host.fastmap.url, host.fastmap.secret, version="1.0")
        func_hash = raw.upload(blob_of(lambda _: __import__("os").getppid()))
        (pid,) = results_of(raw.map(func_hash, [0], "run"))
        assert is_running(pid)

    until(lambda: not is_running(pid))


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("pilothouse.services.fastmap.cluster._CONNECT_SECONDS", 0.3)
    options = {"fastmap": {"dask": "tcp://127.0.0.1:9"}}

    with pytest.raises(ServiceError, match=r"tcp://127\.0\.0\.1:9"):
        ServiceHost(["fastmap"], data_dir=tmp_path, options=options).start()


def test_without_distributed_the_remedy_is_named(tmp_path):
    code = (
        "import sys; sys.modules['distributed'] = None; "
        "from pilothouse.cli import main; "
        "sys.exit(main(['up', '--service', 'fastmap', '--dask', 'local', "
        f"'--data-dir', {str(tmp_path)!r}]))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30
    )

    assert ended.returncode == 1
    assert "pip install 'pilothouse[dask]'" in ended.stderr


def test_without_dask_distributed_is_not_imported():
    code = (
        "import sys; from pilothouse.services.host import ServiceHost\n"
        "with ServiceHost(['fastmap']): print('distributed' in sys.modules)"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert said.stdout == "False\n", said.stderr
