"""What runs on a worker of a Dask cluster: here one in this process, a real one."""

import pickle
from pathlib import Path

import dill
import pytest

from pilothouse.fastmap.worker import child

NAME, BATCH = "fastmap-test", pickle.dumps([1, 2])


@pytest.fixture
def client():
    from distributed import Client

    with Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as client:
        yield client


@pytest.fixture
def far(client):
    from pilothouse.services.fastmap import far

    function = {
        "func": dill.dumps(abs),
        "local_sources": {},
        "installed_mods": (),
        "requirements": {},
    }
    limits = {"batch": 2**20, "results": 2**20, "memory": 0}
    seconds = {"batch": 60.0, "import": 60.0, "idle": 60.0}
    text = Path(child.__file__).read_text(encoding="utf-8")
    plugin = far.FunctionPlugin(NAME, function, text, limits, seconds)
    client.register_plugin(plugin, name=NAME)
    yield far
    client.unregister_worker_plugin(NAME)


def processes(client):
    """Return the ids of the child processes that the plugin has."""

    def own(dask_worker):
        plugin = dask_worker.plugins[NAME]
        runs = [*plugin._idle.values(), *plugin._busy.values()]
        return {process.pid for some in [plugin._spare, *runs] for process in some}

    (found,) = client.run(own).values()
    return found


def test_a_task_of_a_run_that_was_ended_starts_nothing(client, far):
    def told(run_id):
        task = client.submit(far.run_batch, NAME, run_id, BATCH, pure=False)
        return task.result(60)

    assert "results" in told("one")
    client.run(far.end_run, NAME, "two")
    before = processes(client)

    late = told("two")

    assert late["cause"] == "killed"
    assert late["exception"] == "the run was ended"
    assert processes(client) <= before
    assert "results" in told("one"), "other runs go on"
