"""Maps in this process and in processes here: results, order, errors, ends."""

from __future__ import annotations

import asyncio
import collections
import itertools
import os
import pickle
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pilothouse import fastmap
from pilothouse.fastmap import FastmapException, ItemError, State, inline
from pilothouse.fastmap.batches import Source
from pilothouse.fastmap.errors import PackingError, RunCancelledError
from pilothouse.fastmap.flow import Flow
from waiting import until

pytestmark = pytest.mark.usefixtures("no_threads_left")


class Numbers:
    """Iterable, no iterator, without a length."""

    def __iter__(self):
        return iter(range(50))


INPUTS = [
    pytest.param([], id="empty list"),
    pytest.param([7], id="one"),
    pytest.param(range(100), id="range"),
    pytest.param(range(100, 0, -3), id="range backwards"),
    pytest.param(tuple(range(9)), id="tuple"),
    pytest.param({3, 1, 2}, id="set"),
    pytest.param({"a": 1, "b": 2}, id="dict"),
    pytest.param("text", id="text"),
    pytest.param(b"bytes", id="bytes"),
    pytest.param(np.arange(12.0), id="array"),
    pytest.param(np.arange(12).reshape(4, 3), id="rows of an array"),
    pytest.param(pd.DataFrame({"x": [1, 2]})["x"], id="column"),
    pytest.param(collections.deque([1, 2]), id="deque"),
    pytest.param(Numbers(), id="iterable without length"),
]


@pytest.mark.parametrize("items", INPUTS)
@pytest.mark.parametrize("way", ["generator", "run"])
def test_any_iterable_gives_what_map_gives(local, items, way):
    def function(x):
        return repr(x)

    found = (
        list(local.fastmap(function, items))
        if way == "generator"
        else local.submit(function, items).result()
    )

    assert found == list(map(function, items))


def test_functions_of_a_script_may_use_extensions_that_import(local):
    """``PyImport_Import`` asks the globals of who calls for ``__builtins__``."""
    space = vars(sys.modules["__main__"])
    exec("def total_of_row(row): return row.sum()", space)
    function = space.pop("total_of_row")

    run = local.submit(function, np.arange(6).reshape(3, 2))

    assert run.result() == [1, 5, 9]


@pytest.mark.parametrize("way", ["generator", "run"])
def test_an_exit_of_the_function_is_the_failure_of_its_item(local, way):
    def function(n):
        return sys.exit(1) if n == 2 else n

    found = (local.fastmap if way == "generator" else local.submit)(function, range(4))
    with pytest.raises(ItemError, match="SystemExit") as caught:
        list(found)

    assert caught.value.index == 2


def test_nothing_happens_before_the_first_next(local):
    seen = []

    list_ = local.fastmap(seen.append, [1, 2])

    assert seen == []
    next(list_)
    assert seen[0] == 1


def test_tiny_items_stay_in_this_process(local, monkeypatch):
    """By the time that they take, whatever else the machine does meanwhile."""
    clock = SimpleNamespace(perf_counter=time.thread_time)
    monkeypatch.setattr(inline, "time", clock)
    assert set(local.fastmap(lambda _: os.getpid(), range(1000))) == {os.getpid()}


def test_no_process_is_started_ahead_when_the_map_has_moved(monkeypatch):
    is_moved, made, threads = threading.Event(), [], []

    def new_worker():
        if made:
            threads.append(threading.current_thread())
            assert is_moved.wait(60)
        made.append(SimpleNamespace(starts=0))
        made[-1].start = lambda worker=made[-1]: vars(worker).update(starts=1)
        return made[-1]

    monkeypatch.setattr(inline, "new_worker", new_worker)
    monkeypatch.setattr(inline, "_PATIENCE_SECONDS", 0)
    monkeypatch.setattr(inline.Inline, "_is_worth_moving", lambda *_: bool(threads))
    source = Source([0.02] * 1000, pickle.dumps, 2**20)
    here = inline.Inline(
        time.sleep, source, workers=8, return_exceptions=False, local=2
    )
    list(here.stretches())
    is_moved.set()
    threads[0].join(60)

    assert here.moves
    assert [worker.starts for worker in made] == [1, 0]
    assert here.warm == made[:1]


def test_slow_items_move_to_processes(local, tmp_path):
    own = os.getpid()

    def function(x):
        time.sleep(0.05)
        if os.getpid() != own:
            (tmp_path / str(os.getpid())).touch()
            while len(list(tmp_path.iterdir())) < 2:
                time.sleep(0.01)
        return os.getpid()

    pids = set(local.fastmap(function, range(40)))

    assert len(pids - {own}) == 2


def test_items_that_get_slow_later_move_then(local):
    def function(x):
        if x >= 2000:
            time.sleep(0.01)
        return os.getpid()

    pids = list(local.fastmap(function, range(2300)))

    assert pids[0] == os.getpid()
    assert pids[-1] != os.getpid()


def test_slow_items_that_cannot_be_pickled_stay(local):
    locks = [(i for i in range(n)) for n in range(8)]

    def function(numbers):
        time.sleep(0.06)
        return sum(numbers)

    assert list(local.fastmap(function, locks)) == [0, 0, 1, 3, 6, 10, 15, 21]


def test_batches_are_lists_in_order(local):
    lists = list(local.fastmap(lambda x: x, range(1000), return_type="BATCHES"))

    assert all(isinstance(one, list) for one in lists)
    assert list(itertools.chain(*lists)) == list(range(1000))


def test_kwargs_go_to_every_item(local):
    def function(x, by, add=0):
        return x * by + add

    found = local.fastmap(function, [1, 2], kwargs={"by": 10, "add": 1})

    assert list(found) == [11, 21]
    assert local.submit(function, [1, 2], kwargs={"by": 3}).result() == [3, 6]


def test_an_infinite_generator_is_read_as_far_as_needed(local):
    taken = []

    def source():
        for number in itertools.count():
            taken.append(number)
            yield number

    def function(x):
        time.sleep(0.02)
        return x

    found = local.fastmap(function, source())
    first = list(itertools.islice(found, 40))
    found.close()

    assert first == list(range(40))
    assert len(taken) < 1300


@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_what_the_iterable_raises_comes_behind_its_items(local, pause):
    def source():
        yield from range(40)
        raise LookupError("no more")

    def function(x):
        time.sleep(pause)
        return x

    reader = local.fastmap(function, source())
    found = list(itertools.islice(reader, 40))
    with pytest.raises(LookupError, match="no more"):
        next(reader)

    assert found == list(range(40))


def bad(x):
    time.sleep(0.02 if x < 3 else 0.0)
    if x == 17:
        raise ValueError("not 17")
    return x


@pytest.mark.parametrize("way", ["generator", "run"])
def test_a_failing_item_is_named_behind_all_results_before_it(local, way):
    make = local.fastmap if way == "generator" else local.submit
    reader = iter(make(bad, range(60)))
    found = list(itertools.islice(reader, 17))
    with pytest.raises(ItemError, match="item 17") as caught:
        next(reader)

    assert found == list(range(17))
    assert caught.value.index == 17
    assert caught.value.item == "17"
    assert caught.value.status == "PROCESS_ERROR"
    assert isinstance(caught.value.__cause__, ValueError)
    assert isinstance(caught.value, FastmapException)


def test_the_traceback_shows_the_users_line_and_no_other(local):
    run = local.submit(bad, range(60))

    with pytest.raises(ItemError) as caught:
        run.result()

    assert 'raise ValueError("not 17")' in caught.value.traceback
    assert "child.py" not in caught.value.traceback
    assert caught.value.partial == list(range(17))
    assert run.state is State.FAILED


@pytest.mark.parametrize("way", ["generator", "run"])
def test_exceptions_are_results_where_that_is_wished(local, way):
    found = (
        list(local.fastmap(bad, range(30), return_exceptions=True))
        if way == "generator"
        else local.submit(bad, range(30), return_exceptions=True).result()
    )

    assert [x for x in found if isinstance(x, int)] == [*range(17), *range(18, 30)]
    assert isinstance(found[17].__cause__, ValueError)


def test_a_stop_iteration_of_the_function_does_not_end_the_map(local):
    def function(x):
        return next(iter(()))

    for make in (local.fastmap, local.submit):
        with pytest.raises(ItemError, match="StopIteration"):
            list(make(function, [1, 2]))


def test_a_process_that_dies_once_is_replaced(local, tmp_path):
    mark = tmp_path / "died"

    def function(x):
        if x == 5 and not mark.exists():
            mark.touch()
            os._exit(3)
        return x

    assert local.submit(function, range(20)).result() == list(range(20))


def test_an_item_that_always_kills_its_process_is_found(local):
    def function(x):
        if x == 5:
            os._exit(3)
        return x

    run = local.submit(function, range(12), return_exceptions=True)
    found = run.result()

    assert [x for x in found if isinstance(x, int)] == [0, 1, 2, 3, 4, *range(6, 12)]
    assert "WorkerDied" in found[5].message
    assert found[5].index == 5


def test_a_run_tells_how_far_it_is(local, tmp_path):
    seen, gate = [], tmp_path / "gate"

    def function(x):
        while not gate.exists():
            time.sleep(0.01)

    run = local.submit(function, range(100), label="numbers")
    run.on_change(lambda one: seen.append(one.progress))
    gate.touch()
    run.result()

    progress = run.progress
    assert (progress.state, progress.done, progress.total) == (State.DONE, 100, 100)
    assert progress.fraction == 1.0
    assert sum(lane.items for lane in progress.lanes) == 100
    assert all(lane.spans for lane in progress.lanes if lane.batches)
    assert until(lambda: seen and seen[-1].state is State.DONE)
    assert run.label == "numbers"
    assert "100 of 100" in repr(run)


def test_a_callback_that_fails_harms_nothing(local, caplog):
    run = local.submit(lambda x: x, range(10))
    run.on_change(lambda one: 1 / 0)

    assert run.result() == list(range(10))


def test_results_are_there_while_it_runs(local, tmp_path):
    gate = tmp_path / "gate"

    def function(x):
        while x == 9 and not gate.exists():
            time.sleep(0.01)
        return x

    run = local.submit(function, range(10))
    live = iter(run)
    first = [next(live)]
    assert not run.wait(0)
    gate.touch()

    assert first + list(live) == list(range(10))


def test_unordered_results_come_as_they_are_done(local, tmp_path):
    gate = tmp_path / "gate"

    def function(x):
        while x == 0 and not gate.exists():
            time.sleep(0.01)
        return x

    run = local.submit(function, range(30), ordered=False)
    live = iter(run)
    first = next(live)
    gate.touch()

    assert first != 0
    assert sorted([first, *live]) == list(range(30))
    assert run.result() == list(range(30))


def busy(run):
    return sum(lane.is_busy for lane in run.progress.lanes)


def test_cancel_ends_at_once_and_keeps_what_was_done(local):
    def function(x):
        time.sleep(1000 if x else 0)
        return x

    run = local.submit(function, range(20))
    until(lambda: run.progress.done >= 1 and busy(run) == 2)
    started = time.monotonic()
    said = run.cancel()

    assert time.monotonic() - started < 20
    done = run.partial()
    assert said.startswith(f"cancelled: {len(done)} of 20")
    assert done
    assert run.partial_items() == {item: item for item in done}
    with pytest.raises(RunCancelledError):
        run.result()
    assert run.cancel() == said


def test_a_run_may_be_cancelled_by_a_callback_of_its_own(local):
    said = []

    def stop(run):
        is_lane = threading.current_thread().name.startswith("fastmap-local")
        if is_lane and not run.state.is_over:
            said.append(run.cancel())

    run = local.submit(time.sleep, [0.01] * 1000)
    run.on_change(stop)
    until(lambda: said)

    assert said[0].startswith("cancelled")
    assert run._closed.is_set()


def test_what_comes_when_it_has_ended_is_not_counted(local, monkeypatch):
    def end(flow, count, seconds, overhead):
        flow.end(State.CANCELLED, "cancelled")

    monkeypatch.setattr(Flow, "learn", end)
    run = local.submit(abs, [-1, -2])
    run.wait()

    assert run.partial() == []
    assert run.progress.done == sum(one.items for one in run.progress.lanes) == 0


def test_giving_up_to_await_a_run_leaves_nothing_to_wait_for(local):
    run = local.submit(time.sleep, [100])

    async def impatient():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run, 0.05)

    asyncio.run(impatient())  # would wait for a thread that waits

    assert not run.wait(0)
    run.cancel()


def test_a_run_can_be_awaited(local):
    async def main():
        return await local.submit(lambda x: -x, [1, 2])

    assert asyncio.run(main()) == [-1, -2]


def test_a_wait_ends_with_its_time(local):
    run = local.submit(time.sleep, [100])

    assert not run.wait(0.05)
    with pytest.raises(TimeoutError, match="not done within"):
        run.result(0.05)
    run.cancel()


def test_an_interrupted_reader_leaves_nothing_behind(local):
    def function(x):
        time.sleep(0.03)
        return x

    found = local.fastmap(function, range(1000), "BATCHES")
    next(found)
    next(found)
    with pytest.raises(KeyboardInterrupt):
        found.throw(KeyboardInterrupt)

    assert list(found) == []


def lanes():
    """Threads that feed processes of maps."""
    return {one for one in threading.enumerate() if one.name.startswith("fastmap-")}


def test_a_reader_that_turns_away_leaves_nothing_behind(local):
    before = lanes()
    for result in local.fastmap(lambda x: time.sleep(0.03) or x, range(1000)):
        if result >= 20:
            assert lanes() - before
            break

    until(lambda: not lanes() - before, 60, "the end of the map")


def test_results_are_had_one_by_one_and_by_a_loop_alike(local):
    found = local.fastmap(lambda x: x + 1, range(100))

    assert next(found) == 1
    assert list(found) == list(range(2, 101))
    assert next(found, None) is None


def test_an_item_that_cannot_be_pickled_is_named(local):
    run = local.submit(lambda x: x, [1, 2, (i for i in ()), 4])

    with pytest.raises(PackingError, match="item 2 cannot be pickled") as caught:
        run.result()

    assert caught.value.index == 2
    assert run.partial() == [1, 2]


def test_a_function_that_cannot_be_pickled_is_told(local):
    numbers = (i for i in ())

    with pytest.raises(PackingError, match="could not be pickled"):
        local.submit(lambda x: next(numbers), [1]).result()


def test_a_result_that_cannot_be_pickled_is_named(local):
    run = local.submit(lambda x: (i for i in ()) if x == 3 else x, range(6))

    with pytest.raises(ItemError, match="generator") as caught:
        run.result()

    assert caught.value.index == 3


def test_processes_work_where_the_notebook_works(local, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THE_USERS_OWN", "yes")
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", "0" * 64)
    names = ["THE_USERS_OWN", "PILOTHOUSE_FASTMAP_SECRET"]

    def function(name):
        return str(Path.cwd()), os.environ.get(name)

    found = local.submit(function, names).result()

    assert found == [(str(tmp_path), "yes"), (str(tmp_path), None)]


def test_nothing_global_is_changed(local):
    import multiprocessing

    import dill

    before = dict(dill.settings), multiprocessing.get_start_method(allow_none=True)
    local.submit(lambda x: np.add(x, 1), [1]).result()
    types_before = len(dill.Pickler.dispatch)
    local.submit(lambda x: x, [np.dtype("f8"), np.add]).result()

    after = dict(dill.settings), multiprocessing.get_start_method(allow_none=True)
    assert after == before
    assert len(dill.Pickler.dispatch) == types_before


def test_what_a_function_prints_is_kept(local, capfd):
    run = local.submit(lambda x: sys.stdout.write(f"hello {x}"), [1])
    run.result()

    assert "hello 1" in run.logs
    assert capfd.readouterr().out == ""


def test_many_runs_at_a_time_do_not_mix(local):
    def function(x):
        return x * 2

    before = lanes()
    runs = [local.submit(function, range(n, n + 20)) for n in range(6)]

    assert [run.result()[0] for run in runs] == [0, 2, 4, 6, 8, 10]
    until(lambda: not lanes() - before, what="the end of the threads")


def test_without_a_config_it_maps_here_and_says_so():
    with pytest.warns(UserWarning, match="exec_policy is LOCAL"):
        found = list(fastmap.fastmap(abs, [-1]))

    assert found == [1]
