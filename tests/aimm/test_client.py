"""The client against the local server: calls, handles, state, what breaks."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from free_ports import free_port
from pilothouse import aimm
from pilothouse.errors import (
    AnswerTimeoutError,
    ConnectError,
    ConnectionLostError,
    NotAuthorizedError,
    NotFoundError,
)
from pilothouse.services.host import ServiceHost
from waiting import until

LAB = Path(__file__).parents[1] / "services" / "aimm" / "lab.py"


def connected(endpoint, **options):
    return aimm.connect(endpoint.url, endpoint.username, endpoint.password, **options)


@pytest.fixture(scope="module")
def client(aimm_server):
    with connected(aimm_server) as found:
        yield found


@pytest.fixture
def lab(client):
    return client.create_instance("lab")


@pytest.mark.parametrize("path", ["", "/", "/ws"])
def test_the_path_may_be_left_out(aimm_server, path):
    url = aimm_server.url.removesuffix("/ws") + path
    with aimm.connect(url, aimm_server.username, aimm_server.password) as client:
        assert client.connection == "ready"


def test_a_path_that_is_no_control_is_told(aimm_server):
    url = aimm_server.url.removesuffix("/ws") + "/elsewhere"
    with pytest.raises(NotFoundError, match="no AIMM control at /elsewhere"):
        aimm.connect(url, aimm_server.username, aimm_server.password)


@pytest.mark.parametrize(("username", "password"), [("pilothouse", "x"), ("x", "x")])
def test_a_wrong_login_raises_and_leaves_no_thread(aimm_server, username, password):
    with pytest.raises(NotAuthorizedError, match="refused the login"):
        aimm.connect(aimm_server.url, username, password)

    assert not [t for t in threading.enumerate() if "reconnect" in t.name]


def test_without_a_password_nobody_is_asked_where_nobody_is(aimm_server, monkeypatch):
    monkeypatch.delenv("PILOTHOUSE_AIMM_PASSWORD", raising=False)
    with pytest.raises(NotAuthorizedError, match="no password for 'u'"):
        aimm.connect(aimm_server.url, "u", ask=lambda prompt: "")


def test_the_password_may_come_from_the_environment(aimm_server, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_AIMM_PASSWORD", aimm_server.password)

    with aimm.connect(aimm_server.url, aimm_server.username) as client:
        assert client.connection == "ready"


def test_nobody_there_is_a_connect_error():
    with socket.socket() as taken:  # nobody else listens there meanwhile
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConnectError):
            aimm.connect(f"ws://127.0.0.1:{port}", "u", "p")


def test_no_secret_shows(client, aimm_server):
    for shown in (repr(client), repr(vars(client._session)), str(client.state)):
        assert aimm_server.password not in shown


def test_an_instance_is_made_fitted_and_asked(client):
    line = client.create_instance("plugins.Line", rate=0.02)
    x = np.linspace(0, 1, 20)

    assert line.fit(x, 2 * x + 1, epochs=500) == line
    np.testing.assert_allclose(line.predict(np.array([0.0, 1.0])), [1, 3], atol=0.01)
    assert line.last_action.call == "predict"
    assert line.size == len(line.to_bytes())


def test_the_first_session_of_the_document_works(client):
    svc = client.create_instance("plugins.SVC", gamma=0.001)
    inputs, outputs = aimm.DataAccess("iris_inputs"), aimm.DataAccess("iris_outputs")

    svc.fit(inputs, outputs)
    prediction = svc.predict(inputs)

    assert prediction.dtype == np.int64
    assert prediction.shape == (150,)
    assert set(prediction[:50]) == {0}


def test_instances_are_added_updated_and_deleted(client, lab):
    lab.fit()
    data = lab.to_bytes()

    added = client.add_instance("lab", data)
    assert added.predict() == 1
    assert client.update_instance(
        "lab", added.id, client.create_instance("lab").to_bytes()
    )
    assert added.predict() == 0
    added.delete()

    assert added.id not in client.models
    with pytest.raises(NotFoundError, match=f"no instance {added.id}"):
        added.predict()


def test_a_change_is_seen_by_whoever_has_the_answer(client):
    made = client.create_instance("lab")

    assert client.models[made.id] == made
    assert client.actions[
        made.last_action.id if made.last_action else max(client.actions)
    ]


def test_tables_show_models_and_actions(client, lab):
    lab.fit()

    models, actions = client.models.to_frame(), client.actions.to_frame()

    assert models.loc[lab.id, "model_type"] == "lab"
    assert models.loc[lab.id, "last_action"] == "fit"
    assert actions.loc[lab.last_action.id, "progress"] == "complete"
    assert "<table" in client.models._repr_html_()


def test_listeners_are_told_of_each_change_until_removed(client, lab, tmp_path):
    seen = []
    remove = client.on_change(lambda state: seen.append(state))
    lab.fit()
    until(lambda: seen)
    remove()
    count = len(seen)
    lab.fit()

    assert len(seen) == count


def test_listeners_are_told_of_an_actions_number_before_the_state_shows_it(
    client, lab, tmp_path, monkeypatch
):
    monkeypatch.setattr(client._session, "_take_state", lambda obj: None)
    numbers = []

    def note(_state):
        under_way = list(client._session._pending.values())
        numbers.extend(one.action_id for one in under_way if one.action_id)

    remove = client.on_change(note)
    handle = lab.submit_fit("wait", str(tmp_path / "seen"))

    until(lambda: numbers)
    assert numbers == [handle.id]
    remove()
    (tmp_path / "seen").touch()
    handle.result(60)


def test_a_listener_that_fails_does_no_harm(client, lab, caplog):
    remove = client.on_change(lambda state: 1 / 0)
    lab.fit()
    remove()

    assert lab.predict() == 1
    assert "callback" in caplog.text


def test_a_handle_tells_progress_report_and_end(lab, tmp_path):
    handle = lab.submit_fit("wait", str(tmp_path / "seen"))
    until(lambda: handle.partial())

    assert (handle.is_over, handle.wait(0)) == (False, False)
    assert handle.partial() == {"epoch": 1, "epochs": 2}
    assert handle.entry.steps == (1.0, 2.0)
    assert handle.progress.total == 2.0
    with pytest.raises(AnswerTimeoutError):
        handle.result(0)
    assert "client.actions" in handle.detach()
    ended = threading.Event()
    handle.on_end(lambda one: ended.set())
    (tmp_path / "seen").touch()

    assert handle.result(60) == lab
    assert ended.wait(60)
    assert handle.outcome == "fit is complete"


def test_a_handle_yields_the_reports_of_its_plugin_until_the_end(lab, tmp_path):
    handle = lab.submit_fit("wait", str(tmp_path / "seen"))
    reports = iter(handle)

    assert next(reports) == {"epoch": 1, "epochs": 2}
    (tmp_path / "seen").touch()

    assert list(reports) == [{"epoch": 2, "epochs": 2}]
    assert handle.result() == lab


def test_a_handle_can_be_awaited(lab):
    async def both():
        return await lab.submit_fit(), await lab.submit_predict()

    assert asyncio.run(both()) == (lab, 1)


def test_giving_up_to_await_leaves_nothing_to_wait_for(lab, tmp_path):
    handle = lab.submit_fit("wait", str(tmp_path / "seen"))

    async def impatient():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle, 0.05)

    asyncio.run(impatient())  # would wait for a thread that waits

    (tmp_path / "seen").touch()
    assert handle.result(60) == lab


def test_requests_of_many_threads_get_their_own_answers(client):
    labs = [client.create_instance("lab", n=n) for n in range(4)]

    def ask(n):
        return labs[n % 4].predict("echo", [n] * 100)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(200))) == [[n] * 100 for n in range(200)]


def test_a_refused_argument_sends_nothing_and_harms_nothing(client, lab):
    before = len(client.actions)

    with pytest.raises(aimm.CannotTravelError, match=r"^args\[1\]\[0\] cannot travel"):
        lab.predict("echo", [object()])

    assert len(client.actions) == before
    assert lab.predict() == 0


def test_a_large_array_travels_both_ways(lab):
    array = np.random.default_rng(0).random((1000, 1000))

    np.testing.assert_array_equal(lab.predict("echo", array), array)


def test_logging_out_and_in_again(aimm_server):
    with connected(aimm_server) as client:
        client.logout()
        assert not client.models
        with pytest.raises(NotAuthorizedError, match="nobody is logged in"):
            client.create_instance("lab")

        client.login()

        assert client.create_instance("lab").predict() == 0


@pytest.mark.parametrize("before", ["logged in", "logged out"])
def test_a_later_login_that_is_refused_raises(aimm_server, before):
    with connected(aimm_server) as client:
        if before == "logged out":
            client.logout()

        with pytest.raises(NotAuthorizedError, match="refused the login of 'nobody'"):
            client.login("nobody", "x")

        assert client.connection == "closed"


def test_after_a_logout_a_lost_connection_leaves_no_handle_waiting(
    aimm_server, tmp_path
):
    with connected(aimm_server) as client:
        handle = client.create_instance("lab").submit_fit("wait", str(tmp_path / "x"))
        until(lambda: handle.id)
        client.logout()
        cut(client)

        with pytest.raises(aimm.StillRunningError):
            handle.result(30)
        (tmp_path / "x").touch()


def test_an_action_of_a_client_that_is_gone_is_attached_to(aimm_server, tmp_path):
    with connected(aimm_server) as first:
        made = first.create_instance("lab")
        handle = made.submit_fit("wait", str(tmp_path / "seen"))
        until(lambda: handle.id)
        number = handle.id
    with connected(aimm_server) as second:
        attached = second.attach(number)
        assert not attached.is_over
        (tmp_path / "seen").touch()

        assert attached.result(60).id == made.id


def test_closing_twice_is_harmless_and_ends_the_thread(aimm_server):
    client = connected(aimm_server)
    client.close()
    client.close()

    assert client.connection == "closed"
    with pytest.raises(ConnectionLostError):
        client.create_instance("lab")


def cut(client):
    """Break a client's connection, as a network does."""
    client._session._socket.renew()


def test_a_broken_connection_is_made_anew_and_logs_in(aimm_server):
    with connected(aimm_server) as client:
        made = client.create_instance("lab")
        cut(client)

        assert made.predict() == 0
        assert client.models[made.id] == made


def test_an_action_under_way_survives_a_broken_connection(aimm_server, tmp_path):
    with connected(aimm_server) as client:
        made = client.create_instance("lab")
        handle = made.submit_fit("wait", str(tmp_path / "seen"))
        until(lambda: handle.id)
        seen = []
        client.on_change(lambda _state: seen.append(str(client.connection)))
        cut(client)
        until(lambda: "lost" in seen)
        until(lambda: client.connection == "ready")
        (tmp_path / "seen").touch()

        assert handle.result(60) == made


@pytest.fixture
def own_server(tmp_path):
    """Starts servers on one port and one database, one after another."""
    running, port = [], free_port()

    def start():
        options = {"aimm": {"plugin_files": [str(LAB)]}}
        host = ServiceHost(
            ["aimm"],
            data_dir=tmp_path,
            ports={"aimm": port},
            options=options,
            token="the same each time",
        ).start()
        running.append(host)
        return host

    yield start
    for host in running:
        host.stop()


def test_after_a_restart_of_the_server_instances_work_at_once(own_server):
    host = own_server()
    with connected(host.aimm) as client:
        made = client.create_instance("lab")
        made.fit()
        host.stop()
        until(lambda: client.connection != "ready")
        own_server()
        until(lambda: client.connection == "ready")

        assert made.predict() == 1
        assert client.create_instance("lab").id == made.id + 1


def test_an_action_of_a_stopped_server_fails_by_name(own_server, tmp_path):
    host = own_server()
    with connected(host.aimm) as client:
        handle = client.create_instance("lab").submit_fit("wait", str(tmp_path / "x"))
        until(lambda: handle.state == "executing")
        host.stop()

        with pytest.raises((aimm.ActionError, aimm.StillRunningError)):
            handle.result(90)
