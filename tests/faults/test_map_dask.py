"""Parts of a Dask cluster that are killed under way cost no batch of a run.

By raw requests to the service; the cluster's parts are processes of their own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faults.dask_processes import DaskProcesses, dask_of
from faults.processes import is_there
from interop.raw_map import Raw, batch_of, blob_of, results_of
from interop.relay import Reply
from interop.suite_process import FastmapProcess
from waiting import until

pytestmark = pytest.mark.faults

RUNS = (f"dask-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    with dask_of(tmp_path_factory.mktemp("dask"), workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    cluster: DaskProcesses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastmapProcess]:
    folder = tmp_path_factory.mktemp("fastmap")
    with FastmapProcess(folder, "--dask", cluster.address) as running:
        yield running
        said = running.said()  # (distributed logs traces of connections that it lost)
        assert "/pilothouse/" not in said, said


@pytest.fixture(scope="module")
def raw(service: FastmapProcess) -> Raw:
    return Raw(service.url, service.secret)


def marks(number_and_folder):
    """Leave a file that tells who is at which item, and take a while."""
    import os
    import time
    from pathlib import Path

    number, folder = number_and_folder
    Path(folder, f"{number}-{os.getppid()}-{os.getpid()}").touch()
    time.sleep(0.25)
    return number


def seen(folder: Path) -> list[tuple[int, ...]]:
    """Item, parent and process of each mark."""
    return [tuple(map(int, one.name.split("-"))) for one in folder.iterdir()]


def all_batches(raw: Raw, func_hash: str, folder: Path, pool: ThreadPoolExecutor):
    """Send seven batches of two items at once."""
    run = next(RUNS)
    batches = [
        batch_of([(2 * n, str(folder)), (2 * n + 1, str(folder))]) for n in range(7)
    ]
    return run, [pool.submit(raw.map, func_hash, batch, run) for batch in batches]


def flat(replies: list[Reply]) -> list[int]:
    return [number for reply in replies for number in results_of(reply)]


def test_errors_and_results_are_those_of_the_service_itself(raw: Raw):
    func_hash = raw.upload(blob_of(lambda number: 12 // number))
    run = next(RUNS)
    good = raw.map(func_hash, [3, 4], run)
    assert results_of(good) == [4, 3]
    assert good.headers["X-Service-Id"]
    assert float(good.headers["X-Map-Seconds"]) >= 0
    failed = raw.map(func_hash, [1, 0], run)
    assert (failed.status, failed.word) == (200, "PROCESS_ERROR")
    assert failed.told["exception"].startswith("ZeroDivisionError")
    assert failed.told["index"] == 1
    assert "distributed" not in failed.told["traceback"]
    assert raw.done(func_hash, run).word == "DONE"


def test_done_reaches_the_cluster(raw: Raw, tmp_path: Path):
    """The processes of a run end within two seconds."""

    def naps(folder):
        import os
        import time
        from pathlib import Path

        Path(folder, str(os.getpid())).touch()
        time.sleep(600)

    func_hash = raw.upload(blob_of(naps))
    run = next(RUNS)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(raw.map, func_hash, [str(tmp_path)], run, index=0)
        (mark,) = until(lambda: list(tmp_path.iterdir()), 60, "the batch to run")
        began = time.monotonic()
        assert raw.done(func_hash, run).word == "DONE"
        assert waiting.result().word == "NOT_FOUND"
        until(lambda: not Path(f"/proc/{mark.name}").exists(), 60, "its process to end")
        assert time.monotonic() - began < 20


def test_a_killed_dask_worker_loses_nothing(
    raw: Raw, cluster: DaskProcesses, tmp_path: Path
):
    func_hash = raw.upload(blob_of(marks))
    with ThreadPoolExecutor(10) as pool:
        run, waiting = all_batches(raw, func_hash, tmp_path, pool)
        until(lambda: len(seen(tmp_path)) >= 3, 60, "some items")
        cluster.workers[0].kill()
        cluster.start_worker()
        replies = [one.result() for one in waiting]
    assert flat(replies) == list(range(14))
    raw.done(func_hash, run)


def test_without_any_dask_worker_a_run_waits_for_one(
    raw: Raw, cluster: DaskProcesses, tmp_path: Path
):
    func_hash = raw.upload(blob_of(marks))
    with ThreadPoolExecutor(10) as pool:
        run, waiting = all_batches(raw, func_hash, tmp_path, pool)
        until(lambda: len(seen(tmp_path)) >= 3, 60, "some items")
        for worker in cluster.workers:
            worker.kill()
        cluster.start_worker()
        replies = [one.result() for one in waiting]
    assert flat(replies) == list(range(14))
    raw.done(func_hash, run)


def test_a_killed_scheduler_loses_nothing(
    raw: Raw, cluster: DaskProcesses, service: FastmapProcess, tmp_path: Path
):
    """It comes back at its address, with new workers; batches are sent again."""
    func_hash = raw.upload(blob_of(marks))
    with ThreadPoolExecutor(10) as pool:
        run, waiting = all_batches(raw, func_hash, tmp_path, pool)
        until(lambda: len(seen(tmp_path)) >= 3, 60, "some items")
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        for worker in cluster.workers:
            worker.kill()
        cluster.start_scheduler()
        cluster.start_worker()
        cluster.start_worker()
        replies = [one.result() for one in waiting]
    assert flat(replies) == list(range(14))
    raw.done(func_hash, run)
    pids = {pid for _, _, pid in seen(tmp_path)}
    until(lambda: not still_there(pids), 60, "the processes of the run to end")


def still_there(pids: set[int]) -> list[int]:
    """Those of some processes that run."""
    return [pid for pid in pids if is_there(pid)]
