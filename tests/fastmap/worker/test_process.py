"""A worker as a process: what it answers, and what user code cannot do to it."""

import gzip
import os
import pickle
import signal
import sys
import threading
import time
from types import FunctionType

import dill
import psutil
import pytest

from pilothouse.errors import ServiceError
from pilothouse.fastmap.worker import process
from pilothouse.fastmap.worker.outcomes import Cause, Done, Failed, Limits, Ready
from pilothouse.fastmap.worker.process import WorkerProcess, worker_environment
from waiting import until


def by_value(function):
    """Pickle a function as one of a script."""
    names = {"__name__": "__main__"}
    copy = FunctionType(
        function.__code__, names, function.__name__, None, function.__closure__
    )
    return dill.dumps(copy, recurse=True)


@pytest.fixture
def start(tmp_path):
    workers = []

    def with_function(function, limits=None, **more):
        worker = WorkerProcess(folder=tmp_path, limits=limits)
        workers.append(worker)
        worker.start()
        func = function if isinstance(function, bytes) else by_value(function)
        answer = worker.initialise(func, **more)
        return worker, answer

    yield with_function
    for worker in workers:
        worker.kill()
    assert list(tmp_path.iterdir()) == [], "its folder is gone with it"


def mapped(worker, items, **how):
    return worker.run_batch(pickle.dumps(items), **how)


def results(done):
    assert isinstance(done, Done), done
    data = done.results
    return dill.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)


def plus_one(x):
    return x + 1


@pytest.mark.parametrize("items", [[1, 2], (1, 2), range(1, 3), {1: 0, 2: 0}, []])
def test_any_iterable_is_mapped_in_order(start, items):
    worker, ready = start(plus_one)

    done = mapped(worker, items)

    assert isinstance(ready, Ready)
    assert results(done)["results"] == [x + 1 for x in items]
    assert done.count == len(items)
    assert 0 <= done.map_seconds < 20


def test_a_batch_sent_while_another_runs_is_done_behind_it(start):
    worker, _ = start(lambda n: 12 // n)

    for items in ([0], [4], [6]):
        worker.send_batch(pickle.dumps(items))

    assert "ZeroDivisionError" in worker.finish_batch().exception
    assert results(worker.finish_batch())["results"] == [3]
    assert results(worker.finish_batch())["results"] == [2]


def test_what_was_sent_to_a_worker_that_is_gone_is_told_by_its_answer(start):
    worker, _ = start(plus_one)
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not worker.is_alive)

    worker.send_batch(pickle.dumps([1]))

    assert worker.finish_batch().cause is Cause.DIED


def test_a_batch_and_its_results_may_be_plain_or_gzipped(start):
    worker, _ = start(plus_one)

    plain = mapped(worker, [1], plain=True)
    packed = worker.run_batch(gzip.compress(pickle.dumps([1])))

    assert plain.results[:1] == b"\x80"
    assert packed.results[:2] == b"\x1f\x8b"
    assert results(plain) == results(packed) == {"results": [2]}


def test_an_error_names_index_item_and_the_users_line(start):
    def invert(x):
        return 1 / (x - 3)

    worker, _ = start(invert)

    failed = mapped(worker, range(5))

    assert failed.cause is Cause.USER
    assert (failed.index, failed.item) == (3, "3")
    assert failed.exception == "ZeroDivisionError('division by zero')"
    assert "in invert" in failed.traceback
    assert "child.py" not in failed.traceback
    assert isinstance(dill.loads(failed.error), ZeroDivisionError)
    assert results(mapped(worker, [4])) == {"results": [1.0]}


def test_causes_are_told_with_the_users_frames_only(start):
    def outer(x):
        try:
            {}["gone"]
        except KeyError as exc:
            raise ValueError("outer") from exc

    worker, _ = start(outer)

    told = mapped(worker, [0]).traceback

    assert "KeyError: 'gone'" in told
    assert "direct cause" in told
    assert told.count("File ") == 2


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()"])
def test_an_exit_is_an_error_and_the_worker_lives(start, error):
    def leave(x):
        if x:
            raise eval(x)
        return x

    worker, _ = start(leave)
    pid = worker.pid

    failed = mapped(worker, [error])

    assert failed.exception == error
    assert results(mapped(worker, [""])) == {"results": [""]}
    assert worker.pid == pid


def test_a_function_that_stops_the_iteration_is_told(start):
    def stop(x):
        raise StopIteration

    worker, _ = start(stop)

    failed = mapped(worker, [1, 2])

    assert "StopIteration" in failed.exception
    assert failed.index == 0


def test_a_result_that_cannot_be_pickled_is_named(start):
    def stream(x):
        return (i for i in range(x)) if x else x

    worker, _ = start(stream)

    failed = mapped(worker, [0, 0, 7])

    assert failed.exception.startswith("PicklingError")
    assert "result 2, of type generator" in failed.exception
    assert failed.index == 2


def test_what_only_dill_can_pickle_comes_back(start):
    def add(x):
        return lambda y: x + y

    worker, _ = start(add)

    (made,) = results(mapped(worker, [40]))["results"]

    assert made(2) == 42


def test_results_have_a_bound_that_is_named(start):
    def much(x):
        return "x" * x

    worker, _ = start(much, Limits(results=10_000))

    assert isinstance(mapped(worker, [1000]), Done)
    assert "longer than 10000 bytes" in mapped(worker, [20_000]).exception


def test_a_batch_that_opens_too_far_is_an_error_of_the_batch(start):
    worker, _ = start(plus_one, Limits(batch=1000))

    bomb = gzip.compress(pickle.dumps("x" * 100_000_000))

    assert "TooLong" in worker.run_batch(bomb).exception
    assert isinstance(mapped(worker, [1]), Done)


def test_a_batch_that_cannot_be_unpickled_gives_advice(start):
    worker, _ = start(plus_one)

    failed = worker.run_batch(b"\x80\x04cnot_a_module\nx\n.")

    assert "not_a_module" in failed.exception
    assert "same modules and versions" in failed.traceback


@pytest.mark.skipif(sys.platform == "darwin", reason="RLIMIT_AS is not kept there")
def test_memory_has_a_bound_and_the_worker_lives(start):
    def eat(x):
        return len(bytearray(x))

    worker, _ = start(eat, Limits(memory=600 * 2**20))

    assert mapped(worker, [2**30]).exception == "MemoryError()"
    assert results(mapped(worker, [10])) == {"results": [10]}


def test_what_is_printed_comes_with_the_results_bounded(start):
    def say(x):
        import os

        print("hello")  # noqa: T201
        os.write(1, b"from the descriptor\n")
        os.system("echo from a child")
        print("y" * x)  # noqa: T201
        return x

    worker, _ = start(say)

    short, long = mapped(worker, [1]), mapped(worker, [5_000_000])

    assert short.logs == "hello\nfrom the descriptor\nfrom a child\ny\n"
    assert results(short)["stdout"] == short.logs
    assert len(long.logs) < 66_000
    assert "bytes left out" in long.logs
    assert mapped(worker, []).logs == ""


def test_closing_and_replacing_descriptors_does_not_break_the_frames(start):
    def close(x):
        import os
        import resource
        import sys

        sys.stdout.close()
        sys.stdin = None
        os.closerange(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        return x

    worker, _ = start(close)

    assert results(mapped(worker, [5])) == {"results": [5]}
    assert results(mapped(worker, [6])) == {"results": [6]}


def test_a_fork_that_comes_back_answers_once(start):
    def fork(x):
        import os

        return os.fork() > 0

    worker, _ = start(fork)

    assert results(mapped(worker, [0])) == {"results": [True]}
    assert results(mapped(worker, [0])) == {"results": [True]}


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("os._exit(3)", "exited with status 3"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("__import__('ctypes').string_at(0)", "killed by SIGSEGV"),
    ],
)
def test_a_worker_that_dies_is_told_with_cause_and_memory(start, code, why):
    def die(x):
        import os  # noqa: F401  (for the code)

        print("last words", flush=True)  # noqa: T201
        return eval(x)

    worker, _ = start(die)

    failed = mapped(worker, [code])

    assert failed.cause is Cause.DIED
    assert failed.exception.startswith(f"WorkerDied('{why}")
    assert "MiB" in failed.exception
    assert "last words" in failed.logs
    assert not worker.is_alive
    assert mapped(worker, [1]).cause is Cause.KILLED


def test_a_batch_that_takes_too_long_ends_with_its_worker(start):
    def hang(x):
        import time

        time.sleep(x)

    worker, _ = start(hang)

    failed = mapped(worker, [60], timeout=0.2)

    assert failed.cause is Cause.TIMEOUT
    assert failed.exception.startswith("TimeoutError")
    assert not worker.is_alive


def test_an_import_that_hangs_ends_with_its_worker(start):
    sources = {"slow_one": "import time\ntime.sleep(60)\n"}

    worker, failed = start(
        plus_one, local_sources=sources, installed_mods=["slow_one"], timeout=0.5
    )

    assert failed.cause is Cause.TIMEOUT
    assert failed.exception == "TimeoutError('no answer within 0.5 s')"
    assert not worker.is_alive


def test_kill_ends_a_running_batch_from_another_thread(start):
    def hang(x):
        import time

        time.sleep(x)

    worker, _ = start(hang)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(mapped(worker, [60])))
    thread.start()
    until(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_SLEEPING)
    began = time.monotonic()

    worker.kill()
    thread.join(60)

    assert time.monotonic() - began < 20
    assert answers[0].cause is Cause.KILLED
    worker.kill()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_worker_that_is_killed_between_two_looks_is_told_as_killed(
    start, monkeypatch
):
    """Its socket is closed when the answer is waited for: no fault of the worker."""
    worker, _ = start(plus_one)
    receive = worker._receive

    def late(deadline):
        worker.kill()
        return receive(deadline)

    monkeypatch.setattr(worker, "_receive", late)

    assert mapped(worker, [1]).cause is Cause.KILLED


def test_the_end_of_a_process_is_looked_for_once_more_when_the_time_is_up(monkeypatch):
    """Who is not scheduled for a second must not say that it has not ended."""
    worker = WorkerProcess()
    looks = [True, False]
    monkeypatch.setattr(worker, "_process", object())
    monkeypatch.setattr(worker, "_has_exited", lambda: looks.pop())

    worker._wait_for_end(-1.0)

    assert not looks
    worker._process = None


def test_what_a_function_has_started_ends_with_the_worker(start):
    def begin(x):
        import subprocess

        return subprocess.Popen(["sleep", "600"], start_new_session=x).pid

    worker, _ = start(begin)
    pids = results(mapped(worker, [False, True]))["results"]

    worker.kill()

    until(lambda: not any(is_running(pid) for pid in pids))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_an_interrupt_while_it_is_killed_leaves_no_stopped_process(start, monkeypatch):
    def begin(x):
        import subprocess

        return subprocess.Popen(["sleep", "600"]).pid

    worker, _ = start(begin)
    (child,) = results(mapped(worker, [0]))["results"]
    pid, seen = worker.pid, []

    def interrupted(given):
        seen.append(given)
        if len(seen) == 2:  # it is stopped by now
            raise KeyboardInterrupt
        return [child]

    monkeypatch.setattr(process, "descendants", interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.kill()
    monkeypatch.undo()

    until(lambda: not is_running(pid) and not is_running(child))


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_worker_ends_when_whoever_started_it_is_gone(start, tmp_path):
    worker, _ = start(plus_one)
    pid = worker.pid

    worker._socket.close()

    until(lambda: not is_running(pid))
    worker._socket = None


def test_local_sources_are_found_in_any_order_and_show_their_lines(start):
    sources = {
        "house.rooms": "from house.doors import open_door\ndef enter(x):\n"
        "    return open_door(x)\n",
        "house.doors": "import house.rooms\ndef open_door(x):\n"
        "    return 1 / x  # é creaks\n",
        "house": "",
    }

    def visit(x):
        import house.rooms

        return house.rooms.enter(x)

    worker, _ = start(visit, local_sources=sources)

    assert results(mapped(worker, [2])) == {"results": [0.5]}
    told = mapped(worker, [0]).traceback
    assert "return 1 / x  # é creaks" in told
    assert "<fastmap>/house/doors.py" in told


def test_modules_that_cannot_be_imported_are_collected(start):
    worker, ready = start(plus_one, installed_mods=["json", "no_such_mod", "json.x"])

    assert ready.bad_modules == ("no_such_mod", "json.x")
    assert mapped(worker, ["x"]).bad_modules == ("no_such_mod", "json.x")


def test_modules_may_be_imported_ahead(start, tmp_path):
    def loaded(x):
        import sys

        return x in sys.modules

    with WorkerProcess(folder=tmp_path) as worker:
        worker.preload(["colorsys", "no_such_mod"])
        assert isinstance(worker.initialise(by_value(loaded)), Ready)
        done = results(mapped(worker, ["colorsys", "no_such_mod"]))

    assert done == {"results": [True, False]}


def test_requirements_that_are_not_met_are_told(start):
    wanted = {"dill": "0.0.1", "no-such-dist": "1.0"}

    _, ready = start(plus_one, requirements=wanted)

    assert len(ready.warnings) == 2
    assert "no-such-dist 1.0 is not installed here" in ready.warnings


@pytest.mark.parametrize(
    ("func", "text"),
    [
        (dill.dumps(7), "int is not callable"),
        (b"\x80\x04cno_such_mod\nf\n.", "no_such_mod"),
        (b"nonsense", "Unpickling"),
    ],
)
def test_a_function_that_cannot_be_taken_is_told(start, func, text):
    _, failed = start(func)

    assert isinstance(failed, Failed)
    assert failed.cause is Cause.USER
    assert text in failed.exception


def test_main_is_left_to_the_user(start):
    def own(x):
        import sys

        main = sys.modules["__main__"]
        return sorted(name for name in vars(main) if not name.startswith("__"))

    worker, _ = start(own)

    assert results(mapped(worker, [0])) == {"results": [[]]}


def test_no_secret_of_this_process_reaches_it(start, monkeypatch):
    monkeypatch.setenv("A_SECRET", "hush")

    def look(x):
        import os

        return dict(os.environ), os.path.realpath(os.curdir)

    worker, _ = start(look)
    ((variables, folder),) = results(mapped(worker, [0]))["results"]

    assert "A_SECRET" not in variables
    assert "A_SECRET" not in worker_environment("/x")
    assert folder == os.path.realpath(worker.folder)


def test_an_interpreter_that_is_not_there_is_an_error(tmp_path):
    worker = WorkerProcess("/no/such/python", folder=tmp_path)

    with pytest.raises(ServiceError, match="no worker can be started"):
        worker.start()

    assert list(tmp_path.iterdir()) == []
    assert worker.pid == 0


def test_an_interpreter_without_dill_dies_with_its_reason(tmp_path):
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho no dill here >&2\nexit 1\n")
    bare.chmod(0o755)
    worker = WorkerProcess(str(bare), folder=tmp_path)
    worker.start()

    failed = worker.initialise(by_value(plus_one))

    assert failed.cause is Cause.DIED
    assert "no dill here" in failed.logs


def test_it_dies_of_signals_that_others_send(start):
    worker, _ = start(plus_one)

    os.kill(worker.pid, signal.SIGTERM)

    assert "SIGTERM" in mapped(worker, [1]).exception
