"""AIMM under kills, cuts, crowds and peers that do not behave."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import websocket

from faults.proxy import Fault, Proxy
from interop.aimm_peer import PASSWORD, configuration, running
from pilothouse import aimm
from pilothouse.aimm import session
from pilothouse.aimm.juggler import ServerConnection, Wire
from pilothouse.errors import ConnectionLostError
from pilothouse.services.host import ServiceHost
from waiting import until

pytestmark = pytest.mark.faults

LAB = Path(__file__).parents[1] / "services" / "aimm" / "lab.py"


def connected(endpoint, url=None):
    return aimm.connect(url or endpoint.url, endpoint.username, endpoint.password)


@pytest.fixture
def served(tmp_path):
    """Starts our server from a file, as a process; once killed it can start again."""
    path, url = configuration(tmp_path)
    command = [sys.executable, "-m", "pilothouse", "serve", "aimm", "--conf", path]
    return lambda: running(command, url, tmp_path), url, tmp_path / "aimm.db"


def test_a_server_killed_during_a_fit_has_all_it_acknowledged(served, tmp_path):
    start, url, _ = served
    with start() as process:
        client = aimm.connect(url, "user", PASSWORD)
        made = client.create_instance("lab")
        made.fit()
        handle = made.submit_fit("wait", str(tmp_path / "never"))
        until(lambda: handle.state == "executing")
        process.send_signal(signal.SIGKILL)
        process.wait()
    try:
        with start():
            until(lambda: client.connection == "ready")

            with pytest.raises(aimm.StillRunningError, match="restarted meanwhile"):
                handle.result(60)
            assert made.predict() == 1
            assert client.create_instance("lab").id == made.id + 1
    finally:
        client.close()


def test_a_kill_among_many_fits_loses_none_that_was_answered(served):
    start, url, database = served
    answered = 0
    with start() as process:
        with aimm.connect(url, "user", PASSWORD, patience=0.5) as client:
            made = client.create_instance("lab")
            killer = threading.Timer(0.2, process.send_signal, [signal.SIGKILL])
            try:
                while True:
                    made.fit()
                    answered += 1
                    if answered == 20:
                        killer.start()
            except ConnectionLostError:
                killer.join()
        process.wait()
    with start(), aimm.connect(url, "user", PASSWORD) as client:
        kept = client.predict(made.id)

    assert answered >= 20
    assert answered <= kept <= answered + 1
    check = sqlite3.connect(database)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_the_plugins_of_a_killed_server_end_with_it(served, tmp_path):
    start, url, _ = served
    pid_file = tmp_path / "pid"
    with start() as process:
        with aimm.connect(url, "user", PASSWORD) as client:
            client.create_instance("lab").submit_fit("wait", str(pid_file))
            until(lambda: client.actions and _children(process.pid))
            children = _children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()

    until(lambda: not any(child.is_running() for child in children))


def _children(pid):
    import psutil

    return psutil.Process(pid).children()


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("action", ["close", "reset"])
def test_a_cut_in_the_middle_of_a_segment_leaves_a_client_that_works(
    aimm_server, way, action
):
    with Proxy(aimm_server.url) as proxy, connected(aimm_server, proxy.url) as client:
        made = client.create_instance("lab")
        proxy.arm(Fault(action, way, after=100_000))

        try:
            back = made.predict("echo", "x" * 400_000)
        except ConnectionLostError:
            back = None
        assert proxy.happened.wait(60)

        assert back in (None, "x" * 400_000)
        assert made.predict("echo", "whole") == "whole"


def test_a_fit_goes_on_while_the_network_is_cut_and_its_result_arrives(
    aimm_server, tmp_path
):
    with Proxy(aimm_server.url) as proxy, connected(aimm_server, proxy.url) as client:
        made = client.create_instance("lab")
        handle = made.submit_fit("wait", str(tmp_path / "seen"))
        until(lambda: handle.state == "executing")
        seen = []
        client.on_change(lambda _state: seen.append(str(client.connection)))
        proxy.cut()
        until(lambda: "lost" in seen)
        (tmp_path / "seen").touch()

        assert handle.result(60) == made
        assert made.predict() == 1


def test_a_crowd_of_clients_and_instances_agrees_on_the_state(tmp_path):
    options = {"aimm": {"plugin_files": [str(LAB)], "max_children": 2}}
    with ServiceHost(["aimm"], data_dir=tmp_path, options=options) as host:
        engine = host.services["aimm"].engine
        with connected(host.aimm) as first:
            data = first.create_instance("lab").to_bytes()

            async def fill():
                for _ in range(499):
                    number = engine._store.create("lab", data)
                    engine._put(
                        type(next(iter(engine.instances.values())))(number, "lab", data)
                    )

            host.run(fill(), 240)
            clients = [connected(host.aimm) for _ in range(20)]
            try:
                assert {len(client.models) for client in clients} == {500}
                clients[0].fit(7)
                digest = clients[0].state.models[7].sha256
                for client in clients:
                    until(lambda c=client: c.state.models[7].sha256 == digest)
                    assert client.predict(7) == 1
            finally:
                for client in clients:
                    client.close()


def slow_peer(endpoint):
    """A client that logs in and then reads nothing at all."""
    import hashlib

    ws = websocket.create_connection(endpoint.url, timeout=20)
    hashed = hashlib.sha256(endpoint.password.encode()).hexdigest()
    data = {"username": endpoint.username, "password": hashed}
    text = {"type": "request", "id": 1, "name": "login", "data": data}
    ws.send("0" + json.dumps(text))
    while '"response"' not in ws.recv():
        pass
    return ws


def test_a_client_that_reads_nothing_slows_nobody_and_is_brought_up_to_date(
    aimm_server,
):
    slow = slow_peer(aimm_server)
    try:
        with connected(aimm_server) as client:
            big = client.create_instance("lab", data="x" * 1_000_000)
            began = time.monotonic()
            for _ in range(20):
                big.fit()
            assert time.monotonic() - began < 55

            last = client.state.models[big.id].size
        frames, text = [], ""
        while f"/models/{big.id}" not in text or '"complete"' not in text:
            frame = slow.recv()
            frames.append(frame[1:])
            if frame[0] == "0":
                text, frames = "".join(frames), []
        assert last > 1_000_000
    finally:
        slow.shutdown()


def test_a_client_that_never_answers_a_ping_is_given_up(tmp_path):
    options = {"aimm": {"ping_delay": 0.2, "ping_timeout": 0.2}}
    with ServiceHost(["aimm"], data_dir=tmp_path, options=options) as host:
        ws = websocket.create_connection(host.aimm.url, timeout=60)
        try:
            frames = list(iter(ws.recv, ""))  # an empty one: the server has closed
            assert "2" in frames
        finally:
            ws.shutdown()


def test_our_client_answers_each_ping(tmp_path, monkeypatch):
    receive, tick, pongs = ServerConnection.receive, ServerConnection.tick, []

    def counted(machine, frame, now):
        if bytes(frame[:1]) == b"3":
            pongs.append(now)
        return receive(machine, frame, now)

    def often(machine, now):  # looks again soon, however long the client may take
        due = tick(machine, now)
        return None if due is None else min(due, now + 0.05)

    monkeypatch.setattr(ServerConnection, "receive", counted)
    monkeypatch.setattr(ServerConnection, "tick", often)
    options = {"aimm": {"ping_delay": 0.05, "ping_timeout": 60.0}}
    with (
        ServiceHost(["aimm"], data_dir=tmp_path, options=options) as host,
        connected(host.aimm) as client,
    ):
        until(lambda: len(pongs) >= 5, what="five pongs")
        assert client._session._socket.connections == 1


FRAMES = [
    "",
    "0",
    "1",
    "2x",
    "3",
    "9",
    "0{}",
    "0[]",
    '0{"type": "request"}',
    '0{"type": "request", "id": 1, "name": "login", "data": null}',
    '0{"type": "request", "id": 1, "name": "predict", "data": {"instance_id": 1e400}}',
    '0{"type": "request", "id": {"a": []}, "name": "fit", "data": "x"}',
    '{"type": "request", "id": 1, "name": "", "data": NaN}',
    '{"type": "MESSAGE", "payload": {}}',
    "0" + "[" * 100_000,
    "1" + "x" * 70_000,
    '0{"type": "request", "id": 1, "name": "\\ud800", "data": 1}',
]


def test_made_up_frames_never_harm_the_server(aimm_server):
    chance = random.Random(20_261_122)
    for _ in range(300):
        ws = websocket.create_connection(aimm_server.url, timeout=10)
        try:
            for _ in range(chance.randint(1, 6)):
                frame = chance.choice(FRAMES)
                if chance.random() < 0.3:
                    at = chance.randint(0, len(frame))
                    frame = frame[:at] + chr(chance.randint(32, 0x2FFF)) + frame[at:]
                try:
                    if chance.random() < 0.05:
                        ws.send_binary(frame.encode())
                    else:
                        ws.send(frame)
                except (OSError, websocket.WebSocketException):
                    break
        finally:
            ws.shutdown()

    with connected(aimm_server) as client:
        assert client.create_instance("lab").predict() == 0


@pytest.fixture(params=["at once", "late"])
def first_frame(request, monkeypatch):
    """Tells whether a peer waits with its first frame until the client has guessed."""
    if request.param == "late":
        monkeypatch.setattr(session, "_GUESS_AFTER", 0.01)
    return request.param


def saying(text, when):
    """A peer that says one thing, and takes whatever comes."""
    from aiohttp import web

    async def say(request):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if when == "late":
            await ws.receive_str()
        await ws.send_str(text)
        async for _ in ws:
            continue
        return ws

    return say


def test_a_peer_that_is_no_juggler_is_told_as_such(first_frame):
    shout = saying("hello, I am another protocol", first_frame)

    with _Served(shout) as url, pytest.raises(Exception, match="no juggler message"):
        aimm.connect(url, "u", "p", timeout=60)


@pytest.mark.parametrize("drops", [False, True], ids=["waits", "drops"])
def test_a_server_of_0_6_that_is_late_is_served_on_its_wire(drops, monkeypatch):
    """What it gets before its first frame is a guess; some drop who guesses wrong."""
    from aiohttp import web

    monkeypatch.setattr(session, "_GUESS_AFTER", 0.01)
    heard = []

    async def bare(request):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        heard.append(await ws.receive_str())
        if drops and len(heard) == 1:
            return ws
        await ws.send_str('{"type": "state", "diff": []}')
        async for message in ws:
            asked = json.loads(message.data)
            heard.append(asked["name"])
            answer = {"type": "response", "id": asked["id"], "success": True}
            await ws.send_str(json.dumps({**answer, "data": asked["data"]}))
        return ws

    with _Served(bare) as url, aimm.connect(url, "u", "p", timeout=60) as client:
        assert client.ping() >= 0
    guesses = [one for one in heard if one.startswith("0{")]
    assert len(guesses) == 1 + drops
    assert heard[len(guesses) :] == ["login", ""]


class _Served:
    """A websocket handler on a port of its own, in a thread."""

    def __init__(self, handler):
        self._handler = handler

    def __enter__(self):
        import asyncio

        from aiohttp import web

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        application = web.Application()
        application.router.add_get("/{path:.*}", self._handler)
        self._runner = web.AppRunner(application)

        async def start():
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            return site._server.sockets[0].getsockname()[1]

        port = asyncio.run_coroutine_threadsafe(start(), self._loop).result(60)
        return f"ws://127.0.0.1:{port}/ws"

    def __exit__(self, *exc_info):
        import asyncio

        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


def test_all_wires_that_cannot_be_served_are_named(first_frame):
    oldest = saying('{"type": "DATA", "payload": []}', first_frame)

    with _Served(oldest) as url, pytest.raises(Exception, match=r"juggler 0\.5"):
        aimm.connect(url, "u", "p", timeout=60, wire=None)
    assert Wire.SYMMETRIC.value == "0.5"


def test_no_process_of_a_stopped_server_is_left(served, tmp_path):
    start, url, _ = served
    with start() as process:
        with aimm.connect(url, "user", PASSWORD) as client:
            client.create_instance("lab").fit()
            children = _children(process.pid)
        assert children
        process.terminate()
        assert process.wait(60) == 0

    assert not any(child.is_running() for child in children)
    assert isinstance(process, subprocess.Popen)
