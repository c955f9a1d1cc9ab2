"""A service that is killed, and a network that is cut, cost a run nothing but time."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from faults.processes import is_running
from faults.proxy import Fault, Proxy
from free_ports import free_port
from interop import map_functions
from interop.raw_map import Raw
from interop.suite_process import FastmapProcess, ServedFastmap
from pilothouse import fastmap
from waiting import until

pytestmark = pytest.mark.faults

TOKEN = "0123456789abcdef" * 2 + "fedcba9876543210" * 2
ITEMS = 120
SKEWED = """\
import time
_real = time.time
time.time = lambda: _real() + {offset}
"""


def client(url: str, secret: str, **options: Any) -> Any:
    given = {"exec_policy": "CLOUD", "verbosity": "SILENT", **options}
    return fastmap.init(cloud_url=url, secret=secret, **given)


def below(pid: int) -> list[psutil.Process]:
    """The processes that a service has started."""
    return psutil.Process(pid).children(recursive=True)


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(is_running(one) for one in processes)


def gated(gate: Path, first: int = ITEMS // 2) -> Callable[[int], int]:
    """A function that waits for a file, from an item on."""

    def slowly(number, gate=str(gate), first=first):
        import os
        import time

        while number >= first and not os.path.exists(gate):  # noqa: PTH110 (it travels)
            time.sleep(0.01)
        time.sleep(0.02)
        return number

    return slowly


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a run is told to its service, however busy the machine is."""
    monkeypatch.setattr("pilothouse.fastmap.run._END_SECONDS", 60.0)


# --- the service


@pytest.mark.parametrize("store", ["kept", "wiped"])
def test_a_service_killed_and_started_again_costs_no_item(
    store: str, tmp_path: Path, patient: None
):
    """Scenario 11: each item once, in order; a function that is gone is sent again."""
    port = free_port()
    folder = tmp_path / "service"
    service = ServedFastmap(folder, port, TOKEN, workers=2)
    workers = below(service.pid)
    gate = tmp_path / "gate"
    try:
        config = client(service.url, TOKEN)
        run = config.submit(gated(gate), range(ITEMS))
        until(lambda: run.progress.done >= ITEMS // 4, 60, "a quarter of the items")
        workers += below(service.pid)
        service.kill()
        gate.touch()
        if store == "wiped":
            shutil.rmtree(folder / "data")
        until(lambda: are_gone(workers), 60, "the workers to end with their service")
        service = ServedFastmap(folder, port, TOKEN, workers=2)
        assert run.result(60) == list(range(ITEMS))
        assert run.progress.retries > 0
        raw = Raw(service.url, TOKEN, version=None)
        assert raw.post("runs", b"\x80").told["runs"] == []
    finally:
        service.stop()


def test_a_service_that_stays_away_ends_the_run_with_what_is_done(tmp_path: Path):
    """After a patience that can be chosen."""
    service = FastmapProcess(tmp_path, "--workers", "2")
    config = client(service.url, service.secret, retry_timeout=1.0)
    run = config.submit(gated(tmp_path / "never"), range(ITEMS))
    until(lambda: run.progress.done >= ITEMS // 4, 60, "a quarter of the items")
    service.kill()
    with pytest.raises(fastmap.FastmapException) as caught:
        run.result(60)
    assert run.progress.done == len(run.partial()) < ITEMS
    assert service.secret not in f"{caught.value!r} {caught.value}"


def test_adaptive_goes_on_without_the_service(tmp_path: Path):
    service = FastmapProcess(tmp_path, "--workers", "1")
    config = client(
        service.url,
        service.secret,
        exec_policy="ADAPTIVE",
        max_local_workers=1,
        retry_timeout=0.5,
    )
    run = config.submit(map_functions.slowly, range(ITEMS))
    until(lambda: run.progress.done >= ITEMS // 4, 60, "a quarter of the items")
    service.kill()
    assert run.result(60) == list(range(ITEMS))


# --- the network


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastmapProcess]:
    folder = tmp_path_factory.mktemp("fastmap")
    with FastmapProcess(folder, "--workers", "2") as running:
        yield running
        assert "Traceback" not in running.said(), running.said()


@pytest.fixture
def proxy(service: FastmapProcess) -> Iterator[Proxy]:
    with Proxy(service.url) as disturbing:
        yield disturbing


def test_a_cut_under_way_costs_no_item(proxy: Proxy, service: FastmapProcess):
    """All connections are reset, three times."""
    run = client(proxy.url, service.secret).submit(map_functions.slowly, range(ITEMS))
    for part in (1, 2, 3):
        until(lambda part=part: run.progress.done >= part * ITEMS // 5)
        proxy.cut()
    assert run.result(60) == list(range(ITEMS))


@pytest.mark.parametrize(
    ("action", "way"), [("reset", "up"), ("close", "down"), ("reset", "down")]
)
def test_a_connection_that_ends_in_a_message_costs_no_item(
    action: str, way: str, proxy: Proxy, service: FastmapProcess
):
    """In the middle of the first ones, and of later ones."""
    proxy.arm(Fault(action, way, after=700))
    run = client(proxy.url, service.secret).submit(map_functions.slowly, range(60))
    for after in (1500, 300):
        until(lambda: proxy.happened.is_set() or run.state.is_over)
        proxy.arm(Fault(action, way, after=after))
    assert run.result(60) == list(range(60))
    assert run.progress.retries > 0


def test_a_batch_whose_answer_was_lost_is_not_run_again(
    proxy: Proxy, service: FastmapProcess, tmp_path: Path
):
    """The same bytes get the stored answer (2.6)."""
    mark = str(tmp_path / "ran")

    def notes(number, mark=mark):
        import time

        with open(mark, "a") as file:  # noqa: PTH123 (it travels)
            file.write(f"{number}\n")
        time.sleep(0.2)
        return number

    config = client(proxy.url, service.secret)
    assert list(config.fastmap(notes, [0])) == [0]
    run = config.submit(notes, range(1, 4))
    until(lambda: len(Path(mark).read_text().split()) > 1, 60, "an item to run")
    proxy.arm(Fault("reset", "down"))
    assert run.result(60) == [1, 2, 3]
    ran = Path(mark).read_text().split()
    assert sorted(ran) == ["0", "1", "2", "3"]


def test_a_service_that_answers_late_is_waited_for(
    proxy: Proxy, service: FastmapProcess
):
    config = client(proxy.url, service.secret)
    proxy.arm(Fault("delay", "down", seconds=1.0, times=3))
    assert list(config.fastmap(map_functions.slowly, range(10))) == list(range(10))


# --- many at once, and clocks


def test_a_hundred_runs_at_a_time(service: FastmapProcess, patient: None):
    """Each has its own results, and nothing is left of any."""
    before = len(below(service.pid))
    threads = threading.active_count()

    def one(number: int) -> bool:
        config = client(service.url, service.secret, max_cloud_workers=2)
        got = list(config.fastmap(lambda n: n * number, range(50)))
        return got == [n * number for n in range(50)]

    with ThreadPoolExecutor(100) as pool:
        assert all(pool.map(one, range(100)))
    raw = Raw(service.url, service.secret, version=None)
    until(lambda: raw.post("runs", b"\x80").told["runs"] == [], 60, "the runs to end")
    until(lambda: len(below(service.pid)) <= max(before, 4), 60, "the workers to end")
    until(lambda: threading.active_count() <= threads, 60, "the threads to end")


@pytest.mark.parametrize("offset", [400 * 86400, -400 * 86400])
def test_a_clock_that_is_wrong_harms_nothing(offset: int, tmp_path: Path):
    """The service's is more than a year off; runs are kept and found all the same."""
    (tmp_path / "sitecustomize.py").write_text(SKEWED.format(offset=offset))
    environment = {"PYTHONPATH": str(tmp_path)}
    with FastmapProcess(
        tmp_path / "s", "--workers", "2", environment=environment
    ) as service:
        config = client(service.url, service.secret)
        assert list(config.fastmap(lambda n: -n, range(5))) == [0, -1, -2, -3, -4]
        gate = tmp_path / "gate"
        run = config.submit(gated(gate, 20), range(40))
        until(lambda: run.progress.done > 0)
        run.detach()
        gate.touch()
        (known,) = client(service.url, service.secret).runs()
        assert known.run_id == run.run_id
        assert abs(known.created - time.time() - offset) < 60
        attached = client(service.url, service.secret).attach(run.run_id)
        assert attached.result(60) == list(range(40))
