"""Who was about to send when the connection broke does no harm on the next one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from pilothouse import aimm
from pilothouse.aimm.answer import Answer
from pilothouse.aimm.session import Pending
from waiting import until

OUTBOX = "pilothouse-aimm-outbox"


class Gate:
    """Where one thread stops, until it may go on; others pass."""

    def __init__(self):
        self.name = ""
        self.reached = threading.Event()
        self.opened = threading.Event()

    def enter(self):
        if threading.current_thread().name == self.name:
            self.reached.set()
            assert self.opened.wait(60)


class GatedLock:
    """A lock with gates in front of it."""

    def __init__(self, lock, *gates):
        self._lock = lock
        self._gates = gates

    def __enter__(self):
        for gate in self._gates:
            gate.enter()
        self._lock.acquire()

    def __exit__(self, *exc_info):
        self._lock.release()


@pytest.fixture
def client(aimm_server):
    with aimm.connect(
        aimm_server.url, aimm_server.username, aimm_server.password, timeout=60
    ) as found:
        yield found


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as found:
        yield found


@contextmanager
def stopped(gate, pool, ask):
    """A call on its own thread while the block runs; the gate holds it back."""
    gate.name = pool.submit(lambda: threading.current_thread().name).result(60)
    asked = pool.submit(ask)
    try:
        assert gate.reached.wait(60)
        yield asked
    finally:
        gate.opened.set()


def renewed(client):
    """Break the connection, and wait for the next one."""
    seen = []
    remove = client.on_change(lambda _state: seen.append(str(client.connection)))
    client._session._socket.renew()
    until(lambda: "lost" in seen and client.connection == "ready", what="the next one")
    remove()


def highest(client):
    """The number of the newest request under way."""
    return max(list(client._session._pending))


def test_a_late_sender_that_finds_its_connection_gone_takes_no_other_request_along(
    client, pool, tmp_path
):
    one, two = client.create_instance("lab"), client.create_instance("lab")
    session, gate = client._session, Gate()
    session._message_lock = GatedLock(session._message_lock, gate)
    with stopped(gate, pool, lambda: one.predict("echo", "mine")) as asked:
        number = highest(client)
        renewed(client)
        handles = [two.submit_predict("wait", str(tmp_path / "x"))]
        while highest(client) < number:
            handles.append(two.submit_predict())
        assert number in session._pending
        gate.opened.set()
        assert asked.result(60) == "mine"
    (tmp_path / "x").touch()

    assert [handle.result(60) for handle in handles] == [0] * len(handles)


def test_a_late_sender_leaves_what_was_gathered_for_the_next_connection(
    client, pool, tmp_path
):
    one, two = client.create_instance("lab"), client.create_instance("lab")
    session, late, flush = client._session, Gate(), Gate()
    session._message_lock = GatedLock(session._message_lock, late, flush)
    with stopped(late, pool, lambda: one.predict("echo", "mine")) as asked:
        renewed(client)
        flush.name = OUTBOX
        session._outbox.is_close = lambda: True
        first = two.submit_fit("wait", str(tmp_path / "x"))
        second = two.submit_predict()  # gathered: another one is under way
        assert flush.reached.wait(60)
        session._outbox.is_close = lambda: False
        late.opened.set()
        assert asked.result(60) == "mine"
        flush.opened.set()
    (tmp_path / "x").touch()

    assert first.result(60) == two
    assert second.result(60) == 1


def test_what_a_late_sender_gathers_does_not_leave_on_another_connection(
    client, pool, tmp_path
):
    one, two = client.create_instance("lab"), client.create_instance("lab")
    session, gate = client._session, Gate()
    is_close = session._outbox.is_close

    def is_close_after_all():
        gate.enter()
        is_close()
        return threading.current_thread().name == gate.name

    session._outbox.is_close = is_close_after_all
    busy = two.submit_fit("wait", str(tmp_path / "x"))
    until(lambda: busy.id is not None)
    before = highest(client)
    with stopped(gate, pool, lambda: one.predict("echo", "mine")) as asked:
        renewed(client)
        handles = [two.submit_predict()]
        while highest(client) <= before + 1:
            handles.append(two.submit_predict())
        gate.opened.set()
        assert asked.result(60) == "mine"
    (tmp_path / "x").touch()

    assert busy.result(60) == two
    assert [handle.result(60) for handle in handles] == [1] * len(handles)


def test_what_was_gathered_as_the_connection_broke_leaves_on_the_next_one(
    client, tmp_path
):
    made = client.create_instance("lab")
    session, gate = client._session, Gate()
    first = made.submit_fit("wait", str(tmp_path / "x"))
    until(lambda: first.id is not None)
    gate.name = OUTBOX
    session._frame_lock = GatedLock(session._frame_lock, gate)
    session._outbox.is_close = lambda: True
    second = made.submit_predict()  # gathered: another one is under way
    assert gate.reached.wait(60)
    session._outbox.is_close = lambda: False
    session._socket.renew()
    until(lambda: session._orphans, what="the loss, which tells all that is under way")
    gate.opened.set()
    (tmp_path / "x").touch()

    assert first.result(60) == made
    assert second.result(60) == 1


def test_what_was_gathered_before_the_loss_is_noticed_leaves_on_the_next_connection(
    client, tmp_path, monkeypatch
):
    made = client.create_instance("lab")
    session, gate = client._session, Gate()
    first = made.submit_fit("wait", str(tmp_path / "x"))
    until(lambda: first.id is not None)
    set_state = session._socket._set_state

    def late(state):
        gate.enter()  # there is no connection any more, and nobody knows yet
        set_state(state)

    monkeypatch.setattr(session._socket, "_set_state", late)
    gate.name = session._socket._thread.name
    session._socket.renew()
    assert gate.reached.wait(60)
    session._outbox.is_close = lambda: True
    second = made.submit_predict()
    until(lambda: not session._outbox._entries)
    with session._message_lock:  # whoever took it has tried to send it
        gate.opened.set()
    session._outbox.is_close = lambda: False
    (tmp_path / "x").touch()

    assert first.result(60) == made
    assert second.result(60) == 1


def test_an_answer_that_comes_as_the_patience_ends_counts(client):
    class JustInTime(Answer):
        __slots__ = ()

        def _wait(self, timeout):
            self.set_result("here")
            return False

    pending = Pending("fit", answer=JustInTime())

    assert client._session.wait(pending, 0.0) == "here"
