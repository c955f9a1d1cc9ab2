"""Maps in real kernels: interrupted, killed, clicked at, and found again."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil
import pytest

from magics.kernels import DEADLINE, patient, started
from pilothouse.services.host import ServiceHost
from waiting import until

pytestmark = pytest.mark.timeout(180)

WORKERS = 2
SLOW = """def slow(n):
    import pathlib
    import time
    pathlib.Path({folder!r}, str(n)).touch()
    time.sleep({seconds})
    while n >= {free} and not pathlib.Path({gate!r}).exists():
        time.sleep(0.01)
    return n
"""


@pytest.fixture
def service():
    """A service with two workers of one's own; ``crew()`` gives those at work."""
    with ServiceHost(["fastmap"], options={"fastmap": {"workers": WORKERS}}) as host:
        backend = host.services["fastmap"].backend

        async def at_work():
            members = [one for one in backend._members if one.owner is not None]
            found = []
            for pid in filter(None, [one.process.pid for one in members]):
                with suppress(psutil.NoSuchProcess):  # it has just ended
                    found.append(psutil.Process(pid))
            return found

        def crew():
            return until(
                lambda: len(found := host.run(at_work())) >= WORKERS and found,
                what="the workers",
            )

        host.crew = crew
        yield host


@pytest.fixture
def home(tmp_path, service):
    """The home of kernels that share a user; its environment has the secret."""
    (tmp_path / "seen").mkdir()
    return tmp_path


@pytest.fixture
def kernels(home, service, monkeypatch):
    """Return a function that starts a kernel of the same user, connected.

    Its function ``slow`` lets ``free`` items pass; the others wait for the gate.
    """
    opened = []

    def start(folder="seen", seconds=0.1, free=1_000_000):
        context = started(home)
        kernel = context.__enter__()
        opened.append(context)
        secret = service.fastmap.to_dict()["secret"]
        kernel.result(
            f"import os; os.environ['PILOTHOUSE_FASTMAP_SECRET'] = {secret!r}"
        )
        kernel.run("%load_ext pilothouse")
        patient(kernel)
        shown = kernel.result(f"%fastmap connect {service.fastmap.url} --policy CLOUD")
        assert service.fastmap.url in shown
        kernel.result(
            SLOW.format(
                folder=str(home / folder),
                seconds=seconds,
                free=free,
                gate=str(home / "gate"),
            )
        )
        return kernel

    yield start
    (home / "gate").touch()
    for context in opened:
        context.__exit__(None, None, None)


def begun(home, count=1):
    """Wait until so many items are in work."""
    until(lambda: len(list((home / "seen").iterdir())) >= count, DEADLINE, "items")


def gone(processes):
    """Whether none of them lives."""

    def lives(process):
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return not any(map(lives, processes))


def test_an_interrupt_cancels_frees_the_workers_and_keeps(kernels, home, service):
    kernel = kernels()
    request = kernel.send("%fastmap slow {range(1000)} -o kept")
    kernel.working_widget(request)
    begun(home, 8)
    busy = service.crew()
    start = time.monotonic()
    kernel.manager.interrupt_kernel()

    messages = kernel.messages(request)

    took = time.monotonic() - start
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert error["ename"] == "MapInterrupt"
    assert "cancelled: " in error["evalue"]
    assert "the service has confirmed the end" in error["evalue"]
    assert "what came back is in kept" in error["evalue"]
    assert took < 20
    seen = len(list((home / "seen").iterdir()))
    kept = eval(kernel.result("kept"))
    assert kept == sorted(kept)
    assert 0 < len(kept) <= seen
    until(lambda: gone(busy), 60, "the end of the workers")
    assert len(list((home / "seen").iterdir())) <= seen + WORKERS
    until(lambda: kernel.result("%pilot jobs") == "(no jobs are out there)")
    assert kernel.result("%fastmap slow [1, 2]") == "[1, 2]"


def test_a_click_on_cancel_ends_the_map_of_a_waiting_cell(kernels, home, service):
    kernel = kernels()
    request = kernel.send("%fastmap slow {range(1000)} -o kept")
    comm_id = kernel.working_widget(request)
    begun(home, 4)
    busy = service.crew()
    start = time.monotonic()
    kernel.click(comm_id, "cancel")

    messages = kernel.messages(request)

    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert error["ename"] == "RunCancelledError"
    assert "what came back is in kept" in "\n".join(error["traceback"])
    assert time.monotonic() - start < 20
    assert int(kernel.result("len(kept)")) > 0
    until(lambda: gone(busy), 60, "the end of the workers")


def test_a_second_interrupt_leaves_the_run_to_the_service(kernels, home, service):
    """The first one waits for a service that does not answer."""
    kernel = kernels(seconds=0.05, free=20)
    patient(kernel, 600)
    kernel.result(
        "import pathlib, threading\n"
        "from pilothouse.fastmap import Run\n"
        "def stubborn(run, cancel=Run.cancel):\n"
        f"    pathlib.Path({str(home / 'asked')!r}).touch()\n"
        "    threading.Event().wait(600)\n"
        "    return cancel(run)\n"
        "Run.cancel = stubborn\nNone"
    )
    request = kernel.send("%fastmap slow {range(100)}")
    kernel.widget(request)
    begun(home, 4)
    kernel.manager.interrupt_kernel()
    until((home / "asked").exists, DEADLINE, "the cancel")
    kernel.manager.interrupt_kernel()

    messages = kernel.messages(request)

    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert "interrupted twice" in error["evalue"]
    assert "detached: " in error["evalue"]


def test_a_killed_kernel_leaves_its_run_to_the_next_one(kernels, home, service):
    first = kernels(free=12)
    first.send("results = %fastmap slow {range(1000)} --label 'all of them'")
    begun(home, 12 + WORKERS)
    first.manager.signal_kernel(9)
    until(lambda: not first.manager.is_alive(), DEADLINE, "the end of the kernel")
    (home / "gate").touch()
    (book,) = (home / "state").rglob("fastmap-*.json")
    assert service.fastmap.secret[32:] not in book.read_text()
    assert service.fastmap.secret[:32] not in book.read_text()

    second = kernels(folder="again")
    listed = second.result("%pilot jobs")
    assert "all of them over 1,000 items" in listed
    job = listed.splitlines()[-1].split()[0]
    messages = second.run(f"%pilot attach {job} -o found")

    assert not [m for m in messages if m["msg_type"] == "error"], messages
    assert "items were sent before the run was left" in repr(messages)
    results = eval(second.result("found"))
    assert len(results) >= 4
    assert results == list(range(len(results)))
    assert second.result("%pilot jobs") == "(no jobs are out there)"


def test_a_restarted_kernel_finds_a_detached_run_whole(kernels, home, service):
    first = kernels(free=10)
    first.result("run = %fastmap slow {range(20)} --detach")
    begun(home)
    assert "detached: " in first.result("run.detach()")
    (home / "gate").touch()
    first.manager.signal_kernel(9)

    second = kernels()
    job = second.result("%pilot jobs").splitlines()[-1].split()[0]

    assert eval(second.result(f"%pilot attach {job}")) == list(range(20))
