"""Runs that outlive who started them: deferred batches, kept results, attach."""

import threading

import msgpack
import psutil
import pytest

from interop.raw_map import batch_of, blob_of, results_of
from waiting import until


def plus_one(x):
    return x + 1


def wait_and_return(x):
    import time

    time.sleep(x)
    return x


def told(reply):
    return msgpack.unpackb(reply.body)


def runs(raw, run_id):
    found = told(raw.send("runs"))["runs"]
    return next((run for run in found if run["run_id"] == run_id), None)


def batches(raw, run_id):
    """Return what is told of the batches of a run to who asks for it alone."""
    (run,) = told(raw.send("runs", run_id=run_id))["runs"]
    assert run["run_id"] == run_id
    return [(b["index"], b["count"], b["state"]) for b in run["batches"]]


def sent(raw, func_hash, items, run_id, **more):
    fields = {"func_hash": func_hash, "batch": batch_of(items), "run_id": run_id}
    return raw.send("map", **fields, **more)


def collected(raw, run_id, index):
    def ask():
        reply = raw.send("results", run_id=run_id, index=index)
        return None if reply.word == "INITIALIZING" else reply

    return until(ask, 60, f"the batch at {index}")


def test_auth_tells_what_the_service_can_do(raw):
    answer = told(raw.send("auth"))

    assert {"bind", "resume"} <= set(answer["features"])
    assert answer["workers"] == 2
    assert "3.11" in answer["pythons"] or answer["pythons"]


def test_a_deferred_batch_is_answered_at_once_and_collected_later(raw, run_id):
    func_hash = raw.upload(blob_of(wait_and_return))

    first = sent(raw, func_hash, [0.3], run_id, index=5, count=1, defer=True)

    assert first.word == "INITIALIZING"
    assert first.headers["Retry-After"] == "1"
    assert told(first)["init_step"] in {
        "queued",
        "creating worker",
        "importing",
        "running",
    }
    assert results_of(collected(raw, run_id, 5)) == [0.3]
    raw.done(func_hash, run_id)


def test_the_identical_resend_joins_the_batch_and_is_billed_once(started):
    raw, service, _ = started(price_per_core_hour=3600.0, start_seconds=60.0)
    func_hash = raw.upload(blob_of(wait_and_return))
    fields = {"func_hash": func_hash, "batch": batch_of([0.2]), "run_id": "twice"}
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(raw.send("map", **fields)))
        for _ in range(3)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = raw.send("map", **fields)

    assert [results_of(each) for each in (*answers, again)] == [[0.2]] * 4
    prices = {each.headers["X-Credits"] for each in (*answers, again)}
    assert len(prices) == 1
    account = next(iter(service.book)).account
    assert account.used == pytest.approx(float(prices.pop()), rel=1e-6)


def test_a_detached_run_is_finished_and_its_results_are_kept(raw, run_id):
    func_hash = raw.upload(blob_of(wait_and_return))
    for index in range(3):
        sent(raw, func_hash, [0.1], run_id, index=index, count=1, defer=True, name="w")

    done = raw.send("done", func_hash=func_hash, run_id=run_id, keep=True)

    assert done.word == "DONE"
    kept = until(lambda: (r := runs(raw, run_id))["state"] == "kept" and r)
    assert kept["name"] == "w"
    assert batches(raw, run_id) == [(index, 1, "done") for index in range(3)]
    for index in (2, 0, 1, 0):
        assert results_of(collected(raw, run_id, index)) == [0.1]
    assert raw.done(func_hash, run_id).word == "DONE"
    assert runs(raw, run_id) is None
    reply = raw.send("results", run_id=run_id, index=0)
    assert reply.word == "NOT_FOUND"


def test_a_list_of_runs_does_not_grow_with_their_batches(raw, run_id):
    """Else whoever looks each second would be sent megabytes of a long run."""
    func_hash = raw.upload(blob_of(plus_one))

    def listed(first, end):
        for index in range(first, end, 2):
            items = [index, index + 1]
            sent(raw, func_hash, items, run_id, index=index, count=2, defer=True)
        return until(lambda: (r := runs(raw, run_id))["done"] == end and r)

    few, many = listed(0, 2), listed(2, 80)

    assert "batches" not in many
    assert len(msgpack.packb(many)) == len(msgpack.packb(few))
    assert batches(raw, run_id) == [(index, 2, "done") for index in range(0, 80, 2)]
    assert told(raw.send("runs", run_id="no-such-run")) == {"runs": []}
    raw.done(func_hash, run_id)


def test_a_list_of_runs_tells_how_many_batches_are_open(raw, run_id, tmp_path):
    def wait_for(x):
        import pathlib
        import time

        while not pathlib.Path(x).exists():
            time.sleep(0.01)

    func_hash, path = raw.upload(blob_of(wait_for)), tmp_path / "go on"
    for index in range(5):
        items = [str(path)]
        sent(raw, func_hash, items, run_id, index=index, count=1, defer=True)
    is_at_work = until(lambda: (r := runs(raw, run_id))["running"] and r)
    path.touch()
    is_over = until(lambda: (r := runs(raw, run_id))["done"] == 5 and r)

    assert is_at_work["queued"] + is_at_work["running"] == 5
    assert is_over["queued"] == is_over["running"] == 0
    raw.done(func_hash, run_id)


def test_a_kept_run_goes_on_when_its_client_comes_back(raw, run_id):
    func_hash = raw.upload(blob_of(plus_one))
    assert results_of(raw.map(func_hash, [1], run_id, index=0)) == [2]
    raw.send("done", func_hash=func_hash, run_id=run_id, keep=True)

    assert results_of(raw.map(func_hash, [2], run_id, index=1)) == [3]

    assert runs(raw, run_id)["state"] == "ready"
    assert results_of(collected(raw, run_id, 0)) == [2]
    raw.done(func_hash, run_id)


def test_a_batch_that_was_on_its_way_when_its_client_ended_begins_nothing(raw, run_id):
    func_hash = raw.upload(blob_of(plus_one))
    assert results_of(raw.map(func_hash, [1], run_id, index=0)) == [2]
    raw.done(func_hash, run_id)

    late = sent(raw, func_hash, [2], run_id, index=1)

    assert late.word == "NOT_FOUND"
    assert runs(raw, run_id) is None
    other_client = raw.map(func_hash, [2], run_id)
    assert results_of(other_client) == [3], "contract: map after done"
    raw.done(func_hash, run_id)


def test_a_first_batch_that_comes_after_the_end_begins_nothing(raw, run_id):
    func_hash = raw.upload(blob_of(plus_one))
    assert raw.done(func_hash, run_id).word == "DONE"

    assert sent(raw, func_hash, [1], run_id, index=0).word == "NOT_FOUND"
    assert runs(raw, run_id) is None


def test_a_failure_is_collected_once_and_then_tried_anew(raw, run_id, tmp_path):
    path = str(tmp_path / "flag")

    def flaky(x):
        import pathlib

        flag = pathlib.Path(x)
        if flag.exists():
            return "good"
        flag.touch()
        raise RuntimeError("not yet")

    func_hash = raw.upload(blob_of(flaky))
    batch = batch_of([path])  # its bytes change with the clock
    fields = {"func_hash": func_hash, "batch": batch, "run_id": run_id}
    fields |= {"index": 0, "count": 1, "defer": True}
    raw.send("map", **fields)

    failed = collected(raw, run_id, 0)

    assert failed.word == "PROCESS_ERROR"
    assert told(failed)["exception"] == "RuntimeError('not yet')"
    counts = runs(raw, run_id)
    assert (counts["done"], counts["failed"]) == (0, 1)
    again = raw.send("map", **fields)
    assert again.word == "INITIALIZING"
    assert results_of(collected(raw, run_id, 0)) == ["good"]
    counts = runs(raw, run_id)
    assert (counts["done"], counts["failed"]) == (1, 0)
    raw.done(func_hash, run_id)


def pid_of(_):
    import os

    return os.getpid()


def test_a_run_that_nobody_asks_for_frees_its_workers_and_is_kept(started):
    raw, _, _ = started(idle_seconds=0.2, kept_seconds=3600.0)
    func_hash = raw.upload(blob_of(pid_of))
    (pid,) = results_of(raw.map(func_hash, [1], "idle", index=0))

    until(lambda: not psutil.pid_exists(pid))

    until(lambda: runs(raw, "idle")["state"] == "kept")
    assert results_of(raw.send("results", run_id="idle", index=0)) == [pid]


def test_a_kept_run_that_nobody_asks_for_is_forgotten(started):
    raw, _, _ = started(idle_seconds=0.2, kept_seconds=0.4)
    func_hash = raw.upload(blob_of(plus_one))
    raw.map(func_hash, [1], "idle", index=0)

    until(lambda: runs(raw, "idle") is None)

    assert raw.done(func_hash, "idle").word == "DONE", "a tombstone"


def test_results_make_room_for_others_and_are_run_again_free(started):
    raw, service, _ = started(
        kept_bytes=200_000, price_per_gib=1000.0, start_seconds=60.0
    )

    def random_bytes(x):
        import random

        return random.Random(x).randbytes(90_000)

    func_hash = raw.upload(blob_of(random_bytes))
    batch = batch_of([0])  # its bytes change with the clock
    fields = {"func_hash": func_hash, "batch": batch, "run_id": "much", "index": 0}
    first = raw.send("map", **fields)
    for index in (1, 2, 3):
        sent(raw, func_hash, [index], "much", index=index)
    account = next(iter(service.book)).account
    used = account.used

    assert raw.send("results", run_id="much", index=0).word == "NOT_FOUND"
    again = raw.send("map", **fields)

    assert results_of(again) == results_of(first)
    assert account.used == used


def test_more_than_may_wait_is_told_to_come_again(started):
    raw, _, _ = started(kept_bytes=100_000)
    func_hash = raw.upload(blob_of(wait_and_return))
    sent(raw, func_hash, [30], "full", index=0, defer=True)
    dense = list(__import__("random").Random(1).randbytes(90_000))

    answers = [
        told(sent(raw, func_hash, dense, "full", index=index, defer=True))
        for index in (1, 2)
    ]

    assert answers[1]["init_step"] == "full"
    assert raw.done(func_hash, "full").word == "DONE"


def test_runs_tells_only_those_of_the_token(started):
    other = "z" * 64
    raw, _, _ = started(more_secrets=(other,))
    func_hash = raw.upload(blob_of(plus_one))
    sent(raw, func_hash, [1], "mine", index=0)
    stranger = type(raw)(raw.url, other, version="1.0")

    assert told(stranger.send("runs")) == {"runs": []}
    assert stranger.send("results", run_id="mine", index=0).word == "NOT_FOUND"
    probe = stranger.send("init", func_hash=func_hash)
    assert probe.word == "DOES_NOT_EXIST"
    assert stranger.done(func_hash, "mine").word == "NOT_FOUND"
