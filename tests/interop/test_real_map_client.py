"""The real Fastmap client, fastmap 0.0.6, does whole maps against our service.

Each job (``peers/map_jobs.py``) is a process of its own and has a relay of its own,
whose record is what the tests read: the client's text says little. All jobs of a module
are started together, as they mostly wait. Source: Fastmap contract, §7, column "Real";
the numbers in the docstrings are its numbers.
"""

from __future__ import annotations

import gzip
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgpack
import pytest

from interop.environments import FASTMAP, FASTMAP_38, WORKER_38, NoSuchPythonError
from interop.map_peer import REAL, Outcome, Peer
from interop.raw_map import Raw
from interop.relay import Exchange, Relay, Reply, relaying, told, without
from interop.suite_process import FastmapProcess
from pilothouse.services.host import ServiceHost
from waiting import until

pytestmark = pytest.mark.interop

AT_ONCE = 4
PART_BODY = 20 * 2**20 + 65
FIRST = list(range(5))


@dataclass(frozen=True)
class Ended:
    """A job that has ended, and what passed meanwhile."""

    outcome: Outcome
    relay: Relay

    @property
    def told(self) -> Any:
        """The job's own account."""
        assert self.outcome.told, self.outcome.said[-3000:]
        return self.outcome.told


class Jobs:
    """Starts jobs of one client against one service, a few at once.

    Args:
        python: The client's interpreter.
        service: Where they go.
        folder: Below it, each has a folder.
        stack: Ends the relays.
    """

    def __init__(
        self, python: Path, service: FastmapProcess, folder: Path, stack: ExitStack
    ) -> None:
        self._python = python
        self._service = service
        self._folder = folder
        self._stack = stack
        self._pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        self._running: dict[str, Future[Ended]] = {}

    def start(
        self,
        job: str,
        *,
        called: str = "",
        secret: str = "",
        meddle: Callable[[Relay], None] = lambda relay: None,
        **options: Any,
    ) -> None:
        """Let a job run when there is room."""
        name = called or job
        relay = self._stack.enter_context(relaying(self._service.url))
        meddle(relay)
        folder = self._folder / name
        folder.mkdir()
        given = secret or self._service.secret
        peer = Peer(self._python, REAL, relay.url, given, folder)

        def run() -> Ended:
            return Ended(peer.does(job, **options), relay)

        self._running[name] = self._pool.submit(run)

    def __getitem__(self, name: str) -> Ended:
        return self._running[name].result()


# --- what relays do to answers


def flip_a_bit(relay: Relay) -> None:
    """Change one bit of each result on its way."""

    def change(exchange: Exchange, reply: Reply) -> Reply:
        if reply.word != "BATCH_PROCESSED":
            return reply
        body = bytearray(reply.body)
        body[len(body) // 2] ^= 1
        return replace(reply, body=bytes(body))

    relay.change = change


def drop_signatures(relay: Relay) -> None:
    """Take the signature away from each result."""

    def change(exchange: Exchange, reply: Reply) -> Reply:
        if reply.word != "BATCH_PROCESSED":
            return reply
        return without(reply, "X-Content-Signature")

    relay.change = change


def opening(gate: Path) -> Callable[[Relay], None]:
    """Make a file when the service has done a batch."""

    def meddle(relay: Relay) -> None:
        def change(exchange: Exchange, reply: Reply) -> Reply:
            if reply.word == "BATCH_PROCESSED":
                gate.touch()
            return reply

        relay.change = change

    return meddle


def first_maps(*replies: Reply) -> Callable[[Relay], None]:
    """Answer the first map requests so, before the service sees them."""

    def meddle(relay: Relay) -> None:
        left = list(replies)

        def answer(exchange: Exchange) -> Reply | None:
            return left.pop(0) if exchange.call == "map" and left else None

        relay.answer = answer

    return meddle


# --- what is shared


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastmapProcess]:
    """The service with two workers, as a user starts it."""
    folder = tmp_path_factory.mktemp("fastmap")
    with FastmapProcess(folder, "--workers", "2") as running:
        yield running


@pytest.fixture(scope="module")
def jobs(
    service: FastmapProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jobs]:
    """All jobs of the real client on our own Python, under way."""
    secret = service.secret
    wait = told(secret, "INITALIZING", {"init_step": "creating worker"})
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("jobs")
        started = Jobs(FASTMAP.ready(), service, folder, stack)
        started.start("whole", called="waiting", meddle=first_maps(wait, wait))
        started.start("whole")
        started.start("twice")
        started.start("batches")
        started.start("kinds")
        started.start("raising")
        started.start("generator_result")
        started.start("lambda_result")
        started.start("class_of_main")
        started.start("exits")
        started.start("killed")
        started.start("killed_once")
        started.start("big_closure")
        started.start("big_items")
        started.start("prints")
        adaptive = {"exec_policy": "ADAPTIVE"}
        gate = folder / "gate"
        started.start(
            "shared",
            called="adaptive",
            meddle=opening(gate),
            gate=str(gate),
            **adaptive,
            max_local_workers=2,
        )
        started.start("whole", called="adaptive_1", **adaptive, max_local_workers=1)
        stranger = secret[::-1][:32] + secret[32:]
        started.start("whole", called="stranger", secret=stranger)
        forger = secret[:32] + secret[32:][::-1]
        started.start("whole", called="forger", secret=forger)
        started.start("whole", called="flipped", meddle=flip_a_bit)
        started.start("whole", called="unsigned", meddle=drop_signatures)
        seed_wait = told(secret, "INITIALIZING", {"init_step": "queued"})
        started.start("whole", called="seed_words", meddle=first_maps(seed_wait))
        poor = told(secret, "NOT_ENOUGH_CREDITS", {"credits_used": 3.5}, status=402)
        started.start("whole", called="poor", meddle=first_maps(poor, poor, poor))
        yield started


def assert_whole(ended: Ended) -> None:
    """A map that went well: all results, and every call in its place."""
    assert ended.told["right"], ended.told
    calls = ended.relay.calls()
    assert calls[0] == "auth"
    assert calls[-1] == "done"
    assert ended.relay.words("auth") == ["AUTHORIZED"]
    assert ended.relay.words("done") == ["DONE"]
    assert set(ended.relay.words("map")) <= {"BATCH_PROCESSED", "INITALIZING"}
    assert ended.outcome.status == 0


def functions_of(relay: Relay) -> list[dict[str, Any]]:
    """The function dictionaries that were uploaded in one part."""
    blobs = [one.sent["func"] for one in relay.of("init") if "func" in one.sent]
    return [msgpack.unpackb(gzip.decompress(blob)) for blob in blobs]


# --- the scenarios, on Python 3.11


def test_a_whole_map_goes_through_all_four_calls(jobs: Jobs):
    """1: calls in order; the helper and the label travel; the worker is named."""
    ended = jobs["whole"]
    assert_whole(ended)
    relay = ended.relay
    assert relay.calls()[:4] == ["auth", "init", "init", "map"]
    assert relay.words("init") == ["NOT_FOUND", "UPLOADED"]
    processed = [
        one
        for one in relay.of("map")
        if one.reply is not None and one.reply.word == "BATCH_PROCESSED"
    ]
    assert len(processed) >= 3
    assert {one.sent["label"] for one in relay.of("map")} == {"é"}
    assert len({one.sent["run_id"] for one in relay.of("map")}) == 1
    (function,) = functions_of(relay)
    assert "Größe" in function["local_sources"]["map_helper"]
    for one in processed:
        headers = one.reply.headers
        assert headers["Content-Type"] == "application/octet-stream"
        in_function = float(headers["X-Map-Seconds"])
        assert 0 <= in_function <= float(headers["X-Application-Seconds"])
        assert float(headers["X-Credits"]) == 0
        assert headers["X-Service-Id"] == headers["X-Worker-Id"]


def test_the_same_map_twice_is_right_twice(jobs: Jobs):
    """2: the real client's hash changes with the clock, so that it may upload again."""
    ended = jobs["twice"]
    assert ended.told["right"]
    assert ended.relay.words("done") == ["DONE", "DONE"]


def test_batches_come_as_lists(jobs: Jobs):
    ended = jobs["batches"]
    assert_whole(ended)
    assert ended.told["lists"]
    assert ended.told["batches"] > 2


def test_a_stranger_is_told_so_everywhere(jobs: Jobs):
    """3: wrong bearer half."""
    ended = jobs["stranger"]
    assert ended.outcome.status != 0
    assert "FastmapException" in ended.outcome.said
    assert set(ended.relay.words()) == {"UNAUTHORIZED"}
    assert {one.reply.status for one in ended.relay.exchanges} == {401}


def test_a_forger_is_told_so_everywhere(jobs: Jobs):
    """4: right bearer half, wrong key."""
    ended = jobs["forger"]
    assert ended.outcome.status != 0
    assert "FastmapException" in ended.outcome.said
    assert set(ended.relay.words()) == {"INVALID_SIGNATURE"}
    assert {one.reply.status for one in ended.relay.exchanges} == {403}


def test_a_changed_result_is_noticed(jobs: Jobs):
    """5: one bit."""
    ended = jobs["flipped"]
    assert ended.outcome.status != 0
    assert "Cloud checksum did not match" in ended.outcome.said


def test_an_unsigned_result_is_noticed(jobs: Jobs):
    """5: no signature."""
    ended = jobs["unsigned"]
    assert ended.outcome.status != 0
    assert "Cloud payload was not signed" in ended.outcome.said


def test_a_large_function_comes_in_three_parts(jobs: Jobs):
    """6: 45 MiB of closure; a part is 20 MiB of function bytes, so a body is longer."""
    ended = jobs["big_closure"]
    assert_whole(ended)
    words = ended.relay.words("init")
    assert words == ["NOT_FOUND", "UPLOADED", "UPLOADED", "UPLOADED"]
    sizes = [len(one.body) for one in ended.relay.of("init")]
    assert sizes[1:3] == [PART_BODY, PART_BODY]


def failures(ended: Ended) -> list[Reply]:
    """What the service told of batches that failed; it may say to wait before that."""
    replies = [one.reply for one in ended.relay.of("map")]
    return [one for one in replies if one.told and "init_step" not in one.told]


def test_an_error_of_the_function_is_told_with_the_users_line(jobs: Jobs):
    """7: the earlier items were yielded; the service tells exception and traceback."""
    ended = jobs["raising"]
    assert ended.told["came"][:5] == FIRST
    assert "FastmapException" in ended.told["kinds"]
    assert "not 40, please" in ended.told["error"]
    failed = failures(ended)
    assert failed
    for one in failed:
        assert (one.status, one.word) == (200, "PROCESS_ERROR")
        assert one.told["exception"] == "ValueError('not 40, please')"
        assert "raises_at_40" in one.told["traceback"]
        assert "pilothouse" not in one.told["traceback"]


def test_a_result_that_cannot_be_pickled_is_named(jobs: Jobs):
    """8: index in the batch and type."""
    ended = jobs["generator_result"]
    failed = [one.told for one in failures(ended)]
    assert failed
    for answer in failed:
        assert answer["exception"].startswith("PicklingError")
        assert "generator" in answer["exception"]


def test_what_only_dill_can_pickle_leaves_the_service(jobs: Jobs):
    """8: results are lambdas; the real client then fails in itself."""
    ended = jobs["lambda_result"]
    assert "BATCH_PROCESSED" in ended.relay.words("map")
    assert not ended.told["right"]


def test_a_class_of_the_script_does_no_harm_to_the_service(jobs: Jobs):
    """9: the real client loses such classes between its own processes."""
    ended = jobs["class_of_main"]
    assert not ended.told["right"]
    assert {one.reply.status for one in ended.relay.exchanges} == {200}


def test_a_function_that_exits_is_an_error_like_others(jobs: Jobs):
    ended = jobs["exits"]
    failed = [one.told for one in failures(ended)]
    assert failed
    for answer in failed:
        assert answer["exception"].startswith("SystemExit")


def test_a_worker_that_is_killed_once_costs_nothing(jobs: Jobs):
    """10: the batch is run again, within the same request."""
    ended = jobs["killed_once"]
    assert_whole(ended)
    assert ended.told["was_killed"]


def test_a_worker_that_is_killed_again_is_told(jobs: Jobs):
    """10: by its cause."""
    ended = jobs["killed"]
    failed = [one.told for one in failures(ended)]
    assert failed
    for answer in failed:
        assert answer["exception"].startswith("WorkerDied")
        assert "SIGKILL" in answer["exception"]


@pytest.mark.parametrize(
    "kind", ["list", "tuple", "range", "generator", "empty", "one", "set"]
)
def test_each_kind_of_input_gives_what_map_gives(kind: str, jobs: Jobs):
    """14."""
    assert jobs["kinds"].told[kind]


def test_a_batch_over_the_limit_is_told_as_too_large(jobs: Jobs):
    """18: the real client does not cut its batches, and shows the size."""
    ended = jobs["big_items"]
    assert not ended.told["right"]
    assert re.search(r"Your request was too large \([369]0.0MB\)", ended.told["error"])
    too_large = [one.reply for one in ended.relay.of("map") if one.reply.status != 200]
    assert {(one.status, one.word) for one in too_large} == {(413, "TOO_LARGE")}


def test_the_wait_word_brings_the_same_bytes_again(jobs: Jobs):
    """19: after five seconds, twice."""
    ended = jobs["waiting"]
    assert ended.told["right"]
    first, second, third = ended.relay.of("map")[:3]
    assert first.body == second.body == third.body
    assert first.reply.word == second.reply.word == "INITALIZING"
    for before, after in ((first, second), (second, third)):
        assert after.began - before.began > 4.5


def test_the_documents_wait_word_would_end_the_real_client(jobs: Jobs):
    """19: which is why the service speaks two vocabularies."""
    ended = jobs["seed_words"]
    assert ended.outcome.status != 0
    assert "Unexpected cloud response" in ended.outcome.said


def test_no_credits_end_the_real_client_and_not_the_service(jobs: Jobs):
    """24."""
    ended = jobs["poor"]
    assert ended.outcome.status != 0


def test_printing_megabytes_does_no_harm(jobs: Jobs):
    assert_whole(jobs["prints"])


@pytest.mark.parametrize("job", ["adaptive", "adaptive_1"])
def test_adaptive_shares_the_work(job: str, jobs: Jobs):
    """26: with one local worker and with two."""
    ended = jobs[job]
    assert ended.told["right"]
    if job == "adaptive":
        assert "BATCH_PROCESSED" in ended.relay.words("map")


def test_nothing_is_left_in_the_service(jobs: Jobs, service: FastmapProcess):
    """1: runs are gone after done; no job did harm."""
    for name in ("waiting", "poor", "seed_words", "adaptive_1"):
        assert jobs[name]
    assert "Traceback" not in service.said(), service.said()


# --- clients that go without a word


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[ServiceHost]:
    """A service that frees the workers of a run soon after its last batch."""
    options = {"fastmap": {"workers": 2, "idle_seconds": 1.0}}
    with ServiceHost(["fastmap"], data_dir=tmp_path / "d", options=options) as host:
        yield host


@pytest.mark.parametrize(
    ("job", "number"), [("long", signal.SIGINT), ("endless", signal.SIGKILL)]
)
def test_a_run_that_nobody_ended_is_freed_when_idle(
    job: str, number: signal.Signals, impatient: ServiceHost, tmp_path: Path
):
    """12, 15: Ctrl-C at a third, without ``done``; and a map that never ends."""
    place = impatient.endpoints["fastmap"]
    with relaying(place.url) as relay:
        peer = Peer(FASTMAP.ready(), REAL, relay.url, place.secret, tmp_path)
        with peer.doing(job) as process:
            until(lambda: len(relay.words("map")) >= 4, 60, "some batches")
            os.killpg(process.pid, number)
            process.communicate(timeout=20)
    caller = Raw(place.url, place.secret, version=None)
    (run,) = runs_of(caller)
    assert run["run_id"] == relay.of("map")[0].sent["run_id"]
    until(lambda: not is_busy(caller), 60, "the run to be freed")


def runs_of(caller: Raw) -> list[dict[str, Any]]:
    """The runs that the service knows."""
    return caller.post("runs", b"\x80").told["runs"]


def is_busy(caller: Raw) -> bool:
    """Whether a run holds workers."""
    return any(run["state"] in ("starting", "ready") for run in runs_of(caller))


# --- Python 3.8


@pytest.fixture(scope="module")
def old_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """Jobs of the real client on Python 3.8; the service has workers of that."""
    try:
        client, worker = FASTMAP_38.ready(), WORKER_38.ready()
    except NoSuchPythonError as error:
        pytest.skip(f"{error}: the real Fastmap client was run on 3.11 only")
    folder = tmp_path_factory.mktemp("old")
    pythons = {"PILOTHOUSE_PYTHONS": str(worker)}
    with (
        FastmapProcess(
            folder / "service", "--workers", "2", environment=pythons
        ) as service,
        ExitStack() as stack,
    ):
        started = Jobs(client, service, folder, stack)
        started.start("whole")
        started.start("raising")
        gate = folder / "gate"
        started.start(
            "shared",
            called="adaptive",
            meddle=opening(gate),
            gate=str(gate),
            exec_policy="ADAPTIVE",
            max_local_workers=2,
        )
        yield started


def test_python_38_a_whole_map(old_jobs: Jobs):
    """1: in a worker of the client's version."""
    ended = old_jobs["whole"]
    assert_whole(ended)
    (function,) = functions_of(ended.relay)
    assert "map_helper" in function["local_sources"]


def test_python_38_adaptive(old_jobs: Jobs):
    ended = old_jobs["adaptive"]
    assert ended.told["right"]
    assert "BATCH_PROCESSED" in ended.relay.words("map")


def test_python_38_an_error_of_the_function(old_jobs: Jobs):
    assert "not 40, please" in old_jobs["raising"].told["error"]


def test_a_python_that_the_service_lacks_is_refused(tmp_path: Path):
    """21: at init, with both versions named, before anything is unpickled."""
    try:
        client = FASTMAP_38.ready()
    except NoSuchPythonError as error:
        pytest.skip(f"{error}: the real Fastmap client was run on 3.11 only")
    environment = {"PATH": "/usr/bin:/bin", "PYENV_ROOT": str(tmp_path)}
    with (
        FastmapProcess(tmp_path / "service", environment=environment) as service,
        relaying(service.url) as relay,
    ):
        peer = Peer(client, REAL, relay.url, service.secret, tmp_path)
        ended = peer.does("whole")
        assert ended.status != 0
        refused = relay.of("init")[-1].reply
        assert (refused.status, refused.word) == (400, "BAD_REQUEST")
        assert "3.8" in refused.told["reason"]
        assert "3.11" in refused.told["reason"]
        assert relay.of("map") == []
        until(lambda: service.is_running, what="the service")
