"""What a service may answer, right or wrong, and what the client makes of it."""

from __future__ import annotations

import threading
import time
import zlib

import dill
import pytest

from fastmap.scripted import Answer, results, told
from pilothouse import fastmap
from pilothouse.fastmap import ItemError, State, cloud_lane, handover
from pilothouse.fastmap import run as run_module
from pilothouse.fastmap.errors import (
    CreditsError,
    FastmapNotAuthorizedError,
    FastmapProtocolError,
    FastmapRefusedError,
    FastmapTimeoutError,
    FastmapTransportError,
    IntegrityError,
    StartError,
)
from pilothouse.fastmap.handover import Handover
from pilothouse.fastmap.pace import Pace
from pilothouse.fastmap.wire import headers
from pilothouse.fastmap.wire.bodies import MapRequest
from pilothouse.fastmap.wire.gz import gzip
from pilothouse.fastmap.wire.token import new_token, sign
from waiting import until

pytestmark = pytest.mark.usefixtures("no_threads_left")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """The document's five seconds are the subject of one test alone."""
    monkeypatch.setattr(cloud_lane, "WAIT_SECONDS", 0.05)


def double(x):
    return 2 * x


def on_map(make):
    """A script that answers map requests only."""

    def script(endpoint, request, number):
        return make(request, number) if endpoint == "map" else None

    return script


def test_a_server_of_the_released_words_is_understood(scripted):
    server, config = scripted()

    assert config.submit(double, range(60)).result() == [2 * x for x in range(60)]
    assert server.calls[:2] == ["auth", "init"]
    until(lambda: server.calls[-1] == "done")


def test_nothing_of_ours_is_sent_to_a_server_that_does_not_know_it(scripted):
    requests = []
    _, config = scripted(on_map(lambda request, number: requests.append(request)))
    config.submit(double, [1], label="é").result()

    (request,) = requests
    assert (request.index, request.count, request.name) == (None, None, None)
    assert not request.defer
    assert request.label == "é"


@pytest.mark.parametrize("word", ["INITIALIZING", "INITALIZING", "INIT_WORKER"])
def test_the_same_bytes_are_sent_again_after_a_wait_word(scripted, word):
    def make(request, number):
        return told(word, init_step="importing") if number <= 2 else None

    server, config = scripted(on_map(make))

    assert config.submit(double, [1]).result() == [2]
    maps = [b for c, b in zip(server.calls, server.bodies, strict=True) if c == "map"]
    assert len(maps) == 3
    assert len(set(maps)) == 1


def test_a_wait_takes_the_time_of_the_document(scripted, monkeypatch):
    monkeypatch.setattr(cloud_lane, "WAIT_SECONDS", 5.0)
    times = []

    def make(request, number):
        times.append(time.monotonic())
        return told("INITIALIZING") if number == 1 else None

    _, config = scripted(on_map(make))
    config.submit(double, [1]).result()

    assert 4.5 < times[1] - times[0] < 30


def test_waiting_has_an_end_that_names_the_last_step(scripted):
    def make(request, number):
        return told("INITIALIZING", init_step="installing x")

    server, config = scripted(on_map(make), wait_timeout=0.3)

    with pytest.raises(FastmapTimeoutError, match="installing x"):
        config.submit(double, [1]).result()
    until(lambda: server.count("done"))
    assert server.count("done") == 1


def test_a_worker_that_cannot_start_is_tried_three_times(scripted):
    def make(request, number):
        return told("INITIALIZATION_ERROR", init_error="E('x')", init_tb="line 1")

    server, config = scripted(on_map(make))

    with pytest.raises(StartError, match=r"E\('x'\)") as caught:
        config.submit(double, [1]).result()
    assert caught.value.traceback == "line 1"
    assert server.count("map") == 3


def test_a_server_that_has_lost_the_function_gets_it_again(scripted):
    server = None

    def script(endpoint, request, number):
        if endpoint == "map" and number == 3:
            server.stored.clear()
        return

    server, config = scripted(script)

    assert config.submit(double, range(40)).result() == [2 * x for x in range(40)]
    assert server.count("init") >= 4


def test_a_server_that_never_knows_the_function_is_given_up(scripted):
    _, config = scripted(on_map(lambda request, number: told("NOT_FOUND")))

    with pytest.raises(FastmapProtocolError, match="again and again"):
        config.submit(double, [1]).result()


class Canary:
    """Leaves a trace when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return open, (str(self.place), "w")


def unsigned(answer):
    return Answer(**{**vars(answer), "signature": None})


def flipped(answer):
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 1
    return Answer(**{**vars(answer), "signature": sign(b"k" * 32, bytes(body))})


@pytest.mark.parametrize("damage", [unsigned, flipped])
def test_damaged_results_are_not_unpickled_and_asked_for_once_more(
    scripted, tmp_path, damage
):
    trace = tmp_path / "trace"
    server, config = scripted(
        on_map(lambda request, number: damage(results([Canary(trace)])))
    )

    with pytest.raises(IntegrityError):
        config.submit(double, [1]).result()
    assert not trace.exists()
    assert server.count("map") == 2
    until(lambda: server.count("done"))
    assert server.count("done") == 1


def test_results_that_were_damaged_once_come_the_second_time(scripted):
    def make(request, number):
        return unsigned(results([9])) if number == 1 else None

    _, config = scripted(on_map(make))

    assert config.submit(double, [1]).result() == [2]


@pytest.mark.parametrize("code", [200, 400, 500])
def test_an_exception_in_an_unsigned_answer_is_not_unpickled(scripted, tmp_path, code):
    trace = tmp_path / "trace"
    error = dill.dumps(Canary(trace))

    def make(request, number):
        return unsigned(told("PROCESS_ERROR", code, exception="E", error=error))

    _, config = scripted(on_map(make))

    with pytest.raises(ItemError):
        config.submit(double, [1]).result()
    assert not trace.exists()


WRONG = [
    pytest.param({"body": gzip(b"no pickle")}, id="no pickle"),
    pytest.param({"body": b"no gzip"}, id="no gzip"),
    pytest.param({"body": gzip(dill.dumps([1]))}, id="no dict"),
    pytest.param({"body": gzip(dill.dumps({"results": 1}))}, id="no list"),
    pytest.param({"body": gzip(dill.dumps({"results": []}))}, id="too few"),
    pytest.param({"body": gzip(dill.dumps({"results": [1, 2]}))}, id="too many"),
    pytest.param({"kind": headers.MSGPACK}, id="other type"),
    pytest.param({"kind": headers.OCTET_STREAM + "; charset=x"}, id="charset"),
    pytest.param({"more": {headers.CREDITS: "much"}}, id="credits"),
    pytest.param({"word": "STRANGE"}, id="unknown word"),
    pytest.param({"word": ""}, id="no word"),
]


@pytest.mark.parametrize("changes", WRONG)
def test_results_of_another_shape_are_one_kind_of_error(scripted, changes):
    _, config = scripted(on_map(lambda request, number: results([1], **changes)))

    with pytest.raises(FastmapProtocolError):
        config.submit(double, [1]).result()


def test_missing_result_headers_are_no_obstacle(scripted):
    """The real client dies of a KeyError."""
    _, config = scripted(on_map(lambda request, number: results([7], more={})))

    assert config.submit(double, [1]).result() == [7]


def test_a_bomb_of_results_is_an_error(scripted):
    writer = zlib.compressobj(9, wbits=31)
    parts = [writer.compress(bytes(2**24)) for _ in range(20)]
    bomb = b"".join([*parts, writer.flush()])
    _, config = scripted(on_map(lambda request, number: results([], body=bomb)))

    with pytest.raises(FastmapProtocolError, match="opens to more"):
        config.submit(double, [1]).result()


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (told("UNAUTHORIZED", 401), FastmapNotAuthorizedError, "401"),
        (told("INVALID_SIGNATURE", 403), FastmapNotAuthorizedError, "403"),
        (told("NOT_ENOUGH_CREDITS", 402, credits_used=12.5), CreditsError, "12.5"),
        (told("BAD_REQUEST", 400, reason="for this"), FastmapRefusedError, "for this"),
        (told("DISCONTINUED", 410, reason="upgrade"), FastmapRefusedError, "upgrade"),
        (told("INTERNAL_ERROR", 500), FastmapTransportError, "500"),
        (told("", 503), FastmapTransportError, "503"),
        (Answer("", b"<html>", 404, "text/html"), FastmapRefusedError, "404"),
    ],
)
def test_a_refusal_is_an_error_of_its_branch_and_keeps_what_came(
    scripted, answer, error, text
):
    def make(request, number):
        return answer if number > 2 else None

    server, config = scripted(
        on_map(make), max_cloud_workers=1, retry_timeout=0.2, timeout=5.0
    )
    run = config.submit(double, range(50))

    with pytest.raises(error, match=text):
        run.result()
    assert run.partial()[:2] == [0, 2]
    assert run.state is State.FAILED
    until(lambda: server.count("done"))
    assert server.count("done") == 1


def test_a_batch_that_is_too_large_for_the_server_is_halved(scripted):
    def make(request, number):
        return told("TOO_LARGE", 413) if len(request.batch) > 150 else None

    _, config = scripted(on_map(make))
    items = [bytes([n]) * 60 for n in range(40)]

    assert config.submit(len, items).result() == [60] * 40


def keeping(deferred, taken):
    """A script of a service that keeps runs; it takes only what it may answer later.

    Args:
        deferred: Answers to the first of such batches.
        taken: Gets index and count of those that it takes after that.
    """

    def script(endpoint, request, number):
        if endpoint == "auth":
            return told("AUTHORIZED", features=["resume"])
        if endpoint == "runs":
            return told("OK", runs=[])
        if endpoint != "map":
            return None
        if request.defer and not deferred:
            taken.append((request.index, request.count))
            return told("INITIALIZING", init_step="queued")
        if request.defer:
            return deferred.pop(0)
        return told("INITIALIZING", init_step="full")

    return script


def test_what_a_service_does_not_take_at_once_is_handed_over_all_the_same(
    scripted, monkeypatch
):
    monkeypatch.setattr(handover, "_FULL_SECONDS", 0.01)
    monkeypatch.setattr(Pace, "size", lambda *_: 10)
    answers = [told("INITIALIZING", init_step="full"), told("NOT_FOUND")]
    answers += [told("TOO_LARGE", 413), told("INITIALIZING", init_step="full")]
    taken = []
    server, config = scripted(keeping(answers, taken))
    run = config.submit(double, range(40))
    until(lambda: server.count("map") >= 2)
    said = run.detach()

    assert "gets all results" in said
    covered = [index + n for index, count in taken for n in range(count)]
    assert sorted(covered) == list(range(40))
    assert sorted(count for _, count in taken) == [5, 5, 10, 10, 10]
    sent = zip(server.calls, server.bodies, strict=True)
    deferred = [
        number
        for number, (call, body) in enumerate(sent)
        if call == "map" and MapRequest.from_bytes(body).defer
    ]
    assert "done" in server.calls[deferred[-1] :]


def test_parts_of_a_batch_that_is_refused_while_its_run_is_left_go_along(
    scripted, monkeypatch
):
    """A lane that has sent a batch hears late that it is too large."""
    monkeypatch.setattr(Pace, "size", lambda *_: 10)
    give_waiting, refused = Handover._give_waiting, threading.Event()
    taken = []
    keeps = keeping([], taken)

    def script(endpoint, request, number):
        if endpoint == "map" and not request.defer:
            assert refused.wait(60)
            return told("TOO_LARGE", 413)
        return keeps(endpoint, request, number)

    def then_hear(handover):
        give_waiting(handover)
        refused.set()
        until(lambda: not run._flow.open_batches())

    monkeypatch.setattr(Handover, "_give_waiting", then_hear)
    server, config = scripted(script, max_cloud_workers=1)
    run = config.submit(double, range(10))
    until(lambda: server.count("map"))
    said = run.detach()

    assert "gets all results" in said
    assert sorted(taken) == [(0, 5), (5, 5)]


@pytest.mark.parametrize(
    ("answer", "seconds", "why"),
    [
        (told("INITIALIZING", init_step="full"), 1.0, "it did not take them in time"),
        (told("NOT_ENOUGH_CREDITS", 402), 60.0, "the credits do not suffice"),
        (told("TOO_LARGE", 413), 60.0, "item 0 is more than the service takes"),
    ],
)
def test_what_a_service_does_not_take_at_all_is_told(
    scripted, monkeypatch, answer, seconds, why
):
    monkeypatch.setattr(handover, "_FULL_SECONDS", 0.01)
    monkeypatch.setattr(run_module, "_DETACH_SECONDS", seconds)
    taken = []
    server, config = scripted(keeping([answer] * 1000, taken), max_cloud_workers=1)
    run = config.submit(double, [1])
    until(lambda: server.count("map"))
    said = run.detach()

    assert f"1 items could not be handed over: {why}" in said
    assert taken == []


def test_an_item_that_is_too_large_is_named_before_it_is_sent(scripted):
    import os

    server, config = scripted(max_batch_bytes=100_000)
    items = [b"a", b"b", os.urandom(200_000), b"c"]

    with pytest.raises(ItemError, match=r"item 2 is 200,\d+ bytes") as caught:
        config.submit(len, items).result()
    assert caught.value.index == 2
    assert max(len(body) for body in server.bodies) < 100_000


def test_spending_stops_where_the_user_said(scripted):
    _, config = scripted(max_credits=1.0, max_cloud_workers=1)
    run = config.submit(lambda x: time.sleep(0.01), range(5000))

    with pytest.raises(CreditsError, match="1 are allowed"):
        run.result()
    assert run.progress.credits == 1.0
    assert run.partial()


def test_warnings_of_the_service_are_kept(scripted):
    def make(request, number):
        return results([2], more={headers.SERVER_WARNING: "slow today"})

    _, config = scripted(on_map(make))
    run = config.submit(double, [1])
    run.result()

    assert run.warnings == ["slow today"]


def test_nothing_listening_is_told_soon():
    config = fastmap.init(
        cloud_url="http://127.0.0.1:9",
        secret=new_token(),
        exec_policy="CLOUD",
        retry_timeout=0.1,
    )

    with pytest.raises(FastmapTransportError, match="auth failed"):
        config.submit(double, [1]).result()


def test_a_server_that_hangs_is_asked_again(scripted):
    gate = threading.Event()

    def make(request, number):
        if number == 1:
            gate.wait(20)
        return

    server, config = scripted(on_map(make), timeout=0.3)

    assert config.submit(double, [1]).result() == [2]
    gate.set()
    assert server.count("map") >= 2


def test_the_token_shows_nowhere(scripted):
    server, config = scripted()
    run = config.submit(double, [1])
    run.result()
    shown = f"{config!r} {run!r} {config.options!r} {run._cloud!r} {vars(run)!r}"

    assert server.secret[:32] not in shown
    assert server.secret[32:] not in shown
