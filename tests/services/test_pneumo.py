"""Pneumo: history and websocket."""

import asyncio
import contextlib
import json
from contextlib import contextmanager

import pytest
import websocket

from conftest import LocalSuite
from pilothouse.fastscore.wire.pneumo import EngineStateMsg, LogMsg
from pilothouse.services.fastscore.bus import utc_now

PATH = "/api/1/service/connect/2/pneumo"


def publish(suite: LocalSuite, *messages):
    async def on_the_loop():
        for message in messages:
            suite.suite.bus.publish(message)

    suite.host.run(on_the_loop())


def log(text, src="engine-1"):
    return LogMsg(src=src, timestamp=utc_now(), level=64, text=text)


def state(word, src="engine-1"):
    return EngineStateMsg(src=src, timestamp=utc_now(), state=word)


@contextmanager
def socket_of(suite, query="", **options):
    url = suite.url.replace("http", "ws", 1) + PATH + query
    header = options.pop("header", {"Authorization": suite.token})
    connection = websocket.create_connection(url, timeout=20, header=header, **options)
    try:
        yield connection
    finally:
        connection.close()


def test_the_history_holds_the_last_sixty_oldest_first(bare_suite):
    publish(bare_suite, *(log(str(n)) for n in range(100)))
    texts = [row["text"] for row in bare_suite.call("GET", "connect/2/pneumo").json]
    assert texts == [str(n) for n in range(40, 100)]


def test_the_history_is_filtered(bare_suite):
    publish(bare_suite, log("a"), state("running"), log("b", "engine-2"))
    get = lambda q: bare_suite.call("GET", f"connect/2/pneumo?{q}").json  # noqa: E731
    assert [row["text"] for row in get("type=log")] == ["a", "b"]
    assert [row["type"] for row in get("src=engine-1")] == ["log", "engine-state"]
    assert [row["text"] for row in get("src=engine-2&type=log")] == ["b"]
    assert [row["text"] for row in get("type=log&count=1")] == ["b"]
    assert get("count=0") == []
    assert bare_suite.call("GET", "connect/2/pneumo?count=x").status == 400


def test_a_socket_gets_what_is_published_after_it_opened(bare_suite):
    publish(bare_suite, log("before"))
    with socket_of(bare_suite) as connection:
        publish(bare_suite, log("after"))
        message = json.loads(connection.recv())
    assert message["text"] == "after"
    assert message["timestamp"].endswith("Z")


def test_a_socket_is_filtered_by_source_and_type(bare_suite):
    with socket_of(bare_suite, "?src=engine-2&type=log") as connection:
        publish(
            bare_suite, log("a"), state("running", "engine-2"), log("b", "engine-2")
        )
        assert json.loads(connection.recv())["text"] == "b"


def test_each_socket_gets_every_message(bare_suite):
    with socket_of(bare_suite) as first, socket_of(bare_suite) as second:
        publish(bare_suite, log("a"), log("b"))
        for connection in (first, second):
            assert [json.loads(connection.recv())["text"] for _ in "ab"] == ["a", "b"]


def test_a_socket_answers_pings(bare_suite):
    with socket_of(bare_suite) as connection:
        connection.ping("are you there")
        opcode, data = connection.recv_data(control_frame=True)
    assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"are you there")


def test_a_socket_is_pinged_and_closed_when_it_does_not_answer(bare_suite, monkeypatch):
    monkeypatch.setattr("pilothouse.services.fastscore.connect._PING_SECONDS", 0.2)
    bus = bare_suite.suite.bus
    with socket_of(bare_suite) as connection:
        opcode, _ = connection.recv_data(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_PING

        async def forgotten():
            async with asyncio.timeout(20):
                while bus._subscriptions:
                    await asyncio.sleep(0.01)

        bare_suite.host.run(forgotten())


def test_a_socket_that_is_not_read_loses_the_oldest_and_is_told(
    bare_suite, monkeypatch
):
    monkeypatch.setattr("pilothouse.services.fastscore.bus.MAX_QUEUED_BYTES", 1_000_000)
    with socket_of(bare_suite) as connection:
        for _ in range(20):
            publish(bare_suite, *(log("x" * 100_000) for _ in range(20)))
        publish(bare_suite, log("last"))
        texts = []
        while "last" not in texts:
            texts.append(json.loads(connection.recv())["text"])
    notices = [text for text in texts if "dropped" in text]
    lost = sum(int(notice.split()[0]) for notice in notices)
    assert lost > 100
    assert lost + len(texts) - len(notices) == 401


@pytest.mark.parametrize("header", [[], {"Authorization": "wrong"}])
def test_a_socket_without_credentials_is_refused(bare_suite, header):
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        websocket.create_connection(
            bare_suite.url.replace("http", "ws") + PATH, timeout=20, header=header
        )
    assert caught.value.status_code == 401


def test_a_socket_takes_the_headers_of_the_real_sdk(bare_suite):
    header = {"Authorization": f"Bearer Bearer {bare_suite.token}"}
    with socket_of(bare_suite, header=header, origin="https://localhost") as connection:
        publish(bare_suite, log("hello"))
        assert json.loads(connection.recv())["text"] == "hello"


def test_a_closed_socket_is_forgotten(bare_suite):
    bus = bare_suite.suite.bus
    with socket_of(bare_suite):
        assert len(bus._subscriptions) == 1

    async def forgotten():
        async with asyncio.timeout(20):
            while bus._subscriptions:
                await asyncio.sleep(0)

    bare_suite.host.run(forgotten())


def test_the_end_of_the_suite_closes_the_socket(tmp_path):
    from pilothouse.services.host import ServiceHost

    options = {"fastscore": {"engines": ()}}
    with ServiceHost(data_dir=tmp_path, options=options) as host:
        suite = LocalSuite(host)
        connection = websocket.create_connection(
            suite.url.replace("http", "ws") + PATH,
            timeout=20,
            header={"Authorization": suite.token},
        )
    # Health changes at the end come first, then the close frame.
    with contextlib.ExitStack() as stack:
        stack.callback(connection.shutdown)
        while True:
            opcode, data = connection.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                break
    assert int.from_bytes(data[:2], "big") == 1001


def test_the_handshake_of_another_protocol_is_refused(bare_suite):
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    answer = bare_suite.call("GET", "connect/2/pneumo", headers=headers)
    assert answer.status == 400
