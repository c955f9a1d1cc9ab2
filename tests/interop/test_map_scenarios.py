"""The acceptance scenarios of the Fastmap contract with our client and our service.

Between the two stands a relay that writes down what passes, and meddles where the
scenario says so. Source: Fastmap contract, §7, column "New"; the numbers in the
docstrings are its numbers. Kills and cuts are in ``tests/faults``.
"""

from __future__ import annotations

import functools
import gzip
import importlib
import itertools
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dill
import msgpack
import numpy as np
import pandas as pd
import pytest

from interop import map_functions
from interop.map_peer import ours
from interop.raw_map import Raw
from interop.relay import Exchange, Relay, Reply, relaying, signed, told, without
from interop.suite_process import FastmapProcess
from pilothouse import fastmap
from pilothouse.services.host import ServiceHost
from waiting import until

pytestmark = pytest.mark.interop

MIB = 2**20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastmapProcess]:
    """The service with two workers, as a user starts it."""
    folder = tmp_path_factory.mktemp("fastmap")
    with FastmapProcess(folder, "--workers", "2") as running:
        yield running
        assert "Traceback" not in running.said(), running.said()


@pytest.fixture
def relay(service: FastmapProcess) -> Iterator[Relay]:
    with relaying(service.url) as running:
        yield running


@pytest.fixture
def config(relay: Relay, service: FastmapProcess) -> Any:
    """Our client by way of the relay."""
    return client(relay.url, service.secret)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + 60
    while left := [
        one.name
        for one in set(threading.enumerate()) - before
        if one.name.startswith("fastmap")
    ]:
        assert time.monotonic() < end, left
        threading.Event().wait(0.01)


def client(url: str, secret: str, **options: Any) -> Any:
    """A config for a service, CLOUD unless the test says otherwise."""
    given = {"exec_policy": "CLOUD", "verbosity": "SILENT", **options}
    return fastmap.init(cloud_url=url, secret=secret, **given)


def assert_ended(relay: Relay) -> None:
    """``done`` was sent, and confirmed."""
    until(lambda: relay.words("done"), 60, "the end to be told")
    assert relay.words("done")[-1] == "DONE"


# --- whole maps of a script


@pytest.mark.parametrize(
    "job", ["whole", "batches", "lambda_result", "class_of_main", "prints"]
)
def test_a_script_maps(job: str, relay: Relay, service: FastmapProcess, tmp_path: Path):
    """1, 8, 9: what the real client's script does, also what that one cannot."""
    ended = ours(relay.url, service.secret, tmp_path).does(job)
    assert ended.status == 0, ended.said
    assert ended.told["right"], ended.told
    assert relay.calls()[0] == "auth"
    assert_ended(relay)


def test_a_function_of_45_mib_comes_in_parts(
    relay: Relay, service: FastmapProcess, tmp_path: Path
):
    """6."""
    ended = ours(relay.url, service.secret, tmp_path).does("big_closure")
    assert ended.told["right"], ended.told
    assert relay.words("init") == ["DOES_NOT_EXIST", *3 * ["UPLOADED"]]


def test_only_what_the_function_needs_travels(config: Any, relay: Relay):
    """1: the module of the function, and no other of those that are loaded."""
    label = "é 数"
    got = list(config.fastmap(map_functions.times_factor, range(60), label=label))
    assert got == list(map(map_functions.times_factor, range(60)))
    (upload,) = (one.sent for one in relay.of("init") if "func" in one.sent)
    function = msgpack.unpackb(gzip.decompress(upload["func"]))
    sources = function["local_sources"]
    assert "def times_factor" in sources["interop.map_functions"]
    own = {"_pilothouse_sharing"}  # how the client refers to classes of its process
    assert set(sources) <= {"interop", "interop.map_functions"} | own
    assert {one.sent["label"] for one in relay.of("map")} == {label}


def test_the_second_time_nothing_is_uploaded(config: Any, relay: Relay):
    """2."""
    offset = time.time()
    for _ in range(2):
        assert list(config.fastmap(lambda n: n + offset, [1, 2])) == [
            1 + offset,
            2 + offset,
        ]
    assert relay.words("init") == ["DOES_NOT_EXIST", "UPLOADED", "EXISTS"]


# --- who may


@pytest.mark.parametrize(("half", "status"), [(0, 401), (1, 403)])
def test_a_wrong_token_ends_it_before_code_is_sent(
    half: int, status: int, relay: Relay, service: FastmapProcess
):
    """3, 4: and the message does not show the token."""
    halves = [service.secret[:32], service.secret[32:]]
    halves[half] = halves[half][::-1]
    stranger = client(relay.url, "".join(halves))
    with pytest.raises(fastmap.FastmapException) as caught:
        list(stranger.fastmap(lambda n: n, range(5)))
    assert set(relay.calls()) <= {"auth"}
    assert {one.reply.status for one in relay.exchanges} == {status}
    text = f"{caught.value!r} {caught.value} {stranger!r}"
    for secret in halves:
        assert secret not in text


def test_a_run_of_another_token_is_not_to_be_had(
    tmp_path: Path, service: FastmapProcess
):
    """Functions and runs belong to a token."""
    first, second = "a" * 64, "b" * 32 + "c" * 32
    options = {"workers": 1, "secret": first, "more_secrets": (second,)}
    with ServiceHost(
        ["fastmap"], data_dir=tmp_path, options={"fastmap": options}
    ) as host:
        url = host.endpoints["fastmap"].url
        raw, other = Raw(url, first, version=None), Raw(url, second, version=None)
        one = client(url, first).submit(lambda n: n, [1, 2])
        assert one.result() == [1, 2]
        run = client(url, first).submit(lambda n: n, range(3))
        run.wait()
        assert other.post("runs", b"\x80").told["runs"] == []
        assert other.send("init", func_hash=run.func_hash).word == "DOES_NOT_EXIST"
        assert raw.send("init", func_hash=run.func_hash).word == "EXISTS"
        body = msgpack.packb({"func_hash": run.func_hash, "run_id": run.run_id})
        stolen = {**other.headers(body), "X-Content-Signature": signed(first, body)}
        assert other.post("done", body, stolen).status == 403


# --- what comes back


class Canary:
    """Makes a folder when somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self._path,))


def forged_results(path: Path) -> Reply:
    """Results that leave a mark when they are opened; nobody has signed them."""
    body = gzip.compress(pickle.dumps({"results": [Canary(path)]}))
    headers = {
        "Content-Type": "application/octet-stream",
        "X-Status": "BATCH_PROCESSED",
        "X-Service-Id": "x",
        "X-Application-Seconds": "0",
        "X-Map-Seconds": "0",
        "X-Credits": "0",
    }
    return Reply(200, headers, body)


def forged_error(path: Path, status: int) -> Reply:
    """A failure whose exception leaves a mark when it is opened."""
    told_ = {
        "exception": "ValueError()",
        "traceback": "ValueError()",
        "bad_modules": [],
        "error": pickle.dumps(Canary(path)),
    }
    headers = {"Content-Type": "application/msgpack", "X-Status": "PROCESS_ERROR"}
    return Reply(status, headers, msgpack.packb(told_))


def weak_auth(exchange: Exchange) -> Reply | None:
    """An auth answer without features, as who stands on the way could give."""
    if exchange.call == "auth":
        headers = {"Content-Type": "application/msgpack", "X-Status": "OK"}
        return Reply(200, headers, b"\x80")
    return None


@pytest.mark.parametrize("binds", [True, False])
@pytest.mark.parametrize("form", ["results", "error 200", "error 400", "error 500"])
def test_nothing_unsigned_is_unpickled(
    form: str,
    binds: bool,
    relay: Relay,
    service: FastmapProcess,
    tmp_path: Path,
):
    """5: results and exceptions; also when the features were taken away."""
    mark = tmp_path / "opened"
    kind, _, status = form.partition(" ")
    forged = (
        forged_error(mark, int(status)) if kind == "error" else forged_results(mark)
    )

    def answer(exchange: Exchange) -> Reply | None:
        if exchange.call == "map":
            return forged
        return None if binds else weak_auth(exchange)

    relay.answer = answer
    config = client(relay.url, service.secret, retry_timeout=0.2)
    with pytest.raises(fastmap.FastmapException):
        list(config.fastmap(lambda n: n, [1]))
    assert not mark.exists()
    assert_ended(relay)


@pytest.mark.parametrize("way", ["flipped", "unsigned", "other", "unbound"])
def test_a_result_changed_on_the_way_is_asked_for_again(
    way: str, config: Any, relay: Relay
):
    """5: once; then that is an error of its own kind, and nothing was unpickled."""
    earlier: list[Reply] = []
    left = [1]

    def change(exchange: Exchange, reply: Reply) -> Reply:
        if reply.word != "BATCH_PROCESSED":
            return reply
        earlier.append(reply)
        if not left or (way == "other" and len(earlier) < 2):
            return reply
        left.pop()
        if way == "flipped":
            body = bytearray(reply.body)
            body[len(body) // 2] ^= 1
            return replace(reply, body=bytes(body))
        if way == "unsigned":
            return without(reply, "X-Content-Signature")
        if way == "unbound":
            return without(reply, "X-Bound-Signature")
        return earlier[0]  # signed, and the answer to another batch

    relay.change = change
    assert list(config.fastmap(map_functions.slowly, range(40))) == list(range(40))
    assert not left
    relay.forget()
    relay.change = lambda exchange, reply: (
        without(reply, "X-Content-Signature", "X-Bound-Signature")
        if reply.word == "BATCH_PROCESSED"
        else reply
    )
    with pytest.raises(fastmap.FastmapException, match="sign"):
        list(config.fastmap(lambda n: n, [1]))
    assert relay.words("map").count("BATCH_PROCESSED") == 2
    assert_ended(relay)


def test_a_bomb_as_a_result_is_not_opened(
    config: Any, relay: Relay, service: FastmapProcess
):
    """22: signed by who holds the token, and still bounded."""
    import resource

    body = gzip.compress(bytes(700 * MIB), 1)

    def answer(exchange: Exchange) -> Reply | None:
        if exchange.call != "map":
            return None
        reply = forged_results(Path("/nowhere"))
        headers = {**reply.headers, "X-Content-Signature": signed(service.secret, body)}
        return Reply(200, headers, body)

    relay.answer = answer
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    weak = client(relay.url, service.secret)
    relay.answer = lambda exchange: weak_auth(exchange) or answer(exchange)
    with pytest.raises(fastmap.FastmapException):
        list(weak.fastmap(lambda n: n, [1]))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < (256 + 64 + 64) * 1024


# --- failures of the function


def test_one_item_that_fails_is_named_and_the_earlier_ones_are_kept(
    config: Any, relay: Relay
):
    """7."""
    came: list[int] = []
    with pytest.raises(fastmap.FastmapException) as caught:
        came.extend(config.fastmap(map_functions.fails_at_40, range(60)))
    error = caught.value
    assert came == list(range(40))
    assert error.index == 40
    assert "40" in str(error)
    assert "not 40, please" in str(error)
    assert isinstance(error.__cause__, ValueError)
    assert "raise ValueError" in error.traceback
    assert "pilothouse" not in error.traceback
    assert_ended(relay)


def test_a_result_that_nothing_can_pickle_is_named(config: Any, relay: Relay):
    """8."""
    with pytest.raises(fastmap.FastmapException) as caught:
        list(config.fastmap(lambda n: (x for x in [n]), range(3)))
    assert "generator" in str(caught.value)
    assert caught.value.index == 0
    assert_ended(relay)


def test_exceptions_can_be_results(config: Any):
    run = config.submit(
        map_functions.fails_at_40, range(35, 45), return_exceptions=True
    )
    got = run.result()
    assert got[:5] == [35, 36, 37, 38, 39]
    assert isinstance(got[5], BaseException)
    assert got[6:] == [41, 42, 43, 44]


def test_a_killed_worker_costs_nothing_once(config: Any, relay: Relay, tmp_path: Path):
    """10: one charge; always: told by its cause."""
    mark = str(tmp_path / "killed")

    def killed_once(number, mark=mark):
        import os
        import signal

        if number == 5 and not os.path.exists(mark):  # noqa: PTH110 (it travels)
            os.close(os.open(mark, os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert list(config.fastmap(killed_once, range(10))) == list(range(10))

    def killed(number):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(fastmap.FastmapException, match=r"WorkerDied.*SIGKILL"):
        list(config.fastmap(killed, range(10)))
    assert_ended(relay)


def test_an_import_that_fails_is_tried_three_times_at_most(
    relay: Relay, service: FastmapProcess, monkeypatch: pytest.MonkeyPatch
):
    """20: with the texts of the service."""
    monkeypatch.setattr("pilothouse.fastmap.cloud_lane.WAIT_SECONDS", 0.05)
    reply = told(
        service.secret,
        "INITIALIZATION_ERROR",
        {"init_error": "no module named needle", "init_tb": "in the haystack"},
    )
    relay.answer = lambda e: weak_auth(e) or (reply if e.call == "map" else None)
    config = client(relay.url, service.secret)
    with pytest.raises(fastmap.FastmapException, match="needle") as caught:
        list(config.fastmap(lambda n: n, [1]))
    assert "haystack" in caught.value.traceback
    assert len(relay.of("map")) == 3
    assert_ended(relay)


# --- functions and items of all kinds


def closure_over(value: int) -> Callable[[int], int]:
    return lambda number: number + value


@pytest.mark.parametrize(
    "function",
    [
        lambda number: number + 1,
        closure_over(10),
        functools.partial(pow, 2),
        map_functions.Scale(4).apply,
        map_functions.factorial,
        map_functions.decorated,
        map_functions.times_factor,
        abs,
        str.format,
        hex,
        int,
        np.sqrt,
    ],
    ids=lambda function: getattr(function, "__name__", "partial"),
)
def test_each_kind_of_function_maps(function: Callable[..., Any], config: Any):
    """13."""
    items = ["a{}", "b"] if function is str.format else [0, 1, 2, 3]
    expected = [function(item) for item in items] if items[0] == 0 else items
    if items[0] == 0:
        assert list(config.fastmap(function, items)) == expected


def test_a_closure_is_sent_as_it_is_now(config: Any):
    """13: a variable changed between two runs."""
    factor = 2

    def times(number):
        return number * factor

    assert list(config.fastmap(times, [1, 2])) == [2, 4]
    factor = 5
    assert list(config.fastmap(times, [1, 2])) == [5, 10]


def test_a_module_that_was_edited_runs_as_edited(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """13: though the function is pickled by its name."""
    path = tmp_path / "edited_module.py"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path.write_text("def f(x):\n    return x + 1\n")
    module = importlib.import_module("edited_module")
    try:
        assert list(config.fastmap(module.f, [1])) == [2]
        path.write_text("def f(x):\n    return x + 100\n")
        importlib.reload(module)
        assert list(config.fastmap(module.f, [1])) == [101]
    finally:
        del sys.modules["edited_module"]


class Sized:
    """Iterable, without length, and not an iterator."""

    def __iter__(self):
        return iter(range(30))


FRAME = pd.DataFrame({"x": np.arange(30) / 7})


@pytest.mark.parametrize(
    "items",
    [
        [],
        iter(()),
        [7],
        tuple(range(30)),
        set(range(30)),
        dict.fromkeys(range(30)),
        "a string of characters",
        np.arange(30),
        FRAME["x"],
        Sized(),
        range(30),
        (n for n in range(30)),
        b"bytes",
        {"a": 1, "b": 2}.items(),
    ],
    ids=lambda items: type(items).__name__,
)
def test_each_kind_of_items_maps(items: Any, config: Any, relay: Relay):
    """14: as the builtin does; for nothing at all nothing is sent but auth at most."""
    is_generator = type(items).__name__ == "generator"
    expected = list(range(30)) if is_generator else list(items)
    got = list(config.fastmap(lambda item: item, items))
    assert got == expected
    assert [type(one) for one in got] == [type(one) for one in expected]
    if not expected:
        assert set(relay.calls()) <= {"auth"}


def test_an_endless_generator_is_read_ahead_a_little(config: Any, relay: Relay):
    """15: and closing it ends the run."""
    taken = itertools.count()
    running = config.fastmap(map_functions.slowly, taken)
    assert [next(running) for _ in range(40)] == list(range(40))
    running.close()
    assert next(taken) < 2000
    assert_ended(relay)


def test_a_generator_that_raises_does_so_behind_its_items(config: Any, relay: Relay):
    """16."""

    def numbers():
        yield from range(40)
        raise KeyError("no more")

    came: list[int] = []
    with pytest.raises(KeyError, match="no more"):
        came.extend(config.fastmap(map_functions.times_factor, numbers()))
    assert came == [3 * n for n in range(40)]
    assert_ended(relay)


def test_a_million_tiny_items_take_few_requests(config: Any, relay: Relay):
    """17: under a hundred; some seconds where nothing else runs."""
    began = time.monotonic()
    total = sum(config.fastmap(lambda n: n + 1, range(1_000_000)))
    assert total == 500_000_500_000
    assert len(relay.exchanges) < 100
    assert time.monotonic() - began < 60


def test_an_item_over_the_limit_is_told_before_it_is_sent(config: Any, relay: Relay):
    """18: with its number and its size."""
    items = [b"small", os.urandom(30 * MIB), b"small"]
    with pytest.raises(fastmap.FastmapException) as caught:
        list(config.fastmap(map_functions.length, items))
    assert caught.value.index == 1
    assert "31,457" in str(caught.value)
    assert max(len(one.body) for one in relay.of("map")) < MIB


def test_large_items_pass_where_the_limits_are_raised(tmp_path: Path):
    """18."""
    options = {"workers": 2, "body_bytes": 40 * MIB}
    with ServiceHost(
        ["fastmap"], data_dir=tmp_path, options={"fastmap": options}
    ) as host:
        place = host.endpoints["fastmap"]
        config = client(place.url, place.secret, max_batch_bytes=36 * MIB)
        items = (os.urandom(30 * MIB) for _ in range(3))
        assert list(config.fastmap(map_functions.length, items)) == 3 * [30 * MIB]


# --- waiting, credits, policies


def test_the_wait_word_brings_the_same_bytes_again(
    relay: Relay, service: FastmapProcess
):
    """19: after five seconds; here as release servers spell it."""
    wait = [told(service.secret, "INITALIZING", {"init_step": "creating worker"})]
    relay.answer = lambda exchange: (
        wait.pop() if exchange.call == "map" and wait else weak_auth(exchange)
    )
    config = client(relay.url, service.secret)
    assert list(config.fastmap(lambda n: n, [1])) == [1]
    first, second = relay.of("map")[:2]
    assert first.body == second.body
    assert 4.5 < second.began - first.began < 30


def test_credits_that_end_are_told_and_what_is_done_is_kept(
    tmp_path: Path, service: FastmapProcess
):
    """24."""
    options = {"workers": 1, "price_per_core_hour": 3600 * 100.0, "credits": 12.0}
    with ServiceHost(
        ["fastmap"], data_dir=tmp_path, options={"fastmap": options}
    ) as host:
        place = host.endpoints["fastmap"]
        config = client(place.url, place.secret, max_cloud_workers=1)
        run = config.submit(map_functions.slowly, range(500))
        with pytest.raises(fastmap.FastmapException, match="credits"):
            run.result()
        kept = run.partial()
        assert 0 < len(kept) < 500
        assert kept == list(range(len(kept)))
        assert run.progress.credits > 0


def test_a_client_may_bound_its_credits(tmp_path: Path):
    options = {"workers": 1, "price_per_core_hour": 3600 * 100.0}
    with ServiceHost(
        ["fastmap"], data_dir=tmp_path, options={"fastmap": options}
    ) as host:
        place = host.endpoints["fastmap"]
        config = client(place.url, place.secret, max_credits=10)
        run = config.submit(map_functions.slowly, range(500))
        with pytest.raises(fastmap.FastmapException, match="credits"):
            run.result()
        assert 0 < len(run.partial()) < 500


@pytest.mark.parametrize(
    ("policy", "workers"),
    [("LOCAL", 1), ("LOCAL", 2), ("ADAPTIVE", 1), ("ADAPTIVE", 2), ("ADAPTIVE", 4)],
)
def test_each_policy_with_each_number_of_workers(
    policy: str, workers: int, relay: Relay, service: FastmapProcess
):
    """26: no division by zero, and the right results."""
    config = client(
        relay.url,
        service.secret,
        exec_policy=policy,
        max_local_workers=workers,
        max_cloud_workers=workers,
    )
    got = list(config.fastmap(map_functions.slowly, range(60)))
    assert got == list(range(60))
    if policy == "LOCAL":
        assert relay.calls() == []


def test_a_run_survives_the_client(
    config: Any, relay: Relay, service: FastmapProcess, tmp_path: Path
):
    """The results of a detached run are kept, and another client collects them."""
    gate = tmp_path / "gate"

    def later_on(number):
        while not gate.exists():
            time.sleep(0.01)
        return number

    run = config.submit(later_on, range(60), label="later")
    run.detach()
    gate.touch()
    later = client(relay.url, service.secret)
    assert run.run_id in {one.run_id for one in later.runs()}
    assert later.attach(run.run_id).result() == list(range(60))


def test_dill_is_not_told_to_recurse_for_the_whole_process():
    """1.2: importing the client changes nothing for others."""
    assert dill.settings["recurse"] is False
