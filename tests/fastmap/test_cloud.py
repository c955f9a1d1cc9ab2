"""Maps at the local service, over its wire."""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import threading
import time

import pytest

from fastmap.scripted import told
from interop.raw_map import Raw, batch_of, blob_of
from pilothouse import fastmap
from pilothouse.fastmap import ItemError, State, batches
from pilothouse.fastmap import config as config_module
from pilothouse.fastmap import run as run_module
from pilothouse.fastmap.attached import AttachedRun
from pilothouse.fastmap.errors import (
    FastmapNotAuthorizedError,
    FastmapUsageError,
    IncompleteError,
    RunNotFoundError,
)
from pilothouse.fastmap.flow import Flow
from pilothouse.fastmap.wire.token import new_token
from waiting import until

pytestmark = pytest.mark.usefixtures("no_threads_left")


def double(x):
    return 2 * x


def say(x):
    sys.stdout.write(f"item {x}\n")


def slow(x):
    time.sleep(0.03)
    return x


def test_results_are_those_of_map_in_order(cloud):
    assert list(cloud.fastmap(double, range(500))) == list(map(double, range(500)))


def test_no_item_is_mapped_in_this_process(cloud):
    """The real client ran its first items here, also under CLOUD."""
    assert os.getpid() not in set(cloud.fastmap(lambda _: os.getpid(), range(20)))


@pytest.mark.parametrize(
    "make", [list, tuple, set, lambda: iter(()), lambda: "abc"[3:]]
)
def test_an_empty_input_sends_nothing(make):
    config = fastmap.init(
        cloud_url="http://127.0.0.1:9", secret=new_token(), exec_policy="CLOUD"
    )

    assert list(config.fastmap(double, make())) == []
    assert config.submit(double, make()).result() == []


def test_a_million_tiny_items_take_few_requests(cloud):
    run = cloud.submit(double, range(1_000_000))

    assert sum(run.result()) == 999_999_000_000
    assert run.progress.batches < 100


def test_a_helper_module_goes_along_with_its_text_as_it_is(
    cloud, tmp_path, monkeypatch
):
    source = "# coding: latin-1\nname = 'é'\ndef help(x):\n    return name * x\n"
    (tmp_path / "a_helper.py").write_bytes(source.encode("latin-1"))
    monkeypatch.syspath_prepend(tmp_path)
    import a_helper

    try:
        run = cloud.submit(lambda x: a_helper.help(x), range(3), label="é")
        assert run.result() == ["", "é", "éé"]
        preview = cloud.preview(lambda x: a_helper.help(x))
        assert "a_helper" in preview.local_sources
    finally:
        del sys.modules["a_helper"]


def test_an_edited_module_runs_as_it_is_now(cloud, tmp_path, monkeypatch):
    """Its functions are pickled by name, so only the hash can tell (contract §3.4)."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = tmp_path / "an_edited.py"
    found = []
    for text in ("one", "two"):
        module.write_text(f"def function(x):\n    return {text!r}\n")
        sys.modules.pop("an_edited", None)
        import an_edited

        found.append(cloud.submit(an_edited.function, [0]).result())
    del sys.modules["an_edited"]

    assert found == [["one"], ["two"]]


def test_the_same_function_is_not_sent_twice(scripted):
    server, config = scripted()
    for _ in range(2):
        assert config.submit(double, [1, 2]).result() == [2, 4]

    bodies = [
        b for c, b in zip(server.calls, server.bodies, strict=True) if c == "init"
    ]
    assert sum(b"func_hash" in body and len(body) > 100 for body in bodies) == 1


def test_a_large_closure_goes_in_parts(scripted):
    data = os.urandom(21 * 2**20)
    server, config = scripted()

    assert config.submit(lambda x: len(data) + x, [1]).result() == [len(data) + 1]
    assert server.count("init") == 3


def test_the_service_is_told_done_in_every_ending(scripted):
    def failing(x):
        raise ValueError(x)

    server, config = scripted()
    list(config.fastmap(double, range(5)))
    until(lambda: server.count("done"))
    assert server.count("done") == 1

    before = server.count("done")
    reader = config.fastmap(double, itertools.count())
    next(reader)
    reader.close()
    until(lambda: server.count("done") > before)

    before = server.count("done")
    run = config.submit(slow, range(1000))
    until(lambda: run.progress.done)
    assert "confirmed" in run.cancel()
    until(lambda: server.count("done") > before)


def test_a_failing_item_is_named_and_the_ones_before_it_are_there(cloud):
    def function(x):
        if x == 41:
            raise ValueError("not 41")
        return x

    reader = cloud.fastmap(function, range(60))
    found = list(itertools.islice(reader, 41))
    with pytest.raises(ItemError, match="item 41") as caught:
        next(reader)

    assert found == list(range(41))
    assert 'raise ValueError("not 41")' in caught.value.traceback
    assert isinstance(caught.value.__cause__, ValueError)


def test_exceptions_are_results_where_that_is_wished(cloud):
    def function(x):
        return 1 // (x % 7)

    found = cloud.submit(function, range(30), return_exceptions=True).result()

    bad = [n for n, one in enumerate(found) if isinstance(one, ItemError)]
    assert bad == [0, 7, 14, 21, 28]
    assert all(isinstance(found[n].__cause__, ZeroDivisionError) for n in bad)


def test_a_worker_that_an_item_kills_is_told(cloud):
    def function(x):
        if x == 3:
            os.kill(os.getpid(), 9)
        return x

    run = cloud.submit(function, range(5))
    with pytest.raises(ItemError, match="WorkerDied") as caught:
        run.result()

    assert caught.value.index == 3
    assert run.partial()[:3] == [0, 1, 2]


def gated(function, gate, first=0):
    """A function that waits for a file, from an item on."""

    def wait(x):
        while x >= first and not gate.exists():
            time.sleep(0.01)
        return function(x)

    return wait


def test_what_the_function_prints_at_the_service_is_in_the_logs(cloud, tmp_path):
    run = cloud.submit(say, range(3))

    assert run.result() == [None] * 3
    assert sorted(run.logs.splitlines()) == ["item 0", "item 1", "item 2"]
    gate = tmp_path / "gate"
    again = cloud.submit(gated(say, gate), range(3))
    again.detach()
    gate.touch()
    attached = cloud.attach(again.run_id)
    attached.wait()
    assert sorted(attached.logs.splitlines()) == ["item 0", "item 1", "item 2"]


def test_a_cancel_that_nobody_answers_does_not_say_that_it_is_confirmed(scripted):
    served = threading.Event()

    def script(endpoint, request, number):
        if endpoint in ("map", "done"):
            served.wait(20)

    _, config = scripted(script)
    run = config.submit(double, range(10))
    until(lambda: run.state is State.RUNNING)
    said = run.cancel()
    served.set()

    assert "has not confirmed the end" in said


def test_an_end_that_is_confirmed_the_second_time_is_told(scripted, monkeypatch):
    monkeypatch.setattr(run_module, "_END_SECONDS", 0.3)
    monkeypatch.setattr(run_module, "_JOIN_SECONDS", 60.0)
    served = threading.Event()

    def script(endpoint, request, number):
        if endpoint == "done" and number == 2:  # the first may be the later one here
            served.set()
        if endpoint in ("map", "done"):
            served.wait(60)

    server, config = scripted(script)
    run = config.submit(double, range(10))
    until(lambda: server.count("map"))
    run.cancel()

    assert server.count("done") == 2
    assert "the service has confirmed the end" in run.outcome


def test_a_wrong_token_is_told_before_anything_is_sent(fastmap_service):
    config = fastmap.init(
        cloud_url=fastmap_service.url, secret=new_token(), exec_policy="CLOUD"
    )

    with pytest.raises(FastmapNotAuthorizedError):
        config.check()
    with pytest.raises(FastmapNotAuthorizedError):
        next(config.fastmap(double, range(5)))


def test_a_wrong_key_is_told(fastmap_service):
    wrong = fastmap_service.secret[:32] + new_token()[:32]
    config = fastmap.init(
        cloud_url=fastmap_service.url, secret=wrong, exec_policy="CLOUD"
    )

    with pytest.raises(FastmapNotAuthorizedError):
        config.submit(double, [1]).result()


def test_an_infinite_generator_is_read_a_bounded_way_ahead(cloud):
    taken = []

    def source():
        for number in itertools.count():
            taken.append(number)
            yield number

    reader = cloud.fastmap(slow, source())
    first = list(itertools.islice(reader, 40))
    reader.close()

    assert first == list(range(40))
    assert len(taken) < 1000


def test_what_the_iterable_raises_comes_behind_its_items(cloud):
    def source():
        yield from range(40)
        raise LookupError("no more")

    reader = cloud.fastmap(double, source())
    found = list(itertools.islice(reader, 40))
    with pytest.raises(LookupError, match="no more"):
        next(reader)

    assert found == [2 * x for x in range(40)]


def test_adaptive_uses_both(fastmap_service):
    config = fastmap.init(
        cloud_url=fastmap_service.url,
        secret=fastmap_service.secret,
        exec_policy="ADAPTIVE",
        max_local_workers=1,
    )
    runs = []

    def numbers():
        for number in itertools.count():
            yield number
            if runs and len({lane.kind for lane in runs[0].progress.lanes}) == 2:
                break

    runs.append(config.submit(slow, numbers()))

    found = runs[0].result()
    assert found == list(range(len(found)))
    assert {lane.kind for lane in runs[0].progress.lanes} == {"local", "cloud"}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_adaptive_maps_with_any_number_of_processes(fastmap_service, workers):
    """The real client divides by zero on two cores."""
    config = fastmap.init(
        cloud_url=fastmap_service.url,
        secret=fastmap_service.secret,
        max_local_workers=workers,
    )

    assert list(config.fastmap(slow, range(20))) == list(range(20))


def test_adaptive_goes_on_where_no_service_is():
    config = fastmap.init(
        cloud_url="http://127.0.0.1:9",
        secret=new_token(),
        exec_policy="ADAPTIVE",
        max_local_workers=2,
        retry_timeout=0.1,
    )
    run = config.submit(slow, range(60))

    assert run.result() == list(range(60))


def test_cancel_is_confirmed_within_two_seconds(cloud, monkeypatch):
    monkeypatch.setattr(run_module, "_END_SECONDS", 30.0)  # of a machine that is busy
    run = cloud.submit(time.sleep, [1000] * 4)
    until(lambda: run.state is State.RUNNING)
    started = time.monotonic()
    said = run.cancel()

    assert time.monotonic() - started < 20
    assert "the service has confirmed the end" in said
    until(lambda: not any(one.run_id == run.run_id for one in cloud.runs()))


def test_a_detached_run_gives_its_results_to_who_attaches(cloud, tmp_path):
    gate = tmp_path / "gate"
    run = cloud.submit(gated(slow, gate, 30), range(60), label="mine")
    until(lambda: run.progress.done > 2)
    said = run.detach()
    gate.touch()

    assert run.state is State.DETACHED
    assert run.run_id in said
    (kept,) = [one for one in cloud.runs() if one.run_id == run.run_id]
    assert (kept.label, kept.name) == ("mine", "wait")
    again = cloud.attach(run.run_id)
    assert again.result() == list(range(60))
    assert (again.name, again.label) == ("wait", "mine")
    with pytest.raises(RunNotFoundError):
        cloud.attach(run.run_id)


def test_an_attached_run_can_give_exceptions_as_results(cloud, tmp_path):
    items, gate = [1, 2, 0, 4], tmp_path / "gate"
    run = cloud.submit(gated(lambda x: 1 / x, gate), items, return_exceptions=True)
    run.detach()
    gate.touch()
    again = cloud.attach(run.run_id, return_exceptions=True)
    found = again.result()

    assert isinstance(found[2].__cause__, ZeroDivisionError)
    errors = [each for each in found if isinstance(each, ItemError)]
    assert all(each.index == found.index(each) for each in errors)
    assert again.progress.failed == len(errors)
    for item, value in zip(items, found, strict=True):
        assert value in errors or value == 1 / item


def test_detach_may_follow_at_once(cloud, tmp_path):
    gate = tmp_path / "gate"
    run = cloud.submit(gated(slow, gate), range(20))
    run.detach()
    gate.touch()

    assert cloud.attach(run.run_id).result() == list(range(20))


def test_a_batch_that_is_not_sent_yet_goes_along_when_its_run_is_left(
    cloud, monkeypatch
):
    """A lane compresses it, or sends it, for longer than anybody waits."""
    squeeze, held, go_on = batches.squeeze, threading.Event(), threading.Event()

    def hold(data):
        if threading.current_thread().name.startswith("fastmap-cloud"):
            held.set()
            assert go_on.wait(60)
        return squeeze(data)

    monkeypatch.setattr(batches, "squeeze", hold)
    run = cloud.submit(double, range(10))
    assert held.wait(60)
    said = run.detach()
    go_on.set()

    assert "gets all results" in said
    assert cloud.attach(run.run_id, total=10).result() == list(range(0, 20, 2))


def test_a_run_can_be_stopped_by_its_id(cloud):
    run = cloud.submit(slow, range(500))
    run.detach()

    assert cloud.stop(run.run_id)
    assert not [one for one in cloud.runs() if one.run_id == run.run_id]


def test_a_run_that_was_left_half_sent_says_so(cloud, tmp_path):
    gate = tmp_path / "gate"
    run = cloud.submit(gated(slow, gate), range(10))
    run.detach()
    gate.touch()
    again = cloud.attach(run.run_id, total=50)

    with pytest.raises(IncompleteError, match="first 10 items"):
        again.result()
    assert again.partial() == list(range(10))


def test_a_run_that_was_left_with_a_gap_says_so(cloud, fastmap_service):
    """A kernel may be killed when a batch is not sent yet, and the next one is."""
    run_id = secrets.token_hex(8)
    raw = Raw(fastmap_service.url, fastmap_service.secret, version="1.0")
    func_hash = raw.upload(blob_of(double))
    for first in (0, 5):
        items = batch_of([first, first + 1])
        fields = {"index": first, "count": 2, "name": "double", "label": ""}
        until(
            lambda fields=fields, items=items: (
                raw.send(
                    "map", func_hash=func_hash, batch=items, run_id=run_id, **fields
                ).word
                == "BATCH_PROCESSED"
            )
        )
    again = cloud.attach(run_id, total=10)

    with pytest.raises(IncompleteError, match=r"first 2 items .* 2 of those behind"):
        again.result()
    assert again.partial() == [0, 2]


def is_good(x):
    if x in (4, 7):
        raise ValueError(x)
    return x


@pytest.fixture
def sent_again_in_parts(fastmap_service):
    """A run whose items 4 and 7 failed; a client has sent the others again."""
    run_id = secrets.token_hex(8)
    raw = Raw(fastmap_service.url, fastmap_service.secret, version="1.0")
    func_hash = raw.upload(blob_of(is_good))
    for first, count in [(0, 10), (0, 4), (5, 5), (5, 2), (8, 2)]:
        items = batch_of(range(first, first + count))
        fields = {"index": first, "count": count, "name": "is_good", "label": ""}
        fields |= {"func_hash": func_hash, "batch": items, "run_id": run_id}
        until(lambda fields=fields: raw.send("map", **fields).word != "INITIALIZING")
    return run_id


def test_items_that_were_not_sent_again_are_exceptions_to_who_attaches(
    cloud, sent_again_in_parts
):
    run = cloud.attach(sent_again_in_parts, total=10, return_exceptions=True)
    found = run.result()

    assert [x for x in found if not isinstance(x, ItemError)] == [
        *(0, 1, 2, 3),
        *(5, 6),
        *(8, 9),
    ]
    assert [each.index for each in (found[4], found[7])] == [4, 7]
    assert [repr(each.__cause__) for each in (found[4], found[7])] == [
        "ValueError(4)",
        "ValueError(7)",
    ]
    assert run.progress.failed == 2


def test_a_run_ends_at_the_item_that_was_not_sent_again(cloud, sent_again_in_parts):
    run = cloud.attach(sent_again_in_parts, total=10)

    with pytest.raises(ItemError, match="item 4") as caught:
        run.result()
    assert caught.value.index == 4
    assert caught.value.partial == [0, 1, 2, 3]


def test_an_attached_run_that_is_cancelled_at_once_is_ended_at_the_service(
    cloud, monkeypatch, tmp_path
):
    run = cloud.submit(gated(double, tmp_path / "gate"), range(10))
    run.detach()
    begin, go_on = AttachedRun._open, threading.Event()

    def late(attached):
        assert go_on.wait(60)
        begin(attached)

    monkeypatch.setattr(AttachedRun, "_open", late)
    said = cloud.attach(run.run_id).cancel()
    go_on.set()

    assert "the service has confirmed the end" in said
    assert not [one for one in cloud.runs() if one.run_id == run.run_id]


@pytest.mark.parametrize("policy", ["CLOUD", "ADAPTIVE"])
def test_a_run_that_is_cancelled_at_once_asks_nobody(scripted, monkeypatch, policy):
    has_items, go_on, asked = Flow.has_items, threading.Event(), []

    def late(flow):
        assert go_on.wait(60)
        return has_items(flow)

    monkeypatch.setattr(Flow, "has_items", late)
    monkeypatch.setattr(config_module, "_ask", asked.append)
    server, config = scripted(exec_policy=policy, confirm_charges=True)
    run = config.submit(double, range(10))
    run.cancel()
    go_on.set()
    run._thread.join(60)

    assert not asked
    assert not server.calls


def test_a_run_that_is_cancelled_while_charges_are_asked_about_sends_nothing(
    scripted, monkeypatch
):
    is_there = threading.Event()

    def ask(question):
        assert is_there.wait(60)
        run.cancel()
        return True

    monkeypatch.setattr(config_module, "_ask", ask)
    server, config = scripted(confirm_charges=True)
    run = config.submit(double, range(10))
    is_there.set()
    run._thread.join(60)

    assert run.state is State.CANCELLED
    assert not server.calls


def test_what_the_service_did_not_do_is_told_before_the_end(scripted, monkeypatch):
    monkeypatch.setattr(run_module, "_END_SECONDS", 60.0)
    monkeypatch.setattr(run_module, "_JOIN_SECONDS", 60.0)
    is_there = threading.Event()

    def script(endpoint, request, number):
        assert is_there.wait(60)
        assert run._flow.stopping.wait(60)
        run._closed.wait(0.5)  # nothing is to come behind it
        return told("UNAVAILABLE", 503)

    _, config = scripted(script, exec_policy="ADAPTIVE", max_local_workers=1)
    run = config.submit(double, range(10))
    is_there.set()
    run.result()

    assert [text[:20] for text in run.warnings] == ["without the service:"]


def test_a_run_of_this_process_alone_cannot_be_detached(local):
    run = local.submit(time.sleep, [100])

    with pytest.raises(FastmapUsageError, match="without this process"):
        run.detach()
    run.cancel()


def test_many_runs_at_a_time_do_not_mix(cloud):
    runs = [cloud.submit(double, range(n, n + 30)) for n in range(8)]

    for n, run in enumerate(runs):
        assert run.result() == [2 * x for x in range(n, n + 30)]


def test_two_threads_may_read_two_maps(cloud):
    found = {}

    def read(n):
        found[n] = list(cloud.fastmap(double, range(n)))

    threads = [threading.Thread(target=read, args=(n,)) for n in (20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == {n: [2 * x for x in range(n)] for n in (20, 30)}
