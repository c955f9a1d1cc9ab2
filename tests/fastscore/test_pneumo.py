"""Pneumo: live and of late."""

from __future__ import annotations

import threading

import pytest

from pilothouse import errors
from pilothouse.fastscore import FastScoreError, Model, ModelError, PneumoSock
from pilothouse.fastscore.pneumo import (
    EngineConfigMsg,
    EngineStateMsg,
    ModelConsoleMsg,
    ModelErrorMsg,
)
from pilothouse.fastscore.suite import Connect
from waiting import until

from .breaking_proxy import BreakingProxy
from .conftest import ECHO, REST


def test_an_engine_tells_what_happens_to_it_in_order(connect, engine):
    with connect.pneumo.socket(src="engine-1", timeout=60) as pneumo:
        Model("m", "python3", ECHO).deploy(
            engine, streams={0: "rest:", 1: "rest:"}, wait=60
        )
        told = []
        for message in pneumo:
            if isinstance(message, EngineConfigMsg):
                told.append((message.item, message.op, message.ref))
            if isinstance(message, EngineStateMsg):
                told.append(message.state)
                if message.state == "running":
                    break
    assert told[:3] == [
        ("model", "load", None),
        ("stream", "attach", 0),
        ("stream", "attach", 1),
    ]
    assert told[3][:2] == ("jet", "start")
    assert told[4] == "running"


def test_filters_leave_out_the_others(connect, engine):
    with (
        connect.pneumo.socket(
            src="engine-1", type="engine-state", timeout=60
        ) as states,
        connect.pneumo.socket(src="engine-2", timeout=0.3) as others,
    ):
        Model("m", "python3", ECHO).deploy(
            engine, streams={0: "rest:", 1: "rest:"}, wait=60
        )
        assert states.recv().state == "running"
        with pytest.raises(TimeoutError) as caught:
            others.recv()
    assert isinstance(caught.value, FastScoreError)
    assert isinstance(caught.value, errors.AnswerTimeoutError)


def test_a_failing_model_gives_one_error_with_record_and_lines(connect, running):
    engine = running("def action(x):\n    yield 1 / x\n", stream=REST)
    with connect.pneumo.socket(
        src="engine-1", type="model-error", timeout=60
    ) as pneumo:
        engine.input("0", 0)
        message = pneumo.recv()
    assert isinstance(message, ModelErrorMsg)
    assert message.input.data == ("0",)
    assert "line 2, in action" in message.console
    assert "ModelErrorMsg" in repr(message)
    assert engine.state == "ERROR"
    failure = engine.failure()
    assert isinstance(failure, ModelError)
    assert failure.lines == (2,)
    with pytest.raises(ModelError):
        engine.wait_for("RUNNING")
    engine.reset()
    assert engine.state == "INIT"


def test_what_a_model_prints_is_told(connect, running):
    engine = running(
        "def action(x):\n    print('hello', x)\n    yield x\n", stream=REST
    )
    with connect.pneumo.socket(type="model-console", timeout=60) as pneumo:
        engine.input("1", 0)
        assert isinstance(message := pneumo.recv(), ModelConsoleMsg)
    assert "hello 1" in message.text


def test_the_history_has_at_most_sixty_the_newest_last(connect, engine):
    for _ in range(40):
        Model("m", "python3", ECHO).deploy(engine)
        engine.unload_model()
    history = connect.pneumo.history()
    assert len(history) == 60
    assert [m.timestamp for m in history] == sorted(m.timestamp for m in history)
    # Sensors that other tests have left may report in between.
    assert [m for m in history if m.type == "engine-config"][-1].op == "unload"
    as_json = connect.pneumo.history(type="engine-config", asjson=True)
    assert as_json[-1]["type"] == "engine-config"
    assert len(connect.pneumo.history(count=3)) == 3
    assert connect.pneumo.history(type="nothing") == []
    assert "engine-config" in history._repr_html_()


def test_a_callback_gets_the_messages_and_states(connect, engine):
    got, states, loaded = [], [], threading.Event()

    def on_message(message):
        got.append(message)
        loaded.set()

    socket = connect.pneumo.socket(
        src="engine-1",
        type="engine-config",
        on_message=on_message,
        on_state=states.append,
    )
    Model("m", "python3", ECHO).deploy(engine)
    assert loaded.wait(60)
    with pytest.raises(FastScoreError):
        socket.recv()
    socket.close()
    socket.close()
    assert states == ["connected", "closed"]
    assert got[0].op == "load"


def test_a_socket_can_be_made_without_a_connect(suite):
    with PneumoSock(
        suite.url, 0.05, src="nobody", oauth_secret=suite.token
    ) as socket:  # engines report to all others
        assert "connected" in repr(socket)
        with pytest.raises(TimeoutError):
            socket.recv()
    assert suite.token not in repr(socket)
    with pytest.raises(errors.NotAuthorizedError):
        PneumoSock(suite.url)


def test_a_call_opens_a_socket_too(connect):
    socket = connect.pneumo(timeout=0.05, src="nobody")  # engines report to all others
    assert list(socket) == []
    socket.close()
    with pytest.raises(errors.ConnectionLostError):
        socket.recv()


def test_a_forgotten_socket_is_closed(connect):
    socket = connect.pneumo.socket()
    inner = socket._socket
    del socket
    until(lambda: inner.state == "closed")


def test_a_socket_finds_its_way_back(tmp_path):
    from pilothouse.services.host import ServiceHost

    with ServiceHost(["fastscore"], options={"fastscore": {"engines": ()}}) as host:
        connect = Connect(host.fastscore.url, oauth_secret=host.fastscore.token)
        states, lost = [], threading.Event()

        def on_state(state):
            states.append(str(state))
            if state == "lost":
                lost.set()

        socket = connect.pneumo.socket(on_state=on_state)
    assert lost.wait(60)
    assert socket.state in {"lost", "connected"}
    socket.close()
    assert states[:2] == ["connected", "lost"]
    assert states[-1] == "closed"


@pytest.mark.parametrize("heard", [0, 1, 3])
def test_what_was_told_while_the_connection_was_lost_is_made_up_for(
    suite, connect, engine, heard
):
    proxy = BreakingProxy(int(suite.url.rpartition(":")[2]), [])
    again = threading.Event()
    with Connect(proxy.url, oauth_secret=suite.token) as through:
        states = []

        def on_state(state):
            states.append(state)
            if state == "lost":
                for _ in range(3):
                    Model("m", "python3", ECHO).deploy(engine)
                    engine.unload_model()
            if states.count("connected") == 2:
                again.set()

        socket = through.pneumo.socket(
            src="engine-1", type="engine-config", timeout=60, on_state=on_state
        )
        for _ in range(heard):
            Model("m", "python3", ECHO).deploy(engine)
            engine.unload_model()
        before = [socket.recv().op for _ in range(2 * heard)]
        assert before == ["load", "unload"] * heard
        proxy.cut()
        assert [socket.recv().op for _ in range(6)] == ["load", "unload"] * 3
        assert again.wait(60)
        Model("m", "python3", ECHO).deploy(engine)
        assert socket.recv().op == "load"
        with pytest.raises(TimeoutError):
            socket.recv(0.2)
        socket.close()
    proxy.close()
