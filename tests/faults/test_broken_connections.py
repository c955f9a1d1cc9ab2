"""Connections that break under way leave nothing half done, and nothing wrong."""

from __future__ import annotations

import os
import socket
import struct
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faults.proxy import Fault, Proxy
from interop.suite_process import SuiteProcess
from pilothouse.errors import AnswerTimeoutError, FastScoreError, TransportError
from pilothouse.fastscore import Attachment, Model, Stream
from pilothouse.fastscore.suite import Connect, Engine
from waiting import until

pytestmark = pytest.mark.faults

MEGABYTE = 2**20
ECHO = "def action(x):\n    yield x\n"
REST = {"Transport": "REST", "Encoding": "json"}
CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json"}


@pytest.fixture
def proxy(services: SuiteProcess) -> Iterator[Proxy]:
    """The way to the services that can be disturbed."""
    with Proxy(services.url) as disturbing:
        yield disturbing


def connected(services: SuiteProcess, by: Proxy | None = None, **options) -> Connect:
    """A connection to the services, directly or by way of the proxy."""
    url = services.url if by is None else by.url
    return Connect(url, oauth_secret=services.token, **options)


def saved_model(connect: Connect) -> Model:
    """A model in Model Manage that attachments can be added to."""
    model = Model("m", "python3", ECHO, connect.lookup("model-manage"))
    model.update()
    return model


def file_of(folder: Path, size: int) -> str:
    """A file of random bytes, named like an archive."""
    path = folder / f"{size}.zip"
    path.write_bytes(os.urandom(size))
    return str(path)


def kept_files(services: SuiteProcess) -> set[str]:
    """The files of the store, beside those of the database."""
    folder = services.folder / "data"
    names = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {str(name) for name in names if "sqlite" not in name.name}


def running_echo(engine: Engine, descriptor: dict = REST) -> None:
    engine.reset()
    Model("echo", "python3", ECHO).deploy(engine)
    for slot in (0, 1):
        Stream(f"s{slot}", descriptor).attach(engine, slot)


# --- uploads that end in the middle


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("form", ["counted", "chunked"])
def test_an_upload_that_ends_in_the_middle_is_not_kept(
    ending: str, form: str, services: SuiteProcess
):
    connect = connected(services)
    model = saved_model(connect)
    before = kept_files(services)
    parts = urllib.parse.urlsplit(services.url)
    line = socket.create_connection((parts.hostname, parts.port), timeout=10)
    size = (
        "Content-Length: 4000000" if form == "counted" else "Transfer-Encoding: chunked"
    )
    path = "/api/1/service/model-manage-1/1/model/m/attachment/half.zip"
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {services.token}\r\n"
    kind = "Content-Type: application/zip\r\n"
    chunk = os.urandom(MEGABYTE)
    start = b"" if form == "counted" else b"%x\r\n" % (2 * MEGABYTE)
    line.sendall(f"{head}{kind}{size}\r\n\r\n".encode() + start + chunk)
    if ending == "reset":
        option = struct.pack("ii", 1, 0)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
    line.close()
    until(lambda: kept_files(services) == before, what="the end of what was begun")
    assert list(model.attachments.names()) == []
    assert connect.check_health().release
    assert "Traceback" not in services.said(), services.said()


def test_a_broken_upload_leaves_the_old_attachment_as_it_was(
    services: SuiteProcess, proxy: Proxy, tmp_path: Path
):
    model = saved_model(connected(services))
    old = file_of(tmp_path, MEGABYTE)
    Attachment("a.zip", datafile=old).upload(model)
    before = kept_files(services)
    by_proxy = connected(services, proxy).lookup("model-manage").models["m"]
    proxy.arm(Fault("reset", "up", after=2 * MEGABYTE, times=1000))
    new = Attachment("a.zip", datafile=file_of(tmp_path, 6 * MEGABYTE))
    with pytest.raises(FastScoreError) as error:
        new.upload(by_proxy)
    assert isinstance(error.value, TransportError)
    proxy.disarm()
    kept = Path(model.attachments["a.zip"].datafile)
    assert kept.read_bytes() == Path(old).read_bytes()
    until(lambda: kept_files(services) == before, what="the end of what was begun")
    new.upload(by_proxy)
    kept = Path(model.attachments["a.zip"].datafile)
    assert kept.read_bytes() == Path(new.datafile).read_bytes()
    assert "Traceback" not in services.said(), services.said()


# --- answers that come late, in part, or not at all


@pytest.mark.parametrize("action", ["close", "reset"])
def test_a_download_that_breaks_off_goes_on_where_it_was(
    action: str, services: SuiteProcess, proxy: Proxy, tmp_path: Path
):
    path = file_of(tmp_path, 8 * MEGABYTE)
    Attachment("a.zip", datafile=path).upload(saved_model(connected(services)))
    model = connected(services, proxy).lookup("model-manage").models["m"]
    attached = model.attachments["a.zip"]
    proxy.arm(Fault(action, "down", after=3 * MEGABYTE, times=1))
    got = Path(attached.datafile)
    assert proxy.happened.is_set()
    assert got.read_bytes() == Path(path).read_bytes()


def test_a_download_that_never_comes_whole_is_an_error_and_leaves_no_file(
    services: SuiteProcess, proxy: Proxy, tmp_path: Path
):
    path = file_of(tmp_path, 2 * MEGABYTE)
    Attachment("a.zip", datafile=path).upload(saved_model(connected(services)))
    model = connected(services, proxy).lookup("model-manage").models["m"]
    attached = model.attachments["a.zip"]
    proxy.arm(Fault("close", "down", after=20_000, times=1000))
    with pytest.raises(FastScoreError) as error:
        Path(attached.datafile)
    assert isinstance(error.value, TransportError)


@pytest.mark.parametrize("action", ["close", "reset"])
def test_a_question_whose_answer_is_lost_is_asked_again(
    action: str, services: SuiteProcess, proxy: Proxy
):
    connect = connected(services, proxy)
    before = connect.fleet()
    proxy.arm(Fault(action, "down", after=30))
    assert connect.fleet() == before
    assert proxy.happened.is_set()


def test_a_record_whose_answer_is_lost_is_not_sent_again(
    services: SuiteProcess, proxy: Proxy
):
    direct = connected(services).get("engine-1")
    running_echo(direct)
    engine = connected(services, proxy).get("engine-1")
    assert engine.state == "RUNNING"
    proxy.arm(Fault("reset", "down", after=0, times=1000))
    with pytest.raises(FastScoreError) as error:
        engine.input("1", 0)
    assert isinstance(error.value, TransportError)
    proxy.disarm()
    direct.input("2", 0)
    came = []
    while b"2" not in came:
        came.append(direct.output(1))
    assert came.count(b"1") <= 1


def test_a_late_answer_is_given_up_after_the_timeout(
    services: SuiteProcess, proxy: Proxy
):
    engine = connected(services, proxy).get("engine-1")
    running_echo(connected(services).get("engine-1"))
    engine.gateway.peer.timeout = 0.4
    proxy.arm(Fault("delay", "down", seconds=60, times=1000))
    began = time.monotonic()
    with pytest.raises(FastScoreError) as error:
        engine.input("1", 0)
    assert isinstance(error.value, AnswerTimeoutError)
    assert time.monotonic() - began < 30


def test_services_that_are_gone_are_an_error_at_once(
    services: SuiteProcess, proxy: Proxy
):
    connect = connected(services, proxy)
    assert connect.fleet()
    services.kill()
    began = time.monotonic()
    with pytest.raises(FastScoreError) as error:
        connect.fleet()
    assert isinstance(error.value, TransportError)
    assert time.monotonic() - began < 10


# --- long conversations


def test_pneumo_comes_back_after_its_connection_broke(
    services: SuiteProcess, proxy: Proxy
):
    engine = connected(services).get("engine-1")
    with connected(services, proxy).pneumo.socket(
        src="engine-1", type="engine-config", timeout=60
    ) as pneumo:
        Model("first", "python3", ECHO).deploy(engine)
        assert pneumo.recv().op == "load"
        before = proxy.connections
        proxy.cut()
        until(lambda: proxy.connections > before)
        engine.unload_model()
        seen = []
        while seen[-1:] != ["unload"]:
            if engine.active_model is None:
                Model("again", "python3", ECHO).deploy(engine)
                engine.unload_model()
            seen.append(pneumo.recv().op)


def test_a_score_survives_delays(services: SuiteProcess, proxy: Proxy):
    engine = connected(services, proxy).get("engine-1")
    running_echo(engine, CHUNKED)
    proxy.arm(Fault("delay", "down", after=10_000, seconds=0.3, times=4))
    records = [{"n": n, "text": "é" * (n % 7)} for n in range(30_000)]
    assert list(engine.score(records)) == records
    assert proxy.happened.is_set()


def test_a_score_whose_connection_breaks_is_an_error_or_right(
    services: SuiteProcess, proxy: Proxy
):
    """An answer is never short or in another order without an error."""
    engine = connected(services, proxy).get("engine-1")
    running_echo(engine, CHUNKED)
    records = list(range(200_000))
    proxy.arm(Fault("reset", "up", after=300_000))
    scored = []
    with suppress(TransportError):
        scored = list(engine.score(records))
    assert scored in ([], records)
    assert proxy.happened.is_set()
    direct = connected(services).get("engine-1")
    running_echo(direct, CHUNKED)
    assert list(direct.score([1, 2, 3])) == [1, 2, 3]
