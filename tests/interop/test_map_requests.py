"""Fastmap requests byte by byte: words for each client, and what is refused.

Source: Fastmap contract, §2 and §7; the numbers in the docstrings are its numbers.
"""

from __future__ import annotations

import gzip
import os
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from interop.raw_map import Raw, batch_of, blob_of, hash_of, results_of
from interop.relay import Reply, signed
from interop.suite_process import FastmapProcess
from pilothouse.services.host import ServiceHost

pytestmark = pytest.mark.interop

MIB = 2**20
NOT_STORED = {"seed": "DOES_NOT_EXIST", "release": "NOT_FOUND"}
STORED = {"seed": "EXISTS", "release": "FOUND"}
GOOD = {"seed": "OK", "release": "AUTHORIZED"}
WAIT = {"seed": "INITIALIZING", "release": "INITALIZING"}
RUNS = iter(range(10_000))


def new_run() -> str:
    """An id that no other test uses."""
    return f"run-{next(RUNS)}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastmapProcess]:
    """The service with two workers, as a user starts it."""
    folder = tmp_path_factory.mktemp("fastmap")
    with FastmapProcess(folder, "--workers", "2") as running:
        yield running
        assert "Traceback" not in running.said(), running.said()


@pytest.fixture(scope="module")
def raw(service: FastmapProcess) -> Raw:
    """The released client's headers."""
    return Raw(service.url, service.secret)


@pytest.fixture(scope="module")
def stored(raw: Raw) -> str:
    """The hash of a stored function that adds one."""
    return raw.upload(blob_of(lambda number: number + 1))


def assert_signed(reply: Reply, secret: str) -> None:
    """Every answer is signed, and says what it is in exact words."""
    assert reply.headers["X-Content-Signature"] == signed(secret, reply.body)
    assert reply.headers["Content-Type"] in (
        "application/msgpack",
        "application/octet-stream",
    )
    assert "Content-Encoding" not in reply.headers


# --- words


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (None, "seed"),
        ("9.9", "seed"),
        ("1.0", "seed"),
        ("0.0.6", "release"),
        ("0.0.5", "release"),
        ("0.0.4", "release"),
        ("0.0.12", "seed"),
    ],
)
def test_each_client_is_told_in_its_words(version: str | None, words: str, raw: Raw):
    """25: by ``X-Client-Version``; git 92022e2 calls itself 0.0.4."""
    client = replace(raw, version=version)
    secret = client.secret
    blob = blob_of(lambda number, of=str(version): (number, of))
    func_hash = hash_of(blob)
    run = new_run()

    auth = client.post("auth", b"\x80")
    assert (auth.status, auth.word) == (200, GOOD[words])
    before = client.send("init", func_hash=func_hash)
    assert (before.status, before.word) == (200, NOT_STORED[words])
    client.upload(blob)
    after = client.send("init", func_hash=func_hash)
    assert (after.status, after.word) == (200, STORED[words])
    mapped = client.map(func_hash, range(3), run)
    assert results_of(mapped) == [(n, str(version)) for n in range(3)]
    for name in ("X-Service-Id", "X-Controller-Id", "X-Worker-Id"):
        assert mapped.headers[name]
    done = client.done(func_hash, run)
    assert (done.status, done.word) == (200, "DONE")
    unknown = client.send(
        "map", func_hash="0" * 16, batch=batch_of([1]), label="", run_id=run
    )
    assert unknown.word == "NOT_FOUND"
    for reply in (auth, before, after, mapped, done, unknown):
        assert_signed(reply, secret)


@pytest.mark.parametrize(("version", "words"), [(None, "seed"), ("0.0.6", "release")])
def test_a_worker_that_takes_long_to_start_is_waited_for(
    version: str | None, words: str, raw: Raw, tmp_path: Path
):
    """2.6: the wait word with a step; the same bytes again get the result."""
    client = replace(raw, version=version)
    gate = tmp_path / "gate"
    source = (
        "import pathlib, time\n"
        f"while not pathlib.Path({str(gate)!r}).exists():\n    time.sleep(0.01)\n"
        "def slow(x):\n    return -x\n"
    )
    pickled = b"\x80\x04cslow_module\nslow\n."
    func_hash = client.upload(blob_of(pickled, {"slow_module": source}))
    run = new_run()
    fields = {"func_hash": func_hash, "batch": batch_of([1, 2]), "run_id": run}
    waits = []
    end = time.monotonic() + 60
    while (reply := client.send("map", **fields, label="")).word == WAIT[words]:
        waits.append(reply.told["init_step"])
        gate.touch()
        assert time.monotonic() < end
    assert waits
    assert all(isinstance(step, str) and step for step in waits)
    assert results_of(reply) == [-1, -2]


def test_a_python_banner_is_read_as_a_version(raw: Raw, stored: str):
    """2.2: the document's form, and the real client's."""
    for text in ("3.11.7", "3.11", "3.11.7 (main, May  9 2026) [GCC 12.2.0]"):
        client = replace(raw, python=text)
        assert results_of(client.map(stored, [1], new_run())) == [2]


@pytest.mark.parametrize("text", [None, "", "three", "-3.11"])
def test_without_a_python_version_nothing_is_done(text: str | None, raw: Raw):
    reply = replace(raw, python=text).send("init", func_hash="0" * 16)
    assert (reply.status, reply.word) == (400, "BAD_REQUEST")


def test_a_python_that_is_not_there_is_named(raw: Raw, stored: str):
    """21: at init with a function 400, at map INITIALIZATION_ERROR; auth stays good."""
    client = replace(raw, python="2.4.1 (final)")
    assert client.post("auth", b"\x80").status == 200
    blob = blob_of(lambda number: number)
    refused = client.send("init", func_hash=hash_of(blob), func=blob)
    assert (refused.status, refused.word) == (400, "BAD_REQUEST")
    assert "2.4" in refused.told["reason"]
    assert "3.11" in refused.told["reason"]
    mapped = client.map(stored, [1], new_run())
    assert (mapped.status, mapped.word) == (200, "INITIALIZATION_ERROR")
    assert "2.4" in mapped.told["init_error"]
    assert raw.send("init", func_hash=hash_of(blob)).word == "NOT_FOUND"


def test_release_004_is_told_that_it_is_out_of_date(raw: Raw):
    """1.1: by its header; it reads JSON."""
    client = replace(raw, version="0.0.4", more={"X-Func-Hash": "TODO"})
    reply = client.post("map", gzip.compress(b"base64"))
    assert reply.status == 410
    assert reply.headers["Content-Type"] == "application/json"
    assert b'"reason"' in reply.body


# --- who may


def test_a_signature_holds_for_one_token_only(raw: Raw, stored: str):
    """4: and 401 looks the same for each wrong bearer half."""
    stranger = replace(raw, secret="0" * 64)
    forger = replace(raw, secret=raw.secret[:32] + "f" * 32)
    for call in ("auth", "init", "map", "done"):
        body = msgpack.packb({"func_hash": stored, "run_id": "r", "batch": b"x"})
        refused = stranger.post(call, body)
        assert (refused.status, refused.word) == (401, "UNAUTHORIZED")
        forged = forger.post(call, body)
        assert (forged.status, forged.word) == (403, "INVALID_SIGNATURE")


@pytest.mark.parametrize(
    "signature", [None, "", "0" * 64, "0" * 63, "F" * 64, "é" * 64, "0" * 70_00]
)
def test_a_wrong_signature_is_refused(signature: str | None, raw: Raw):
    headers = raw.headers(b"\x80")
    del headers["X-Content-Signature"]
    if signature is not None:
        headers["X-Content-Signature"] = signature.encode().decode("latin-1")
    reply = raw.post("auth", b"\x80", headers)
    assert (reply.status, reply.word) == (403, "INVALID_SIGNATURE")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer é"]
)
def test_a_wrong_authorization_is_refused(authorization: str | None, raw: Raw):
    headers = raw.headers(b"\x80")
    del headers["Authorization"]
    if authorization is not None:
        headers["Authorization"] = authorization
    reply = raw.post("auth", b"\x80", headers)
    assert (reply.status, reply.word) == (401, "UNAUTHORIZED")


def test_a_page_in_a_browser_is_refused(raw: Raw):
    """5.3: whoever sends an Origin."""
    headers = {**raw.headers(b"\x80"), "Origin": "http://evil.example"}
    reply = raw.post("auth", b"\x80", headers)
    assert 400 <= reply.status < 500
    assert reply.word not in ("OK", "AUTHORIZED")


# --- functions in parts


def part(raw: Raw, func_hash: str, blob: bytes, index: int, count: int) -> Reply:
    """Send one part."""
    fields = {"func_hash": func_hash, "payload_part": index, "payload_len": count}
    return raw.send("init", func=blob, **fields)


def test_parts_may_come_in_any_order_and_twice(raw: Raw):
    """6."""
    blob = blob_of(lambda number: number - 1)
    func_hash = hash_of(blob)
    third = len(blob) // 3
    pieces = [blob[:third], blob[third : 2 * third], blob[2 * third :]]
    for index in (2, 0, 0):
        assert part(raw, func_hash, pieces[index], index, 3).word == "UPLOADED"
        assert raw.send("init", func_hash=func_hash).word == "NOT_FOUND"
    unknown = raw.map(func_hash, [1], new_run())
    assert unknown.word == "NOT_FOUND"
    assert part(raw, func_hash, pieces[1], 1, 3).word == "UPLOADED"
    assert raw.send("init", func_hash=func_hash).word == "FOUND"
    assert results_of(raw.map(func_hash, [1, 2], new_run())) == [0, 1]


def test_a_truncated_part_is_refused_and_all_are_dropped(raw: Raw):
    """6."""
    blob = blob_of(lambda number: number - 2)
    func_hash = hash_of(blob)
    half = len(blob) // 2
    assert part(raw, func_hash, blob[:half], 0, 2).word == "UPLOADED"
    refused = part(raw, func_hash, blob[half:-3], 1, 2)
    assert (refused.status, refused.word) == (400, "BAD_REQUEST")
    assert refused.told["reason"]
    assert refused.headers["X-Reason"]
    assert part(raw, func_hash, blob[half:], 1, 2).word == "UPLOADED"
    assert raw.send("init", func_hash=func_hash).word == "NOT_FOUND"


@pytest.mark.parametrize(
    ("index", "count"), [(3, 3), (-1, 3), (0, 0), (0, -1), (0, 65), (1, 1), (0, 2**40)]
)
def test_a_part_that_cannot_be_is_refused(index: int, count: int, raw: Raw):
    """6."""
    reply = part(raw, "0123456789abcdef", b"x", index, count)
    assert (reply.status, reply.word) == (400, "BAD_REQUEST")


def test_either_hash_is_good_and_no_other(raw: Raw):
    """2.5: of the blob, as real clients have it, or of the pickle, as documented."""
    pickled = blob_of(lambda number: number * 3)
    inner = msgpack.unpackb(gzip.decompress(pickled))["func"]
    seed_hash = hash_of(inner)
    assert raw.upload(pickled, seed_hash) == seed_hash
    assert results_of(raw.map(seed_hash, [2], new_run())) == [6]
    refused = raw.send("init", func_hash="0" * 16, func=pickled)
    assert (refused.status, refused.word) == (400, "BAD_REQUEST")


def test_requirements_may_be_a_list(raw: Raw):
    """0.4: the document's form."""
    blob = blob_of(lambda number: number, requirements=["dill==0.3.9"])
    assert results_of(raw.map(raw.upload(blob), [5], new_run())) == [5]


@pytest.mark.parametrize(
    "blob",
    [
        b"x",
        gzip.compress(b"x"),
        gzip.compress(msgpack.packb([1])),
        gzip.compress(msgpack.packb({"func": b"x"})),
        gzip.compress(msgpack.packb({"func": "x", "local_sources": {}})),
        blob_of(b"x") + b"behind",
        blob_of(b"x") + blob_of(b"x"),
        gzip.compress(b"\xdd\xff\xff\xff\xff"),
        gzip.compress(b"\x91" * 5000),
    ],
    ids=range(9),
)
def test_what_is_no_function_is_refused(blob: bytes, raw: Raw):
    reply = raw.send("init", func_hash=hash_of(blob), func=blob)
    assert (reply.status, reply.word) == (400, "BAD_REQUEST")


# --- maps


def test_the_same_batch_of_the_same_run_gives_the_stored_answer(
    raw: Raw, tmp_path: Path
):
    """2.6: run once, however often it comes."""
    mark = str(tmp_path / "runs")

    def notes(number, mark=mark):
        with open(mark, "a") as file:  # noqa: PTH123 (it travels)
            file.write("x")
        return number

    func_hash = raw.upload(blob_of(notes))
    run = new_run()
    batch = batch_of([1, 2, 3])
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: raw.map(func_hash, batch, run), range(4)))
    replies.append(raw.map(func_hash, batch, run))
    assert {one.body for one in replies} == {replies[0].body}
    assert (tmp_path / "runs").read_text() == "xxx"
    assert raw.done(func_hash, run).word == "DONE"


def test_a_batch_may_be_any_iterable(raw: Raw, stored: str):
    run = new_run()
    for items in (range(4), [0, 1, 2, 3], (0, 1, 2, 3), iter([0, 1, 2, 3])):
        assert results_of(raw.map(stored, items, run)) == [1, 2, 3, 4]
    assert results_of(raw.map(stored, [], run)) == []
    raw.done(stored, run)


def test_done_is_idempotent(raw: Raw, stored: str):
    """23."""
    run = new_run()
    assert raw.done(stored, run).word == "DONE"
    assert results_of(raw.map(stored, [1], run)) == [2]
    assert raw.done(stored, run).word == "DONE"
    assert raw.done(stored, run).word == "DONE"
    assert raw.done("f" * 16, new_run()).word == "NOT_FOUND"
    assert results_of(raw.map(stored, [2], run)) == [3]
    assert raw.done(stored, run).word == "DONE"


def test_done_ends_a_batch_that_runs(raw: Raw, service: FastmapProcess):
    """2.7: and its worker; the request that waits is answered NOT_FOUND."""

    def sleeps(number):
        import time

        time.sleep(number)

    func_hash = raw.upload(blob_of(sleeps))
    run = new_run()
    raw.map(func_hash, [0], run)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(raw.map, func_hash, [60], run)
        end = time.monotonic() + 20
        while not waiting.running():
            assert time.monotonic() < end
        began = time.monotonic()
        while not waiting.done():
            raw.done(func_hash, run)
            assert time.monotonic() - began < 20
        assert waiting.result().word == "NOT_FOUND"


def test_an_import_that_fails_is_told_with_its_text(raw: Raw):
    """20: a source with a syntax error, that the function needs."""
    pickled = b"\x80\x04cbroken_module\nf\n."
    blob = blob_of(pickled, {"broken_module": "def f(x:\n    return x\n"})
    reply = raw.map(raw.upload(blob), [1], new_run())
    assert (reply.status, reply.word) == (200, "INITIALIZATION_ERROR")
    assert "SyntaxError" in reply.told["init_error"]
    assert "def f(x:" in reply.told["init_tb"]


def test_a_source_that_nobody_needs_may_be_broken(raw: Raw):
    """3.3: sources are loaded when they are asked for."""
    blob = blob_of(lambda number: -number, {"broken_module": "def f(x:\n"})
    assert results_of(raw.map(raw.upload(blob), [1], new_run())) == [-1]


def test_a_module_that_is_not_there_is_named_with_the_error(raw: Raw):
    """2.6: ``bad_modules``."""
    blob = blob_of(lambda number: 1 // number, installed_mods=["no_such_module_here"])
    func_hash = raw.upload(blob)
    run = new_run()
    assert results_of(raw.map(func_hash, [1], run)) == [1]
    failed = raw.map(func_hash, [1, 0], run)
    assert failed.word == "PROCESS_ERROR"
    assert failed.told["exception"].startswith("ZeroDivisionError")
    assert failed.told["bad_modules"] == ["no_such_module_here"]
    assert failed.told["index"] == 1


def test_local_sources_may_import_each_other(raw: Raw):
    """3.2: empty packages are missing, and the order is that of the importer first."""
    sources = {
        "outer": "from pack.inner import value\n\ndef f(x):\n    return x + value\n",
        "pack.inner": "from pack.deep.core import value\n",
        "pack.deep.core": "value = 40\n",
    }
    blob = blob_of(b"\x80\x04couter\nf\n.", sources)
    assert results_of(raw.map(raw.upload(blob), [2], new_run())) == [42]


# --- what is too large, and bombs


def bomb(opened: int) -> bytes:
    """gzip of so many zeros; a thousandth of it."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(16 * MIB)
    pieces = [squeeze.compress(zeros) for _ in range(opened // len(zeros))]
    return b"".join([*pieces, squeeze.flush()])


def test_bombs_open_to_no_more_than_the_limit(tmp_path: Path):
    """22: in init and in a batch; the service itself opens only the first."""
    limits = {"function_bytes": 64 * MIB, "batch_bytes": 64 * MIB, "workers": 1}
    packed = bomb(512 * MIB)
    with ServiceHost(["fastmap"], data_dir=tmp_path, options={"fastmap": limits}) as s:
        raw = Raw(s.endpoints["fastmap"].url, s.endpoints["fastmap"].secret)
        func_hash = raw.upload(blob_of(lambda number: number + 1))
        before = peak_bytes(begin=True)
        in_init = raw.send("init", func_hash=hash_of(packed), func=packed)
        assert (in_init.status, in_init.word) == (400, "BAD_REQUEST")
        in_map = raw.map(func_hash, packed, new_run())
        assert in_map.word == "PROCESS_ERROR"
        assert peak_bytes() - before < (64 + 64) * MIB
        assert results_of(raw.map(func_hash, [1], new_run())) == [2]


def peak_bytes(*, begin: bool = False) -> int:
    """The most memory that this process had, since it was last told to begin."""
    if begin:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_a_body_over_the_limit_is_refused_before_it_is_read(raw: Raw, stored: str):
    """18: with the size told to the real client, which sends all of it first."""
    reply = raw.map(stored, os.urandom(21 * MIB), new_run())
    assert (reply.status, reply.word) == (413, "TOO_LARGE")
    assert reply.headers["Content-Type"] == "application/msgpack"


def test_a_whole_part_is_within_the_limit(raw: Raw):
    """0.9: 20 MiB of function bytes, and 65 more around them."""
    reply = part(raw, "0" * 16, os.urandom(20 * MIB), 0, 2)
    assert (reply.status, reply.word) == (200, "UPLOADED")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/auth", 405),
        ("PUT", "/api/v1/map", 405),
        ("POST", "/api/v1/nothing", 404),
        ("POST", "/", 404),
        ("GET", "/nothing", 404),
    ],
)
def test_errors_of_http_itself_are_messagepack(
    method: str, path: str, status: int, raw: Raw
):
    """2.6: an HTML page would read as an unexpected content type."""
    import http.client
    from urllib.parse import urlsplit

    connection = http.client.HTTPConnection(urlsplit(raw.url).netloc, timeout=20)
    connection.request(method, path, b"\x80", raw.headers(b"\x80"))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/msgpack"
    assert answer.headers["X-Status"]
    assert isinstance(msgpack.unpackb(body), dict)
