"""One websocket connection with one thread that reads."""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
import threading
from contextlib import contextmanager

import pytest
import websocket
from aiohttp import WSMsgType, web

from pilothouse import errors
from pilothouse.transport.retries import Retries
from pilothouse.transport.websocket import Socket, SocketState, translate

QUICK = Retries(attempts=50, base=0.01, ceiling=0.05, total=120.0)


class Server:
    """A real websocket server on a loop of its own."""

    def __init__(self, handler, tls=None):
        self._loop = asyncio.new_event_loop()
        self._handler = handler
        self._tls = tls
        self.requests = []
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self):
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/ws"

    def _run(self):
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/ws", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._loop.run_until_complete(self._runner.setup())
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        self._loop.run_until_complete(site.start())
        self.port = self._runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _serve(self, request):
        self.requests.append(request)
        return await self._handler(request, len(self.requests))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *exc_info):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)


async def echo(request, number):
    ws = web.WebSocketResponse(max_msg_size=1 << 26)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


@contextmanager
def opened(handler, **options):
    with Server(handler) as server:
        socket = Socket(server.url, **options)
        try:
            yield socket.open(), server
        finally:
            socket.close()


def test_texts_come_back_in_order():
    with opened(echo) as (socket, _):
        for n in range(100):
            socket.send_text(f"n{n} \u262e")
        assert [socket.recv(60) for _ in range(100)] == [
            f"n{n} \u262e" for n in range(100)
        ]


def test_a_long_text_passes_whole():
    with opened(echo) as (socket, _):
        text = "\u262ex" * 1_000_000
        socket.send_text(text)
        assert socket.recv(60) == text


@pytest.mark.parametrize("length", [4095, 4096, 4097, 4098, 4099, 65_537])
def test_masks_fit_texts_of_any_length(length):
    import numpy as np

    assert np.__name__ in sys.modules  # long frames are masked by it
    with opened(echo) as (socket, _):
        text = "".join(chr(32 + n % 90) for n in range(length))
        socket.send_text(text)
        assert socket.recv(60) == text


def test_headers_and_origin_go_with_the_handshake():
    headers = {"Authorization": "Bearer hunter2"}
    with opened(echo, headers=lambda: headers, origin="https://o") as (socket, server):
        assert server.requests[0].headers["Authorization"] == "Bearer hunter2"
        assert server.requests[0].headers["Origin"] == "https://o"
        assert "hunter2" not in repr(socket)


def test_a_wait_ends_with_its_timeout():
    with (
        opened(echo) as (socket, _),
        pytest.raises(errors.AnswerTimeoutError) as caught,
    ):
        socket.recv(0.05)
    assert isinstance(caught.value, TimeoutError)


def test_a_callback_gets_the_texts_on_the_reading_thread():
    got, names, done = [], set(), threading.Event()

    def on_text(text):
        got.append(text)
        names.add(threading.current_thread().name)
        if text == "2":
            done.set()
        raise_on_first = text == "0"
        if raise_on_first:
            raise RuntimeError("a faulty callback stops nothing")

    with opened(echo, on_text=on_text) as (socket, _):
        for n in range(3):
            socket.send_text(str(n))
        assert done.wait(60)
    assert got == ["0", "1", "2"]
    assert len(names) == 1
    assert threading.current_thread().name not in names


def test_a_lost_connection_is_made_anew_and_its_states_are_told():
    async def handler(request, number):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(f"hello {number}")
        if number < 3:
            request.transport.abort()
            return ws
        async for _ in ws:
            pass
        return ws

    random.seed(20_261_122)
    as_seeded = random.getstate()
    states, opens = [], []
    with opened(
        handler, on_state=states.append, on_open=opens.append, reconnect=QUICK
    ) as (socket, _):
        assert [socket.recv(60) for _ in range(3)] == ["hello 1", "hello 2", "hello 3"]
        assert socket.state is SocketState.CONNECTED
        assert socket.connections == 3
    connected, lost, closed = (
        SocketState.CONNECTED,
        SocketState.LOST,
        SocketState.CLOSED,
    )
    assert states == [connected, lost, connected, lost, connected, closed]
    assert opens == [socket] * 3
    assert random.getstate() == as_seeded


def test_without_reconnection_the_end_is_told_after_what_came_before_it():
    async def handler(request, number):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        for n in range(3):
            await ws.send_str(str(n))
        await ws.close()
        return ws

    with opened(handler, reconnect=None) as (socket, _):
        assert list(socket) == ["0", "1", "2"]
        assert socket.state is SocketState.CLOSED
        with pytest.raises(errors.ConnectionLostError):
            socket.recv(1)


def test_a_full_queue_drops_its_oldest_and_counts():
    async def handler(request, number):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        for n in range(100):
            await ws.send_str(str(n))
        await ws.close()
        return ws

    with opened(handler, reconnect=None, max_queue=10) as (socket, _):
        socket._thread.join(60)
        assert list(socket) == [str(n) for n in range(90, 100)]
        assert socket.dropped == 90


def test_a_full_queue_may_make_the_peer_wait_instead():
    async def handler(request, number):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        for n in range(1000):
            await ws.send_str(str(n))
        await ws.close()
        return ws

    with opened(handler, reconnect=None, max_queue=3, overflow="block") as (socket, _):
        assert list(socket) == [str(n) for n in range(1000)]
        assert socket.dropped == 0


def test_pings_keep_a_quiet_connection():
    pinged = threading.Event()

    async def handler(request, number):
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.PING:
                await ws.pong(message.data)
                pinged.set()
        return ws

    with opened(handler, ping_interval=0.05) as (socket, _):
        assert pinged.wait(60)
        assert socket.state is SocketState.CONNECTED


def test_a_peer_that_gives_no_sign_is_lost():
    lost = threading.Event()

    async def handler(request, number):
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        async for _ in ws:
            pass
        return ws

    with opened(
        handler,
        ping_interval=0.05,
        answer_timeout=0.1,
        reconnect=None,
        on_state=lambda state: state is SocketState.CLOSED and lost.set(),
    ) as (socket, _):
        assert lost.wait(60)
        assert isinstance(socket.error, errors.AnswerTimeoutError)


def test_pings_of_the_peer_are_answered():
    ponged = threading.Event()

    async def handler(request, number):
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        await ws.ping(b"there?")
        async for message in ws:
            if message.type is WSMsgType.PONG and message.data == b"there?":
                ponged.set()
        return ws

    with opened(handler):
        assert ponged.wait(60)


def test_a_refused_handshake_raises():
    async def handler(request, number):
        raise web.HTTPUnauthorized(text="who are you?")

    with Server(handler) as server:
        socket = Socket(server.url)
        with pytest.raises(errors.NotAuthorizedError, match="401 who are you"):
            socket.open()
        socket.close()


def test_a_refusal_after_a_loss_ends_the_tries():
    async def handler(request, number):
        if number > 1:
            raise web.HTTPUnauthorized(text="logged out")
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        request.transport.abort()
        return ws

    with opened(handler, reconnect=QUICK) as (socket, _):
        assert not socket.wait_connected(0) or socket.connections == 1
        with pytest.raises(errors.NotAuthorizedError):
            socket.recv(60)


def test_a_reader_that_fails_for_a_reason_of_its_own_says_so():
    async def leave(request, number):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.close()
        return ws

    def refuse_the_second(socket):
        if socket.connections > 1:
            raise RuntimeError("one is enough")

    with opened(leave, reconnect=QUICK, on_open=refuse_the_second) as (socket, _):
        with pytest.raises(errors.ProtocolError, match="one is enough"):
            socket.recv(60)
        assert socket.state is SocketState.CLOSED


def test_a_message_longer_than_allowed_is_not_taken():
    async def handler(request, number):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("x" * 2000)
        async for _ in ws:
            pass
        return ws

    with (
        opened(handler, max_message_bytes=1000, reconnect=None) as (socket, _),
        pytest.raises(errors.ProtocolError, match="2000 bytes"),
    ):
        socket.recv(60)


def test_nobody_there_is_a_connect_error(silent_port):
    with pytest.raises(errors.ConnectError, match="refused"):
        Socket(f"ws://127.0.0.1:{silent_port}", protocol="P").open()


def test_close_is_quick_may_be_called_twice_and_joins():
    async def handler(request, number):
        ws = web.WebSocketResponse(autoclose=False)
        await ws.prepare(request)
        await asyncio.Event().wait()

    with opened(handler) as (socket, _):
        thread = socket._thread
        socket.close()
        socket.close()
        assert not thread.is_alive()
        assert socket.state is SocketState.CLOSED
        with pytest.raises(errors.ConnectionLostError):
            socket.send_text("x")


def test_close_wakes_whoever_waits():
    with opened(echo) as (socket, _):
        waiting = threading.Event()
        ended = []

        def wait():
            waiting.set()
            with pytest.raises(errors.ConnectionLostError):
                socket.recv(60)
            ended.append(True)

        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(60)
        socket.close()
        thread.join(60)
        assert ended


def test_many_threads_may_send():
    with opened(echo) as (socket, _):
        threads = [
            threading.Thread(
                target=lambda n=n: [socket.send_text(f"{n}") for _ in range(100)]
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        got = [socket.recv(60) for _ in range(400)]
        for thread in threads:
            thread.join(60)
    assert sorted(got) == sorted(str(n) for n in range(4) for _ in range(100))


@pytest.mark.parametrize("verify", [None, "ca", True])
def test_tls_is_spoken(certificate, verify):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Server(echo, tls=context) as server:
        wish = certificate[0] if verify == "ca" else verify
        socket = Socket(server.url, verify=wish)
        if verify is True:
            with pytest.raises(errors.ConnectError, match="certificate verify failed"):
                socket.open()
        else:
            with socket:
                socket.send_text("x" * 100_000)
                assert socket.recv(60) == "x" * 100_000


def test_every_exception_of_the_library_has_a_translation():
    kinds = [
        value
        for value in vars(websocket._exceptions).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert len(kinds) >= 8
    for kind in kinds:
        refused = kind is websocket.WebSocketBadStatusException
        exc = kind("%s %s", 403) if refused else kind("x")
        assert isinstance(translate(exc, peer="h:1"), errors.PilothouseError)
