"""Functions that misbehave take down nothing but their own worker.

By raw requests, so that what the service says is seen as it says it. One service for
the module; each function has a run of its own, and after it the same service has to
map as before, with nothing left of what the function has started.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from faults.processes import is_there, running_below
from interop.raw_map import Raw, blob_of, results_of
from interop.relay import Reply
from interop.suite_process import FastmapProcess
from waiting import until

pytestmark = pytest.mark.faults

RUNS = (f"bad-{number}" for number in itertools.count())
SOON_S = 60


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastmapProcess]:
    folder = tmp_path_factory.mktemp("fastmap")
    with FastmapProcess(folder, "--workers", "2") as running:
        yield running
        assert "Traceback" not in running.said(), running.said()


@pytest.fixture(scope="module")
def raw(service: FastmapProcess) -> Raw:
    return Raw(service.url, service.secret)


@pytest.fixture
def good(raw: Raw) -> Iterator[Callable[[], None]]:
    """Check that the service maps as before, now and at the end of the test."""
    func_hash = raw.upload(blob_of(lambda number: number + 1))

    def check() -> None:
        run = next(RUNS)
        assert results_of(raw.map(func_hash, [1, 2], run)) == [2, 3]
        raw.done(func_hash, run)

    yield check
    check()


def mapped(
    raw: Raw, function: Callable, items: object, run: str = ""
) -> tuple[Reply, str, str]:
    """Upload, and map one batch; the answer, the hash and the run."""
    func_hash = raw.upload(blob_of(function))
    run = run or next(RUNS)
    return raw.map(func_hash, items, run), func_hash, run


# --- what they do


def calls_exit(number):
    raise SystemExit(3)


def exits_at_once(number):
    import os

    os._exit(3)


def aborts(number):
    import os

    os.abort()


def recurses(number):
    return recurses(number)


def raises_unprintable(number):
    class OddError(Exception):
        def __repr__(self):
            raise ValueError("no repr")

        __str__ = __repr__

    raise OddError


def raises_long(number):
    raise ValueError("x" * 1_000_000)


def raises_unpicklable(number):
    error = ValueError("with a frame")
    error.frame = (n for n in [1])
    raise error


def stops(number):
    return next(iter(()))


def interrupts(number):
    raise KeyboardInterrupt


def eats_memory(number):
    return len(bytearray(2**44))


def gives_socket(number):
    import socket

    return socket.socket()


def imports_what_is_not_there(number):
    import no_such_module_anywhere

    return no_such_module_anywhere


@pytest.mark.parametrize(
    ("function", "begins"),
    [
        (calls_exit, "SystemExit(3)"),
        (exits_at_once, "WorkerDied"),
        (aborts, "WorkerDied"),
        (recurses, "RecursionError"),
        (raises_unprintable, ""),
        (raises_long, "ValueError('xxx"),
        (raises_unpicklable, "ValueError('with a frame')"),
        (stops, "RuntimeError('the function raised StopIteration"),
        (interrupts, "KeyboardInterrupt"),
        (eats_memory, "MemoryError"),
        (gives_socket, "PicklingError"),
        (imports_what_is_not_there, "ModuleNotFoundError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_cause_is_told(
    function: Callable, begins: str, raw: Raw, good: Callable[[], None]
):
    reply, func_hash, run = mapped(raw, function, [1, 2, 3])
    assert (reply.status, reply.word) == (200, "PROCESS_ERROR")
    told = reply.told
    assert told["exception"].startswith(begins), told["exception"]
    assert len(told["exception"]) <= 4096 + 50
    assert isinstance(told["traceback"], str)
    assert len(reply.body) < 2**20
    raw.done(func_hash, run)


def test_a_worker_outlives_an_exit_of_the_function(raw: Raw, good: Callable[[], None]):
    """6.2: SystemExit is an error like others."""

    def exits_at_two(number):
        import os

        if number == 2:
            raise SystemExit(2)
        return os.getpid()

    first, func_hash, run = mapped(raw, exits_at_two, [1])
    failed = raw.map(func_hash, [2], run)
    assert failed.word == "PROCESS_ERROR"
    again = raw.map(func_hash, [1], run)
    assert results_of(again) == results_of(first)
    raw.done(func_hash, run)


def test_a_fork_that_comes_back_does_no_harm(
    raw: Raw, service: FastmapProcess, good: Callable[[], None]
):
    """Both sides return from the function; one of them is the worker."""

    def forks(number):
        import os

        os.fork()
        return number

    reply, func_hash, run = mapped(raw, forks, [1, 2, 3])
    assert results_of(reply) == [1, 2, 3]
    assert results_of(raw.map(func_hash, [4], run)) == [4]
    raw.done(func_hash, run)


@pytest.mark.parametrize("apart", [False, True])
def test_what_a_function_starts_ends_with_its_run(
    apart: bool, raw: Raw, service: FastmapProcess, good: Callable[[], None]
):
    """Also in a session of its own, with the worker as a parent that is gone."""

    def starts(number, apart=apart):
        import subprocess

        return subprocess.Popen(["sleep", "600"], start_new_session=apart).pid

    reply, func_hash, run = mapped(raw, starts, [1])
    (pid,) = results_of(reply)
    assert is_there(pid)
    raw.done(func_hash, run)
    try:
        until(lambda: not is_there(pid), SOON_S, "what it started to end")
    finally:
        if is_there(pid):
            psutil.Process(pid).kill()


def test_megabytes_on_the_streams_are_bounded(raw: Raw, good: Callable[[], None]):
    def prints(number):
        import os
        import sys

        sys.stdout.write("o" * 4_000_000)
        sys.stderr.write("e" * 4_000_000)
        os.write(1, b"w" * 4_000_000)
        return number

    reply, func_hash, run = mapped(raw, prints, [1, 2, 3])
    assert results_of(reply) == [1, 2, 3]
    assert len(reply.body) < 2**20
    raw.done(func_hash, run)


def test_a_function_that_spoils_its_process_harms_no_other(
    raw: Raw, good: Callable[[], None]
):
    def spoils(number):
        import builtins
        import os
        import sys

        os.chdir("/")
        os.environ.clear()
        sys.stdout = sys.stderr = None
        os.closerange(0, 4096)
        builtins.print = None
        return number

    reply, func_hash, run = mapped(raw, spoils, [1, 2])
    assert reply.word in ("BATCH_PROCESSED", "PROCESS_ERROR")
    again = raw.map(func_hash, [3], run)
    assert again.word in ("BATCH_PROCESSED", "PROCESS_ERROR")
    raw.done(func_hash, run)


def test_a_worker_that_stops_itself_is_ended_by_done(
    raw: Raw, service: FastmapProcess, good: Callable[[], None], tmp_path: Path
):
    mark = str(tmp_path / "pid")

    def stops_itself(number, mark=mark):
        import os
        import signal

        with open(mark, "w") as file:  # noqa: PTH123 (it travels)
            file.write(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
        return number

    func_hash = raw.upload(blob_of(stops_itself))
    run = next(RUNS)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(raw.map, func_hash, [1], run)
        pid = until(
            lambda: Path(mark).exists() and int(Path(mark).read_text() or 0), SOON_S
        )
        began = time.monotonic()
        assert raw.done(func_hash, run).word == "DONE"
        assert waiting.result().word == "NOT_FOUND"
        until(lambda: not is_there(pid), SOON_S, "the worker to end")
        assert time.monotonic() - began < 20


def test_a_worker_killed_from_outside_is_replaced_and_billed_once(
    raw: Raw, service: FastmapProcess, good: Callable[[], None], tmp_path: Path
):
    """10: the batch runs again, once; the answer comes to the same request."""
    mark, gate = str(tmp_path / "pids"), tmp_path / "go on"

    def slow(number, mark=mark, gate=str(gate)):
        import os
        import time

        with open(mark, "a") as file:  # noqa: PTH123 (it travels)
            file.write(f"{os.getpid()}\n")
        while not os.path.exists(gate):  # noqa: PTH110
            time.sleep(0.01)
        return number

    func_hash = raw.upload(blob_of(slow))
    run = next(RUNS)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(raw.map, func_hash, [1, 2], run)
        pids = until(
            lambda: Path(mark).exists() and Path(mark).read_text().split(), SOON_S
        )
        os.kill(int(pids[0]), 9)
        gate.touch()
        assert results_of(waiting.result()) == [1, 2]
    ran = Path(mark).read_text().split()
    assert len(set(ran)) == 2
    raw.done(func_hash, run)


def test_runs_share_the_workers_fairly(
    raw: Raw, good: Callable[[], None], tmp_path: Path
):
    """6.1: a short run does not wait for all of a long one."""

    def wait_for_gate(number, folder=str(tmp_path)):
        import os
        import time

        os.close(os.open(f"{folder}/began-{number}", os.O_CREAT))
        gates = f"{folder}/gate-{number}", f"{folder}/gate-all"
        while number >= 0 and not any(map(os.path.exists, gates)):
            time.sleep(0.01)
        return number

    def queued(run: str) -> int:
        runs = raw.post("runs", b"\x80").told["runs"]
        return sum(one["queued"] for one in runs if one["run_id"] == run)

    func_hash = raw.upload(blob_of(wait_for_gate))
    long_run, short_run = next(RUNS), next(RUNS)
    with ThreadPoolExecutor(12) as pool:
        long = [pool.submit(raw.map, func_hash, [n], long_run) for n in range(10)]
        try:
            began = until(lambda: len(b := list(tmp_path.glob("began-*"))) >= 2 and b)
            short = pool.submit(raw.map, func_hash, [-1], short_run)
            until(lambda: queued(short_run))
            (tmp_path / began[0].name.replace("began", "gate")).touch()
            assert results_of(short.result(SOON_S)) == [-1]
            assert sum(not one.done() for one in long) >= 9
        finally:
            (tmp_path / "gate-all").touch()
        for one in long:
            assert one.result().word == "BATCH_PROCESSED"
    for run in (long_run, short_run):
        raw.done(func_hash, run)


def test_all_workers_are_free_in_the_end(raw: Raw, service: FastmapProcess):
    """No run is left that was ended, and no process of one."""
    until(lambda: len(running_below(service.pid)) <= 4, SOON_S, "the workers to end")
